//! The receive ring of one interface.

use std::{
    ffi::{c_int, c_uint},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::{
    block::RESERVE_OCTETS,
    error::OpenError,
    sys::{self, Map},
};

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

/// Every `EtherType` (packet(7), `ETH_P_ALL`).
const ETHER_TYPE_ANY: u16 = 3;
const _: () = assert!(ETHER_TYPE_ANY as c_int == libc::ETH_P_ALL);

/// A packet socket with a memory-mapped ring.
pub(super) struct Ring {
    map: Map,
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
            sys::set_option(fd, option, &value).map_err(|error| OpenError::Option { what, error })
        };
        set(libc::PACKET_VERSION, libc::tpacket_versions::TPACKET_V3 as usize, "TPACKET_V3")?;
        set(libc::PACKET_RESERVE, RESERVE_OCTETS, "PACKET_RESERVE")?;
        set(libc::PACKET_VNET_HDR, 1, "PACKET_VNET_HDR")?;
        set(libc::PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING")?;

        let mtu_octets = usize::try_from(mtu_octets).unwrap_or(BLOCK_OCTETS_MIN);
        let block_octets = mtu_octets
            .saturating_add(OVERHEAD_OCTETS)
            .clamp(BLOCK_OCTETS_MIN, RING_OCTETS / 4)
            .next_power_of_two();
        let blocks = RING_OCTETS / block_octets;
        let what = "PACKET_RX_RING";
        let request = request(block_octets, blocks);
        sys::set_option(fd, libc::PACKET_RX_RING, &request)
            .map_err(|error| OpenError::Option { what, error })?;
        let map = Map::new(fd, block_octets, blocks)
            .map_err(|error| OpenError::Option { what: "mmap of the ring", error })?;

        // Last, so that no frame comes in before all is set.
        sys::bind(fd, interface_index, ETHER_TYPE_ANY).map_err(OpenError::Bind)?;
        Ok(Self { map, next: 0, socket })
    }

    /// Blocks of the ring.
    pub(super) fn blocks(&self) -> usize {
        self.map.blocks()
    }

    /// Octets of each block.
    pub(super) fn block_octets(&self) -> usize {
        self.map.block_octets()
    }

    /// Takes the oldest filled block. It is ours until it is given back, and
    /// the next one may be taken before.
    pub(super) fn claim(&mut self) -> Option<usize> {
        let index = self.next;
        if !self.map.claim(index) {
            return None;
        }
        self.next = (index + 1) % self.map.blocks();
        Some(index)
    }

    /// The octets of a block that is ours.
    #[inline]
    pub(super) fn block_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        self.map.octets_mut(index)
    }

    /// Hands a block back to the kernel.
    pub(super) fn give_back(&mut self, index: usize) {
        self.map.give_back(index);
    }

    /// Frames that found no room in the ring since the last call.
    pub(super) fn take_drops(&self) -> u64 {
        // There is no reason to fail, and the next call would tell them too.
        sys::take_ring_drops(self.socket.as_fd()).unwrap_or(0).into()
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
    socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map_err(|error| OpenError::Socket(error.into()))
}

fn request(block_octets: usize, blocks: usize) -> libc::tpacket_req3 {
    let value = |octets: usize| c_uint::try_from(octets).unwrap_or(c_uint::MAX);
    libc::tpacket_req3 {
        tp_block_size: value(block_octets),
        tp_block_nr: value(blocks),
        // Frames take what they need in this version; one a block satisfies
        // the kernel's arithmetic.
        tp_frame_size: value(block_octets),
        tp_frame_nr: value(blocks),
        tp_retire_blk_tov: RETIRE_INTERVAL_MS.into(),
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    }
}
