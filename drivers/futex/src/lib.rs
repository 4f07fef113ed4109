//! Blocks threads for the locks of `farend_core::sync`.
//!
//! One backend for each system, and no algorithm: a backend converts a deadline,
//! calls the system and sorts what it answered. [`private`] and [`shared`] name the
//! locks with the backend of this system.
//!
//! | backend | system | scopes |
//! |---|---|---|
//! | [`Linux`] | futex | private, shared |
//!
//! [`Counting`] is any backend that counts its calls.
//!
//! # A mutex between threads
//! ```
//! use farend_futex::private::Mutex;
//!
//! static TOTAL: Mutex<u64> = Mutex::new(0);
//!
//! std::thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(|| *TOTAL.lock().unwrap() += 1);
//!     }
//! });
//! assert_eq!(*TOTAL.lock().unwrap(), 4);
//! ```
//!
//! # A mutex between processes
//! The lock is in memory that both map, here at two addresses of one process. If a
//! process dies with the lock, the next one is told, and decides whether the data is
//! sound:
//! ```
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
//! // A thread that ends without giving the lock up counts as dead, too.
//! std::thread::spawn(move || std::mem::forget(there.lock())).join().unwrap();
//! assert!(matches!(here.lock(), Err(LockError::OwnerDied(_))));
//! # Ok::<(), std::io::Error>(())
//! ```
#![deny(unsafe_code)]

mod counting;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(target_os = "linux")]
mod scope;
mod thread;

pub use counting::{Calls, Counting};
#[cfg(target_os = "linux")]
pub use linux::Linux;
#[cfg(target_os = "linux")]
pub use scope::{private, shared};

/// The backend to use on this system.
#[cfg(target_os = "linux")]
pub type Default = Linux;
