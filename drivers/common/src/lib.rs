//! What every Farend driver shares: the runtime that serves, and the parts that
//! it is made of.
//!
//! **Invariant:** nothing here knows one operating system's packet I/O, and
//! nothing here parses a frame.
#![deny(unsafe_code)]

pub mod arguments;
pub mod clock;
pub mod config;
pub mod control;
pub mod event;
pub mod failure;
pub mod hints;
mod named;
pub mod observe;
pub mod options;
pub mod plan;
pub mod privileges;
pub mod runtime;
pub mod settings;
pub mod signals;
pub mod sink;
pub mod statistics;
pub mod threaded;
pub mod tier;
pub mod values;
pub mod worker;

#[doc(hidden)]
pub use clap;
