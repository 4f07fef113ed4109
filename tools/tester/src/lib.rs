//! Sends probes to a reflector and measures rate, loss and latency.
//!
//! **Invariant:** no number is reported without saying what it rests on:
//! which clock stamped the arrivals, what was asked and what was offered,
//! which losses were the tester's own. Nothing is allocated per frame, and
//! memory does not grow with the length of a run.
//!
//! One run of one frame size: a [`sender`] paces bursts, a
//! [`receiver`] judges what comes back, and a [`report`] says what became of
//! it. The [`path`] is how frames leave and arrive: a UDP socket, or raw
//! frames on one interface.
#![deny(unsafe_code)]

pub mod advice;
pub mod args;
pub mod burst;
pub mod checksums;
pub mod clock;
pub mod error;
pub mod judge;
pub mod line;
pub mod path;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod rate;
pub mod receiver;
pub mod report;
pub mod run;
pub mod sender;
mod sys;
pub mod tracker;

pub use error::Error;
