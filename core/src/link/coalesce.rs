//! Puts consecutive packets of one flow together, so that the host handles one
//! large packet instead of many.
//!
//! Only packets that cutting would give back exactly are joined: the same
//! headers but for the numbers that count up, no flag that means anything, and
//! a checksum that is right. A damaged packet is never joined, because the large
//! one gets a new checksum that would bless it.

use super::{
    offload::{Offload, Segmentation},
    packet::{Packet, Transport, Version, partial, pseudo_header},
    segment::HEADERS_OCTETS_MAX,
};
use crate::frame::{
    checksum::Sum,
    wire::{get, put},
};

/// Most packets in one.
pub const PACKETS_MAX: u16 = 64;

/// The longest packet that IPv4's length field can tell.
const OCTETS_MAX: usize = 65_535;

const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// A large packet in the making: its headers, and what the next packet of it
/// must have. The payloads stay where they are; the caller keeps them in order.
#[derive(Clone, Debug)]
pub struct Run {
    headers: [u8; HEADERS_OCTETS_MAX],
    packet: Packet,
    /// Payload octets of the first packet.
    segment_octets: usize,
    /// Payload octets of all.
    payload_octets: usize,
    packets: u16,
    next_sequence: u32,
    next_id: u16,
    is_closed: bool,
}

impl Run {
    /// Begins with a packet; `None` if it cannot be joined with any. Its
    /// checksum must be known to be right, or partial and authenticated.
    #[must_use]
    pub fn begin(packet: &Packet, octets: &[u8]) -> Option<Self> {
        let (given, payload) = octets.split_at_checked(usize::from(packet.payload_offset))?;
        let mut headers = [0; HEADERS_OCTETS_MAX];
        headers.get_mut(..given.len())?.copy_from_slice(given);
        if payload.is_empty() || !may_join(packet, given) {
            return None;
        }
        let (sequence, flags) = tcp(packet, given)?;
        Some(Self {
            headers,
            packet: *packet,
            segment_octets: payload.len(),
            payload_octets: payload.len(),
            packets: 1,
            next_sequence: next_sequence(packet.transport, sequence, payload.len())?,
            next_id: next_id(packet, id(packet, given)?),
            is_closed: flags & PSH != 0,
        })
    }

    /// Appends a packet, if it continues this one.
    #[must_use]
    pub fn join(&mut self, packet: &Packet, octets: &[u8]) -> bool {
        self.try_join(packet, octets).is_some()
    }

    /// How many packets it has.
    #[must_use]
    pub const fn packets(&self) -> u16 {
        self.packets
    }

    /// Writes the headers of the whole, and tells what is left to do with it:
    /// always the checksum, and the cutting if it is of several packets.
    #[must_use]
    pub fn finish(&mut self) -> (Offload, &[u8]) {
        let header_octets = usize::from(self.packet.payload_offset);
        // All lengths were compared when packets joined.
        let _ = self.write_lengths(header_octets);
        let segmentation = match (self.packets, self.packet.transport, self.packet.version) {
            (1, ..) => Segmentation::None,
            (_, Transport::Udp, _) => Segmentation::Udp,
            (_, Transport::Tcp, Version::V4) => Segmentation::TcpV4,
            (_, Transport::Tcp, Version::V6) => Segmentation::TcpV6,
        };
        let is_cut = segmentation != Segmentation::None;
        let offload = Offload {
            is_partial: true,
            segmentation,
            header_octets: if is_cut { u16::from(self.packet.payload_offset) } else { 0 },
            segment_octets: match u16::try_from(self.segment_octets) {
                Ok(octets) if is_cut => octets,
                _ => 0,
            },
            checksum_start: u16::from(self.packet.transport_offset),
            checksum_offset: self.packet.transport.checksum_offset(),
        };
        (offload, self.headers.get(..header_octets).unwrap_or(&[]))
    }

    fn try_join(&mut self, packet: &Packet, octets: &[u8]) -> Option<()> {
        let (given, payload) = octets.split_at_checked(usize::from(packet.payload_offset))?;
        let whole = self.payload_octets.wrapping_add(octets.len());
        let has_room = !self.is_closed
            && self.packets < PACKETS_MAX
            && !payload.is_empty()
            && payload.len() <= self.segment_octets
            && whole <= OCTETS_MAX;
        if !has_room || *packet != self.packet || !may_join(packet, given) {
            return None;
        }
        let (sequence, flags) = tcp(packet, given)?;
        let is_next = sequence == self.next_sequence && id(packet, given)? == self.next_id;
        let mine = self.headers.get(..given.len())?;
        if !is_next || !are_alike(packet, mine, given) {
            return None;
        }
        if packet.transport == Transport::Tcp && flags & PSH != 0 {
            *self.headers.get_mut(usize::from(packet.transport_offset).wrapping_add(13))? |= PSH;
            self.is_closed = true;
        }
        self.is_closed |= payload.len() < self.segment_octets;
        self.payload_octets = self.payload_octets.wrapping_add(payload.len());
        self.packets = self.packets.wrapping_add(1);
        self.next_sequence = next_sequence(packet.transport, self.next_sequence, payload.len())?;
        self.next_id = next_id(packet, self.next_id);
        Some(())
    }

    fn write_lengths(&mut self, header_octets: usize) -> Option<()> {
        let octets = header_octets.wrapping_add(self.payload_octets);
        let headers = self.headers.get_mut(..header_octets)?;
        let at = usize::from(self.packet.transport_offset);
        let length = octets.wrapping_sub(at);
        match self.packet.version {
            Version::V4 => {
                let header = headers.first_chunk_mut::<20>()?;
                put::<2, 2, _>(header, u16::try_from(octets).ok()?.to_be_bytes());
                put::<10, 2, _>(header, [0; 2]);
                let checksum = Sum::ZERO.add_octets(headers.get(..at)?).checksum();
                put::<10, 2, _>(headers.first_chunk_mut::<20>()?, checksum);
            }
            Version::V6 => {
                let header = headers.first_chunk_mut::<40>()?;
                put::<4, 2, _>(header, u16::try_from(length).ok()?.to_be_bytes());
            }
        }
        if self.packet.transport == Transport::Udp {
            let header = headers.get_mut(at..)?.first_chunk_mut::<8>()?;
            put::<4, 2, _>(header, u16::try_from(length).ok()?.to_be_bytes());
        }
        let sum = pseudo_header(self.packet.version, self.packet.transport, headers, length)?;
        let field = at.wrapping_add(usize::from(self.packet.transport.checksum_offset()));
        *headers.get_mut(field..)?.first_chunk_mut()? = partial(sum);
        Some(())
    }
}

/// Whether nothing in the headers forbids to join at all.
fn may_join(packet: &Packet, headers: &[u8]) -> bool {
    let at = usize::from(packet.transport_offset);
    let is_plain = match packet.version {
        // Options are for each packet. A wrong sum would come out right.
        Version::V4 => {
            let header = headers.first_chunk::<20>();
            at == 20 && header.is_some_and(|header| Sum::of_ipv4(header).is_sound())
        }
        Version::V6 => true,
    };
    let flags = headers.get(at.wrapping_add(13)).copied().unwrap_or(0);
    // Other flags mean something, or belong to the first or last packet.
    is_plain && (packet.transport == Transport::Udp || flags & !PSH == ACK)
}

/// TCP's sequence number and flags, or nothing for UDP.
fn tcp(packet: &Packet, headers: &[u8]) -> Option<(u32, u8)> {
    match packet.transport {
        Transport::Udp => Some((0, 0)),
        Transport::Tcp => {
            let header =
                headers.get(usize::from(packet.transport_offset)..)?.first_chunk::<20>()?;
            let [flags] = get::<13, 1, _>(header);
            Some((u32::from_be_bytes(get::<4, 4, _>(header)), flags))
        }
    }
}

fn next_sequence(transport: Transport, sequence: u32, octets: usize) -> Option<u32> {
    match transport {
        Transport::Udp => Some(sequence),
        Transport::Tcp => Some(sequence.wrapping_add(u32::try_from(octets).ok()?)),
    }
}

/// IPv4's identification, which cutting counts up.
fn id(packet: &Packet, headers: &[u8]) -> Option<u16> {
    match packet.version {
        Version::V6 => Some(0),
        Version::V4 => {
            let header = headers.first_chunk::<20>()?;
            Some(u16::from_be_bytes(get::<4, 2, _>(header)))
        }
    }
}

fn next_id(packet: &Packet, id: u16) -> u16 {
    match packet.version {
        Version::V4 => id.wrapping_add(1),
        Version::V6 => id,
    }
}

/// Whether two packets have the same headers, but for lengths, checksums, the
/// numbers that count up, and PSH.
fn are_alike(packet: &Packet, mine: &[u8], other: &[u8]) -> bool {
    let at = usize::from(packet.transport_offset);
    let same = |from: usize, to: usize| mine.get(from..to) == other.get(from..to);
    let is_same_ip = match packet.version {
        // Version, length and traffic class; fragment to protocol; addresses.
        Version::V4 => same(0, 2) && same(6, 10) && same(12, 20),
        // Version, traffic class, flow label; next header to addresses.
        Version::V6 => same(0, 4) && same(6, 40),
    };
    let field = |from: usize, to: usize| same(at.wrapping_add(from), at.wrapping_add(to));
    let is_same_transport = match packet.transport {
        Transport::Udp => field(0, 4),
        Transport::Tcp => {
            // Ports; acknowledgement and header length; window; urgent pointer.
            field(0, 4)
                && field(8, 13)
                && field(14, 16)
                && field(18, 20)
                && same(at.wrapping_add(20), mine.len())
        }
    };
    is_same_ip && is_same_transport
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::link::{
        oracle,
        segment::{Checksums, Segmenter, complete_checksum},
    };

    /// Joins what can be joined, and cuts it again.
    fn there_and_back(packets: &[Vec<u8>]) -> (Vec<Vec<u8>>, usize) {
        let mut back = Vec::new();
        let (mut open, mut runs): (Option<(Run, Vec<u8>)>, usize) = (None, 0);
        for octets in packets {
            let packet = Packet::inspect(octets);
            let packet = packet.filter(|packet| packet.has_sound_checksum(octets));
            let Some(packet) = packet else {
                close(&mut open, &mut back);
                back.push(octets.clone());
                continue;
            };
            let payload = &octets[usize::from(packet.payload_offset)..];
            if let Some((run, payloads)) = &mut open
                && run.join(&packet, octets)
            {
                payloads.extend_from_slice(payload);
                continue;
            }
            close(&mut open, &mut back);
            runs += 1;
            match Run::begin(&packet, octets) {
                Some(run) => open = Some((run, payload.to_vec())),
                None => back.push(octets.clone()),
            }
        }
        close(&mut open, &mut back);
        (back, runs)
    }

    fn close(open: &mut Option<(Run, Vec<u8>)>, back: &mut Vec<Vec<u8>>) {
        let Some((mut run, payloads)) = open.take() else { return };
        let count = run.packets();
        let (offload, headers) = run.finish();
        let mut whole = [headers, &payloads].concat();
        if count == 1 {
            assert!(complete_checksum(&offload, &mut whole));
            return back.push(whole);
        }
        let segmenter = Segmenter::new(&offload, &whole).unwrap();
        assert_eq!(segmenter.count(), usize::from(count));
        for at in 0..segmenter.count() {
            let mut header = [0; HEADERS_OCTETS_MAX];
            let piece = segmenter.piece(at, Checksums::Whole, &mut header).unwrap();
            back.push([&header[..piece.header_octets], piece.payload].concat());
        }
    }

    fn flows() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let version = prop_oneof![Just(Version::V4), Just(Version::V6)];
        let transport = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)];
        let payload = proptest::collection::vec(any::<u8>(), 0..4_000);
        let flow = (version, transport, payload, 50_u16..1_400, 0_u32..2);
        proptest::collection::vec(flow, 1..5).prop_map(|flows| {
            let cut = flows.iter().flat_map(|(version, transport, payload, octets, number)| {
                oracle::cut(*version, *transport, *number, payload, *octets)
            });
            cut.collect()
        })
    }

    proptest! {
        #[test]
        fn joined_packets_are_cut_into_the_same(packets in flows()) {
            prop_assert_eq!(there_and_back(&packets).0, packets);
        }

        #[test]
        fn altered_packets_come_out_as_they_went_in(
            mut packets in flows(),
            changes in proptest::collection::vec((any::<usize>(), any::<usize>(), 1_u8..), 0..8),
            mends: bool,
        ) {
            for (packet, at, change) in changes {
                let packet = packet % packets.len().max(1);
                let Some(octets) = packets.get_mut(packet) else { continue };
                let at = at % octets.len();
                octets[at] ^= change;
                if mends {
                    oracle::mend(octets);
                }
            }
            prop_assert_eq!(there_and_back(&packets).0, packets);
        }
    }

    #[test]
    fn one_flow_is_one_large_packet() {
        for (version, transport) in [
            (Version::V4, Transport::Tcp),
            (Version::V6, Transport::Tcp),
            (Version::V4, Transport::Udp),
            (Version::V6, Transport::Udp),
        ] {
            let packets = oracle::cut(version, transport, 0, &[9; 4_000], 1_400);
            assert_eq!(there_and_back(&packets), (packets, 1), "{version:?} {transport:?}");
        }
    }

    #[test]
    fn no_run_is_longer_than_a_length_field_tells() {
        let packets = oracle::cut(Version::V4, Transport::Tcp, 0, &std::vec![9; 100_000], 1_400);
        let (back, runs) = there_and_back(&packets);
        assert_eq!((back, runs), (packets, 2));
    }
}
