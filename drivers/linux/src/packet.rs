//! Packet sockets with a receive ring that the kernel fills (packet(7), `TPACKET_V3`).
//!
//! The ring is cut into blocks. The kernel hands over a block when it is full or its time
//! is up; until it is given back, nobody but us touches it.

mod block;
mod sys;

use std::{
    ffi::{c_int, c_uint},
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

pub use block::{Corrupt, Cursor, DESCRIPTOR_OCTETS, Descriptor, Tag};
pub use sys::{OptionValue, RingMemory, bind, set_option, take_ring_drops};

/// Every `EtherType` (`ETH_P_ALL`).
pub const ETHER_TYPE_ANY: u16 = 3;
const _: () = assert!(ETHER_TYPE_ANY as c_int == libc::ETH_P_ALL);

/// How a ring is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingLayout {
    /// Octets of each block: a power of two, whole pages. A frame must fit into one.
    pub block_octets: usize,
    /// Blocks of the ring.
    pub blocks: usize,
    /// Longest time, in milliseconds, that a frame waits in a block that does not fill
    /// up; 1 is the shortest that the kernel offers.
    pub retire_interval_ms: u16,
}

impl RingLayout {
    /// Has the kernel read a socket's descriptors in the form that [`Cursor`] reads. Goes
    /// before all other options of the ring.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn set_version(socket: impl AsFd) -> io::Result<()> {
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        set_option(socket, libc::PACKET_VERSION, &version)
    }

    /// Gives a socket a ring of this layout.
    fn set(&self, socket: impl AsFd) -> io::Result<()> {
        let value = |octets: usize| c_uint::try_from(octets).unwrap_or(c_uint::MAX);
        let request = libc::tpacket_req3 {
            tp_block_size: value(self.block_octets),
            tp_block_nr: value(self.blocks),
            // Frames take what they need in this version; one a block satisfies
            // the kernel's arithmetic.
            tp_frame_size: value(self.block_octets),
            tp_frame_nr: value(self.blocks),
            tp_retire_blk_tov: self.retire_interval_ms.into(),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_option(socket, libc::PACKET_RX_RING, &request)
    }
}

/// Opens a packet socket that receives nothing until it is bound to an `EtherType`, and
/// never makes a caller wait.
///
/// # Errors
///
/// What the kernel says: without `CAP_NET_RAW`, that it is not permitted.
pub fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?)
}
