//! A link that carries IP packets between two hosts over UDP: its frames, and
//! what both ends count and decide.
//!
//! - [`header`]: the 19 octets before each packet.
//! - [`replay`]: which sequence numbers were seen; [`arrivals`]: loss,
//!   reordering and duplicates from the same numbers.
//! - [`rtt`], [`buffer`], [`mtu`]: round-trip times, how much may queue, how
//!   large a frame the path takes.
//! - [`packet`]: the few facts about an inner packet that the next two need.
//! - [`offload`], [`segment`], [`coalesce`]: large segments as a virtual
//!   interface hands them over, cut into packets and put together again.
//!
//! Encryption stands outside: it needs an allocator or a processor's
//! instructions. `docs/link.md` describes the whole protocol.

pub mod arrivals;
pub mod buffer;
pub mod coalesce;
pub mod header;
pub mod mtu;
pub mod offload;
pub mod packet;
pub mod replay;
pub mod rtt;
pub mod segment;

#[cfg(test)]
mod oracle;
