//! User space, over packet sockets: any Linux interface, no XDP needed.
//!
//! The kernel writes received frames into blocks of a memory-mapped ring
//! (packet(7), `TPACKET_V3`). Each is turned round where it lies and sent from
//! there; the kernel copies it on the way out, so the block goes back when its
//! last frame is answered, never before. User space copies no payload.
//!
//! What the ring leaves out is put back from its metadata: the outer VLAN tag,
//! which the kernel takes off every frame, and the offloads that a frame from
//! a virtual interface is still waiting for (its checksum, its segmentation).
//!
//! A frame waits for its block to be handed over: until the block is full, or
//! for [`RETIRE_INTERVAL_MS`] at most (before Linux 6.18, whose timer is finer,
//! for the kernel's tick: up to 4 ms).
//!
//! The host's own network stack sees every frame too, and would answer with
//! ICMP errors. A [`Shield`] keeps those that are answered here from it.
//!
//! **Invariant:** nothing here parses a frame. Every frame that the ring
//! delivers is answered, counted by its verdict, or counted as a loss by name.

mod block;
mod error;
mod link;
mod offload;
mod port;
mod promiscuity;
mod ring;
mod shield;
mod sys;
mod transmit;
mod worker;

pub use error::{OpenError, RunError};
pub use promiscuity::Promiscuity;
pub use ring::RETIRE_INTERVAL_MS;
pub use shield::{Shield, ShieldError};
pub use worker::{Options, Worker};
