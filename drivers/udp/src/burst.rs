//! Memory for a burst of datagrams: made once, used for every burst.

use farend_core::frame::wire::udp;

/// Datagrams that are received, and answered, together.
///
/// A system call costs about as much as a few datagrams do inside the kernel;
/// spread over 64 it hardly counts, and 64 indexes and headers stay in the
/// innermost cache.
pub(crate) const BURST_DATAGRAMS: usize = 64;

/// Octets of the largest UDP payload: a datagram has at most 65,535 with its
/// header, so none is ever cut.
const PAYLOAD_OCTETS_MAX: usize = 65_535 - udp::HEADER_OCTETS;

/// Octets from one datagram's memory to the next one's.
///
/// Not a power of two: all payloads would start in the same few cache sets.
/// 25 cache lines past one put the first 1,500 octets of neighbours side by
/// side.
const STRIDE_OCTETS: usize = 65_536 + 25 * 64;

/// Octets of the longest socket address: IPv6.
pub(crate) const NAME_OCTETS: usize = size_of::<libc::sockaddr_in6>();

/// Room for control messages: one with a destination address takes at most 40
/// octets, one with a hop limit 24.
pub(crate) const CONTROL_OCTETS: usize = 64;

/// Control messages, aligned as the kernel's macros want it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; CONTROL_OCTETS]);

/// All of a datagram but its payload.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    /// The peer, as the kernel writes it and wants it back.
    pub(crate) name: [u8; NAME_OCTETS],
    pub(crate) name_octets: u8,
    pub(crate) control: Control,
    pub(crate) control_octets: u8,
    pub(crate) payload_octets: usize,
    /// The payload was longer than its room.
    pub(crate) is_truncated: bool,
}

const EMPTY_SLOT: Slot = Slot {
    name: [0; NAME_OCTETS],
    name_octets: 0,
    control: Control([0; CONTROL_OCTETS]),
    control_octets: 0,
    payload_octets: 0,
    is_truncated: false,
};

/// Room for each slot's datagram: a UDP header, which the core fills in, and
/// a payload behind it.
pub(crate) struct Octets(Vec<u8>);

const _: () = assert!(udp::HEADER_OCTETS + PAYLOAD_OCTETS_MAX <= STRIDE_OCTETS);

impl Octets {
    /// Where the payloads go, slot by slot.
    pub(crate) fn payload_rooms_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.0
            .chunks_exact_mut(STRIDE_OCTETS)
            .map(|room| &mut room[udp::HEADER_OCTETS..udp::HEADER_OCTETS + PAYLOAD_OCTETS_MAX])
    }

    /// A slot's payload of this length.
    pub(crate) fn payload(&self, slot: usize, octets: usize) -> Option<&[u8]> {
        self.0.chunks_exact(STRIDE_OCTETS).nth(slot)?.get(udp::HEADER_OCTETS..)?.get(..octets)
    }

    /// A slot's payload of this length, and the room for the header before it.
    pub(crate) fn datagram_mut(&mut self, slot: usize, octets: usize) -> Option<&mut [u8]> {
        let room = self.0.chunks_exact_mut(STRIDE_OCTETS).nth(slot)?;
        room.get_mut(..udp::HEADER_OCTETS.checked_add(octets)?)
    }
}

/// A burst's slots and their octets, index by index.
pub(crate) struct Burst {
    pub(crate) slots: Vec<Slot>,
    pub(crate) octets: Octets,
}

impl Burst {
    /// Sets 4 MiB aside. The system backs them with memory as they are
    /// written, so short datagrams take a page each.
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![EMPTY_SLOT; BURST_DATAGRAMS],
            octets: Octets(vec![0; BURST_DATAGRAMS * STRIDE_OCTETS]),
        }
    }
}
