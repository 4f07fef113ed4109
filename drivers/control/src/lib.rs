//! The control API of Farend's drivers, `org.farend.Control`: calls, replies,
//! statistics and errors as types, their framing and interface description, and
//! a blocking client.
//!
//! The protocol is [Varlink](https://varlink.org): JSON objects, each ended by
//! NUL, over a Unix socket. `docs/control.md` describes it for clients in other
//! languages.
//!
//! **Invariant:** nothing here opens a tier, decides about a frame or starts a
//! thread; nothing that a peer sends is believed beyond its bounds.
#![deny(unsafe_code)]

pub mod address;
pub mod calls;
pub mod client;
pub mod configuration;
pub mod error;
pub mod event;
pub mod framing;
pub mod idl;
pub mod json;
pub mod request;
pub mod role;
pub mod service;
pub mod statistics;
pub mod status;

pub use calls::Call;
pub use client::Client;
pub use error::Error;
pub use request::Request;
pub use role::Role;

/// Name of the interface.
pub const INTERFACE: &str = "org.farend.Control";

/// Version of the interface: goes up when fields or methods are added. What
/// would break a client gets another interface instead.
pub const API: u64 = 1;
