//! What every Farend driver shares.
//!
//! **Invariant:** nothing here knows one operating system's packet I/O, and
//! nothing here parses a frame.
#![deny(unsafe_code)]

pub mod arguments;
pub mod clock;
pub mod config;
pub mod console;
pub mod hints;
pub mod observe;
#[cfg(target_os = "linux")]
pub mod privileges;
pub mod settings;
pub mod signals;
pub mod statistics;
pub mod values;
pub mod worker;
