//! The forms in which frames and counters leave a driver, for those who write
//! them and those who read them.
//!
//! **Invariant:** nothing here knows where frames come from, and nothing that
//! is read is trusted: what is broken is an error or `None`, never a panic.
#![deny(unsafe_code)]

mod file;
pub mod pcapng;
pub mod tap;
mod verdict;

pub use file::{check_file, create_file};
pub use verdict::describe;
