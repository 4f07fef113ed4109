//! AF_XDP: frames between an interface's queue and user space, without a copy
//! where the driver can, behind safe calls.
//!
//! `open` binds a `Socket` to each queue; a socket is a
//! [`Port`](farend_core::port::Port), so frames come and go in bursts. Which frames
//! come in is decided by an XDP program of the caller's, which redirects them to the
//! socket (`bpf_redirect_map`, an XSKMAP); sending needs none:
//!
//! ```no_run
#![cfg_attr(all(target_os = "linux", feature = "sockets"), doc = include_str!("../examples/send.rs"))]
//! ```
//!
//! What stands under it is of use by itself, and needs neither Linux nor the standard
//! library (`default-features = false`):
//!
//! - [`ring`]: cursors over a ring that the kernel shares.
//! - [`queue`]: the four rings of a queue, with a ledger of every chunk, over memory
//!   and calls that the maker brings ([`queue::Kernel`]).
//!
//! **Invariant:** nothing here parses a frame, and nothing that the kernel writes is
//! believed: a descriptor that cannot be is counted, never followed.
#![deny(unsafe_code)]
#![cfg_attr(not(any(test, feature = "sockets", farend_loom, farend_shuttle)), no_std)]

#[cfg(all(test, any(farend_loom, farend_shuttle)))]
mod model;
pub mod queue;
pub mod ring;
mod seeded;

#[cfg(all(target_os = "linux", feature = "sockets"))]
mod linux;

#[cfg(all(target_os = "linux", feature = "sockets"))]
pub use linux::{
    BindMode, FrameTooLong, Layout, OpenError, Opened, ReceiveCount, Request, Socket, Statistics,
    WakeError, open, rehearse, statistics,
};
pub use queue::Queue;
