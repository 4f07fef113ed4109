//! Blocks threads for the locks of `farend_core::sync`.
//!
//! One backend for each system, and no algorithm: a backend converts a deadline,
//! calls the system and sorts what it answered.
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
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]

mod backend;
#[cfg(not(target_os = "none"))]
mod counting;
#[cfg(any(target_vendor = "apple", test))]
pub mod darwin;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(not(target_os = "none"))]
mod parking;
#[cfg(unix)]
pub mod registry;
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
pub use spin::Spin;

/// The backend to use on this system.
#[cfg(target_os = "linux")]
pub type Default = Linux;

/// The backend to use on this system.
#[cfg(all(target_vendor = "apple", not(feature = "private-apis")))]
pub type Default = Registered<darwin::OsSync>;

/// The backend to use on this system.
#[cfg(all(target_vendor = "apple", feature = "private-apis"))]
pub type Default = Registered<darwin::Ulock>;
