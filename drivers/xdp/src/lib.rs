//! Turns test traffic round on Linux: in the kernel by XDP, or by sockets.
//!
//! **Invariant:** nothing here parses a frame; that is `farend-core`'s, in the
//! kernel program as in user space.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod interface;
#[cfg(target_os = "linux")]
mod sys;
pub mod tier;
