//! Turns test traffic round on Linux: in the kernel by XDP, or by sockets.
//! Elsewhere, by UDP sockets alone.
//!
//! **Invariant:** nothing here parses a frame; that is `farend-core`'s, in the
//! kernel program as in user space.
#![deny(unsafe_code)]

mod arguments;
mod check;
#[cfg(target_os = "linux")]
mod doctor;
mod failure;
#[cfg(target_os = "linux")]
mod monitor;
mod plan;
mod run;
mod session;
#[cfg(target_os = "linux")]
mod sys;
mod target;
pub mod tier;

use std::process::ExitCode;

use clap::Parser;
use farend_driver::{arguments::one_line, console::say};

#[cfg(target_os = "linux")]
use farend_linux as interface;

pub use arguments::CommandLine;
pub use failure::Failure;
pub use plan::{AfXdpSettings, Plan};
pub use target::Target;

/// Runs the program: parses its command line, serves, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        // Help and version are no errors; they go to standard output.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            say(format!("farend-xdp: {}; see --help", one_line(&error)));
            return Failure::usage("").exit_code();
        }
    };
    let outcome = if line.common.check { check::check(&line) } else { run::run(&line) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format!("farend-xdp: {failure}"));
            failure.exit_code()
        }
    }
}
