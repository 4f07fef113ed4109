//! Looks at running drivers and steers them, from a shell: by their control
//! sockets, here or over ssh, and by what they keep in shared memory.
//!
//! **Invariant:** nothing here needs a privilege of its own; what a driver or a
//! file says reaches a terminal without control characters.
#![deny(unsafe_code)]

pub mod args;
pub mod attach;
pub mod bridge;
pub mod config;
pub mod counters;
pub mod drivers;
pub mod error;
mod line;
pub mod look;
pub mod pages;
pub mod print;
pub mod report;
pub mod steer;
pub mod tap;
pub mod time;

pub use error::Error;
