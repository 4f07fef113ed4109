//! What every Farend driver shares.
//!
//! **Invariant:** nothing here knows one operating system's packet I/O, and
//! nothing here parses a frame.
#![deny(unsafe_code)]

pub mod clock;
pub mod worker;
