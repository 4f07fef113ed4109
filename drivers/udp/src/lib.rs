//! The tier that needs no privileges: plain UDP sockets, Linux and macOS.
//!
//! The kernel gives payloads, not frames, and writes new headers for the
//! answers. So what comes back is no true reflection of the link layer: VLAN
//! tags, MAC addresses, TTL and IP options are the kernel's. Ports, payload and
//! timing are the test's.
//!
//! **Invariant:** nothing here parses a header; the core decides about each
//! datagram. Every datagram received is answered, counted by its verdict, or
//! counted as a loss by name.
#![deny(unsafe_code)]

mod burst;
mod control;
mod error;
mod name;
mod socket;
mod sys;
mod worker;

pub use error::{OpenError, RunError};
pub use worker::{Options, Worker};
