//! Wire formats: one protocol, one file, one order (offsets, view, tests).
//!
//! Octet offsets are counted from the start of the header. All fields of more
//! than one octet are big-endian on the wire.

pub mod ethernet;
pub mod ip_protocol;
pub mod ipv4;
pub mod ipv6;
pub mod udp;
pub mod vlan;
