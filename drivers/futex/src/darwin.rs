//! macOS, iOS and their kin.
//!
//! | backend | functions | from | scopes | App Store |
//! |---|---|---|---|---|
//! | [`OsSync`] | `os_sync_wait_on_address` | macOS 14.4 | private, shared | yes |
//! | … before that | pthread mutex and condition variable | any | private | yes |
//! | `Ulock` | `__ulock_wait2`, `__ulock_wait` | 10.12, shared 10.15 | private, shared | no |
//! | [`Mach`] | `semaphore_timedwait` | any | private | yes |
//!
//! `Ulock` is there with the feature `private-apis`. It and [`OsSync`] are the
//! same calls to the kernel, so processes of both kinds can share a lock.
//!
//! What is decided, converted and repeated stands in files that compile and are
//! tested on every system; `sys` holds the calls.

mod os_sync;
mod outcome;
mod refusals;
mod semaphore;
mod time;
#[cfg(any(feature = "private-apis", test))]
mod ulock;
mod wait;

#[cfg(target_vendor = "apple")]
mod backends;
#[cfg(target_vendor = "apple")]
mod mach;
#[cfg(target_vendor = "apple")]
pub(crate) mod sys;
#[cfg(test)]
mod wait_tests;

#[cfg(all(target_vendor = "apple", feature = "private-apis"))]
pub use self::backends::Ulock;
pub use self::refusals::{Refusals, refusals};
#[cfg(target_vendor = "apple")]
pub use self::{backends::OsSync, mach::Mach};
