//! Turns test traffic round on Linux: in the kernel by XDP, or by sockets.
//! Elsewhere, by UDP sockets alone.
//!
//! **Invariant:** nothing here parses a frame; that is `farend-core`'s, in the
//! kernel program as in user space. Nothing here runs: that is
//! `farend-driver`'s runtime, over this crate's platform.
#![deny(unsafe_code)]

mod arguments;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod monitor;
mod plan;
mod platform;
#[cfg(target_os = "linux")]
mod sys;
mod target;
pub mod tier;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
use farend_linux as interface;

pub use arguments::{XdpChoices, XdpOptions, XdpSettings};
pub use platform::Xdp;
pub use target::Target;

/// Runs the program: parses its command line, serves, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    farend_driver::runtime::main::<Xdp>()
}
