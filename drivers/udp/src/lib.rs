//! Plain UDP sockets, which need no privileges, on Linux and macOS: the program
//! `farend-udp`, and the tier `udp` of other drivers.
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

mod addresses;
mod burst;
mod control;
mod error;
mod mover;
mod name;
mod platform;
mod socket;
mod sys;
pub mod tier;
mod worker;

pub use addresses::Addresses;
pub use error::{OpenError, RunError};
pub use mover::Mover;
pub use platform::Udp;
pub use worker::{Options, Worker};
