//! Blocks threads for the locks of `farend_core::sync`.
//!
//! One backend for each system, and no algorithm: a backend converts a deadline,
//! calls the system and sorts what it answered. [`private`] and [`shared`] name the
//! locks with the backend of this system.
//!
//! | backend | system | scopes |
//! |---|---|---|
//! | `Linux` | futex | private, shared |
//! | `darwin::OsSync` | `os_sync_wait_on_address` | private, shared |
//! | `darwin::Ulock` | `__ulock_wait2`, with the feature `private-apis` | private, shared |
//! | `darwin::Mach` | Mach semaphores | private |
//! | [`Parking`] | any with threads | private |
//! | [`Spin`] | none: firmware | private, shared |
//!
//! `Registered` is any of them with owners of process-shared locks whose death
//! others learn of by looking, for systems that do not tell.
//! [`Counting`] is any backend that counts its calls. [`Backend::check`] tells
//! whether one works on the system that runs.
//!
//! # A mutex between threads
//! ```
//! use farend_futex::private::Mutex;
//!
//! static TOTAL: Mutex<u64> = Mutex::new(0);
//!
//! std::thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(|| *TOTAL.lock() += 1);
//!     }
//! });
//! assert_eq!(*TOTAL.lock(), 4);
//! ```
//!
//! # A mutex between processes
//! The lock is in memory that both map, here at two addresses of one process. If a
//! process dies with the lock, the next one is told, and decides whether the data is
//! sound:
#![cfg_attr(target_os = "linux", doc = "```")]
#![cfg_attr(not(target_os = "linux"), doc = "```ignore")]
//! use farend_core::sync::{LockError, MutexGuard};
//! use farend_futex::{linux::Memory, shared::Mutex};
//!
//! fn count(total: &Mutex<u64>) {
//!     let mut guard = match total.lock() {
//!         Ok(guard) => guard,
//!         Err(LockError::OwnerDied(guard)) => {
//!             // Whatever it left is a count: nothing to repair.
//!             MutexGuard::make_consistent(&guard).unwrap();
//!             guard
//!         }
//!         Err(LockError::Refused(refused)) => panic!("{refused}"),
//!     };
//!     *guard += 1;
//! }
//!
//! let memory = Memory::create::<Mutex<u64>>()?;
//! // SAFETY: whoever maps this memory maps it as this type.
//! let here: &Mutex<u64> = unsafe { memory.map()? };
//! count(here);
//!
//! // The other process has inherited the descriptor, or opens it:
//! use std::os::fd::{AsFd, AsRawFd};
//! let theirs = Memory::open_in(std::process::id(), memory.as_fd().as_raw_fd())?;
//! // SAFETY: as above.
//! let there: &Mutex<u64> = unsafe { theirs.map()? };
//! assert!(!std::ptr::eq(here, there));
//!
//! // A guard that is leaked holds the lock until its process ends, not its thread: what
//! // was borrowed from the guard may be in use elsewhere.
//! std::thread::spawn(move || std::mem::forget(there.lock())).join().unwrap();
//! assert!(matches!(here.try_lock(), Err(LockError::Refused(_))));
//! # Ok::<(), std::io::Error>(())
//! ```
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]

mod backend;
#[cfg(not(target_os = "none"))]
mod counting;
#[cfg(any(target_vendor = "apple", test))]
pub mod darwin;
#[cfg(unix)]
mod ending;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(unix)]
mod looks;
#[cfg(not(target_os = "none"))]
mod parking;
#[cfg(unix)]
pub mod process;
#[cfg(unix)]
pub mod registry;
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
mod scope;
pub mod spin;
#[cfg(not(target_os = "none"))]
mod thread;

pub use backend::{Backend, Unavailable};
#[cfg(not(target_os = "none"))]
pub use counting::{Calls, Counting};
#[cfg(target_os = "linux")]
pub use linux::Linux;
#[cfg(not(target_os = "none"))]
pub use parking::Parking;
#[cfg(unix)]
pub use registry::Registered;
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub use scope::{private, shared};
pub use spin::Spin;

/// The backend to use on this system.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
pub type Default = Linux;

/// The backend to use on this system.
#[cfg(all(target_os = "linux", not(all(target_env = "gnu", target_pointer_width = "64"))))]
pub type Default = Registered<Linux>;

/// The backend to use on this system.
#[cfg(all(target_vendor = "apple", not(feature = "private-apis")))]
pub type Default = Registered<darwin::OsSync>;

/// The backend to use on this system.
#[cfg(all(target_vendor = "apple", feature = "private-apis"))]
pub type Default = Registered<darwin::Ulock>;
