//! A link that carries IP packets between two hosts over UDP: the program
//! `farend-tun`.
//!
//! `outbound` takes packets from a virtual interface to the socket,
//! `inbound` takes them back; `docs/decisions/0012-the-link.md` follows a
//! packet through both. `control` asks for round-trip times, finds the path's
//! MTU and makes new keys.
//!
//! **Invariant:** nothing leaves in clear unless `--insecure-plaintext` is given,
//! and nothing enters that is not the peer's. What is dropped is counted by its
//! cause.
#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

pub mod arguments;
mod control;
mod counts;
mod device;
mod handshake;
mod identity;
mod inbound;
mod name;
mod network;
mod options;
mod outbound;
mod platform;
mod seal;
mod shared;
mod socket;
mod sys;
mod tier;

pub use options::{LinkOptions, LinkSettings};
pub use platform::Tun;
