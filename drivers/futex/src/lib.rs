//! Blocks threads for the locks of `farend_core::sync`.
//!
//! One backend for each system, and no algorithm: a backend converts a deadline,
//! calls the system and sorts what it answered.
//!
//! | backend | system | scopes |
//! |---|---|---|
//! | [`Linux`] | futex | private, shared |
//!
//! [`Counting`] is any backend that counts its calls.
#![deny(unsafe_code)]

mod counting;
#[cfg(target_os = "linux")]
pub mod linux;
mod thread;

pub use counting::{Calls, Counting};
#[cfg(target_os = "linux")]
pub use linux::Linux;

/// The backend to use on this system.
#[cfg(target_os = "linux")]
pub type Default = Linux;
