//! The receive ring of one interface.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_linux::packet::{self, RingLayout, RingMemory};
use rustix::net::sockopt;

use super::{block::RESERVE_OCTETS, error::OpenError};

/// Longest time, in milliseconds, that a frame waits in a block that does not
/// fill up. The shortest that the kernel offers.
pub const RETIRE_INTERVAL_MS: u16 = 1;

/// Octets of a block. A frame must fit into one: those of every Ethernet MTU
/// do, and nearly every frame that was merged from many.
const BLOCK_OCTETS_MIN: usize = 64 << 10;

/// Octets of all blocks: at least a quarter of a second of frames, because a
/// block lasts for [`RETIRE_INTERVAL_MS`] or until it is full.
const RING_OCTETS: usize = 16 << 20;

/// Octets of a block that may not be a frame's: descriptors and headroom.
pub(super) const OVERHEAD_OCTETS: usize = 256;

/// A packet socket with a memory-mapped ring.
pub(super) struct Ring {
    memory: RingMemory,
    /// The block to be filled, and to be taken, next.
    next: usize,
    socket: OwnedFd,
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Ring {
    /// Opens the ring; frames come in from then on.
    pub(super) fn open(interface_index: u32, mtu_octets: u32) -> Result<Self, OpenError> {
        let socket = open_socket()?;
        let fd = socket.as_fd();
        let set = |option, value: usize, what| {
            let value = c_int::try_from(value).unwrap_or(c_int::MAX);
            packet::set_option(fd, option, &value)
                .map_err(|error| OpenError::Option { what, error })
        };
        RingLayout::set_version(fd)
            .map_err(|error| OpenError::Option { what: "TPACKET_V3", error })?;
        set(libc::PACKET_RESERVE, RESERVE_OCTETS, "PACKET_RESERVE")?;
        set(libc::PACKET_VNET_HDR, 1, "PACKET_VNET_HDR")?;
        set(libc::PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING")?;

        let mtu_octets = usize::try_from(mtu_octets).unwrap_or(BLOCK_OCTETS_MIN);
        let block_octets = mtu_octets
            .saturating_add(OVERHEAD_OCTETS)
            .clamp(BLOCK_OCTETS_MIN, RING_OCTETS / 4)
            .next_power_of_two();
        let blocks = RING_OCTETS / block_octets;
        let layout = RingLayout { block_octets, blocks, retire_interval_ms: RETIRE_INTERVAL_MS };
        let memory = RingMemory::new(fd, &layout)
            .map_err(|error| OpenError::Option { what: "PACKET_RX_RING", error })?;

        // Last, so that no frame comes in before all is set.
        packet::bind(fd, interface_index, packet::ETHER_TYPE_ANY).map_err(OpenError::Bind)?;
        Ok(Self { memory, next: 0, socket })
    }

    /// Blocks of the ring.
    pub(super) fn blocks(&self) -> usize {
        self.memory.blocks()
    }

    /// Octets of each block.
    pub(super) fn block_octets(&self) -> usize {
        self.memory.block_octets()
    }

    /// Takes the oldest filled block. It is ours until it is given back, and
    /// the next one may be taken before.
    pub(super) fn claim(&mut self) -> Option<usize> {
        let index = self.next;
        if !self.memory.claim(index) {
            return None;
        }
        self.next = (index + 1) % self.memory.blocks();
        Some(index)
    }

    /// The octets of a block that is ours.
    #[inline]
    pub(super) fn block_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        self.memory.octets_mut(index)
    }

    /// Hands a block back to the kernel.
    pub(super) fn give_back(&mut self, index: usize) {
        self.memory.give_back(index);
    }

    /// Frames that found no room in the ring since the last call.
    pub(super) fn take_drops(&self) -> u64 {
        // There is no reason to fail, and the next call would tell them too.
        packet::take_ring_drops(&self.socket).unwrap_or(0).into()
    }

    /// What happened to the interface since the last call, as the kernel left
    /// it on the socket.
    pub(super) fn take_error(&self) -> io::Result<()> {
        match sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(error.into()),
        }
    }
}

/// A packet socket that receives nothing yet.
pub(super) fn open_socket() -> Result<OwnedFd, OpenError> {
    packet::open().map_err(OpenError::Socket)
}
