//! Cuts a large packet into packets that fit, as a network card would.
//!
//! The payload is not copied: each piece is a header of its own and a part of
//! the large packet.

use super::{
    offload::{Offload, Segmentation},
    packet::{Transport, Version, partial, version_of},
};
use crate::frame::{
    checksum::Sum,
    wire::{get, put},
};

/// Most octets of the headers of one packet: IPv4 and TCP, both with all
/// options.
pub const HEADERS_OCTETS_MAX: usize = 120;

/// Octets of the largest packet: that of an IPv6 header and 65,535 more.
pub const PACKET_OCTETS_MAX: usize = 65_575;

/// TCP flags that stand in the last piece alone: FIN and PSH.
const LAST_FLAGS: u8 = 0x09;
/// The TCP flag that stands in the first piece alone: CWR (RFC 3168).
const FIRST_FLAGS: u8 = 0x80;

/// What becomes of transport checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksums {
    /// They are computed.
    Whole,
    /// They stay the sum of the pseudo-header.
    Partial,
}

/// Why a packet cannot be carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsound {
    /// Its headers are not all there, or longer than any.
    Headers,
    /// What is to be done contradicts its headers.
    Contradiction,
}

/// A large packet, and how it is cut.
#[derive(Clone, Copy, Debug)]
pub struct Segmenter<'packet> {
    headers: &'packet [u8],
    payload: &'packet [u8],
    version: Version,
    transport: Transport,
    transport_offset: usize,
    segment_octets: usize,
    /// The sum of the pseudo-header but for the length.
    addresses: Sum,
}

/// One piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<'packet> {
    /// Octets of the headers, which were written.
    pub header_octets: usize,
    /// What follows them.
    pub payload: &'packet [u8],
}

impl<'packet> Segmenter<'packet> {
    /// Takes a packet apart.
    ///
    /// # Errors
    ///
    /// Why it cannot be cut: it, or what is asked for, is not sound.
    pub fn new(offload: &Offload, packet: &'packet [u8]) -> Result<Self, Unsound> {
        let version = version_of(packet).ok_or(Unsound::Headers)?;
        let transport = match (offload.segmentation, version) {
            (Segmentation::TcpV4, Version::V4) | (Segmentation::TcpV6, Version::V6) => {
                Transport::Tcp
            }
            (Segmentation::Udp, _) => Transport::Udp,
            _ => return Err(Unsound::Contradiction),
        };
        let is_partial = offload.is_partial
            && offload.checksum_offset == transport.checksum_offset()
            && offload.segment_octets != 0;
        if !is_partial || packet.len() > PACKET_OCTETS_MAX {
            return Err(Unsound::Contradiction);
        }
        let transport_offset = usize::from(offload.checksum_start);
        if !is_ip_header(version, transport_offset, packet) {
            return Err(Unsound::Contradiction);
        }
        let rest = packet.get(transport_offset..).ok_or(Unsound::Headers)?;
        let transport_octets = match transport {
            Transport::Tcp => {
                let words = rest.get(12).ok_or(Unsound::Headers)? >> 4;
                usize::from(words.wrapping_mul(4)).max(20)
            }
            Transport::Udp => 8,
        };
        let header_octets = transport_offset.wrapping_add(transport_octets);
        let (headers, payload) = packet.split_at_checked(header_octets).ok_or(Unsound::Headers)?;
        if header_octets > HEADERS_OCTETS_MAX || payload.is_empty() {
            return Err(Unsound::Headers);
        }
        let addresses = addresses(transport, rest).ok_or(Unsound::Headers)?;
        let segment_octets = usize::from(offload.segment_octets);
        let part = Self {
            headers,
            payload,
            version,
            transport,
            transport_offset,
            segment_octets,
            addresses,
        };
        Ok(part)
    }

    /// How many pieces there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self.payload.len().checked_next_multiple_of(self.segment_octets) {
            Some(whole) => match whole.checked_div(self.segment_octets) {
                Some(count) => count,
                None => 0,
            },
            None => 0,
        }
    }

    /// Octets of each packet but the last, headers in.
    #[must_use]
    pub fn piece_octets(&self) -> usize {
        self.headers.len().wrapping_add(self.segment_octets.min(self.payload.len()))
    }

    /// Writes the headers of a piece to the front of `to`; `None` behind the
    /// last piece, or if there is no room.
    #[inline]
    pub fn piece(&self, at: usize, checksums: Checksums, to: &mut [u8]) -> Option<Piece<'packet>> {
        let from = at.checked_mul(self.segment_octets)?;
        let rest = self.payload.get(from..).filter(|rest| !rest.is_empty())?;
        let payload = rest.get(..self.segment_octets).unwrap_or(rest);
        let is_last = payload.len() == rest.len();
        let headers = to.get_mut(..self.headers.len())?;
        headers.copy_from_slice(self.headers);
        let octets = headers.len().wrapping_add(payload.len());
        let (ip, transport) = headers.split_at_mut_checked(self.transport_offset)?;
        write_ip(self.version, ip, at, octets)?;
        let length = transport.len().wrapping_add(payload.len());
        let [.., third, high, low] = u32::try_from(length).ok()?.to_be_bytes();
        let pseudo = self.addresses.add([0, third, high, low]);
        match self.transport {
            Transport::Tcp => write_tcp(transport, from, at == 0, is_last)?,
            Transport::Udp => *transport.get_mut(4..)?.first_chunk_mut()? = [high, low],
        }
        let field = usize::from(self.transport.checksum_offset());
        *transport.get_mut(field..)?.first_chunk_mut()? = [0; 2];
        let checksum = match checksums {
            Checksums::Partial => partial(pseudo),
            // The transport header has an even number of octets.
            Checksums::Whole => {
                let sum = pseudo.add_octets(transport).add_octets(payload);
                never_zero(self.transport, sum.checksum())
            }
        };
        *transport.get_mut(field..)?.first_chunk_mut()? = checksum;
        Some(Piece { header_octets: self.headers.len(), payload })
    }
}

/// Computes the checksum of a packet that is not cut; `false` if what the
/// header says of it cannot be.
#[must_use]
pub fn complete_checksum(offload: &Offload, packet: &mut [u8]) -> bool {
    let Some(rest) = packet.get_mut(usize::from(offload.checksum_start)..) else { return false };
    // The field holds the sum of the pseudo-header, which belongs to the sum.
    let [a, b] = Sum::ZERO.add_octets(rest).checksum();
    // UDP's 0 says that there is no checksum; all ones are the same number.
    let checksum = if [a, b] == [0; 2] { [0xff; 2] } else { [a, b] };
    let field = rest.get_mut(usize::from(offload.checksum_offset)..);
    match field.and_then(|field| field.first_chunk_mut()) {
        Some(field) => {
            *field = checksum;
            true
        }
        None => false,
    }
}

/// Whether the transport can begin at this place.
fn is_ip_header(version: Version, octets: usize, packet: &[u8]) -> bool {
    match version {
        Version::V4 => {
            let words = packet.first().map_or(0, |first| first & 0x0f);
            octets == usize::from(words.wrapping_mul(4)) && octets >= 20
        }
        // Extension headers stand between.
        Version::V6 => octets >= 40,
    }
}

/// The sum of the pseudo-header but for the length: what the large packet's
/// checksum field holds, less its length. So it is right behind a routing
/// header too, where the last address is not in the IPv6 header.
fn addresses(transport: Transport, rest: &[u8]) -> Option<Sum> {
    let field = rest.get(usize::from(transport.checksum_offset())..)?.first_chunk::<2>()?;
    let [.., third, high, low] = u32::try_from(rest.len()).ok()?.to_be_bytes();
    // In one's complement the inverse of a number is its negative. The first
    // word is positive and negative zero.
    Some(Sum::ZERO.add([field[0], field[1], 0, 0]).add([0xff, !third, !high, !low]))
}

fn write_ip(version: Version, ip: &mut [u8], at: usize, octets: usize) -> Option<()> {
    match version {
        Version::V4 => {
            let header = ip.first_chunk_mut::<20>()?;
            put::<2, 2, _>(header, u16::try_from(octets).ok()?.to_be_bytes());
            let first = u16::from_be_bytes(get::<4, 2, _>(header));
            let [.., high, low] = at.to_be_bytes();
            let number = first.wrapping_add(u16::from_be_bytes([high, low]));
            put::<4, 2, _>(header, number.to_be_bytes());
            put::<10, 2, _>(header, [0; 2]);
            let checksum = Sum::ZERO.add_octets(ip).checksum();
            put::<10, 2, _>(ip.first_chunk_mut::<20>()?, checksum);
        }
        Version::V6 => {
            let payload = u16::try_from(octets.checked_sub(40)?).ok()?;
            put::<4, 2, _>(ip.first_chunk_mut::<40>()?, payload.to_be_bytes());
        }
    }
    Some(())
}

fn write_tcp(header: &mut [u8], from: usize, is_first: bool, is_last: bool) -> Option<()> {
    let header = header.first_chunk_mut::<20>()?;
    let first = u32::from_be_bytes(get::<4, 4, _>(header));
    let sequence = first.wrapping_add(u32::try_from(from).ok()?);
    put::<4, 4, _>(header, sequence.to_be_bytes());
    let [mut flags] = get::<13, 1, _>(header);
    if !is_last {
        flags &= !LAST_FLAGS;
    }
    if !is_first {
        flags &= !FIRST_FLAGS;
    }
    put::<13, 1, _>(header, [flags]);
    Some(())
}

const fn never_zero(transport: Transport, checksum: [u8; 2]) -> [u8; 2] {
    match (transport, checksum) {
        (Transport::Udp, [0, 0]) => [0xff; 2],
        _ => checksum,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::link::oracle;

    fn kinds() -> impl Strategy<Value = (Version, Transport)> {
        let version = prop_oneof![Just(Version::V4), Just(Version::V6)];
        (version, prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)])
    }

    fn pieces(offload: &Offload, packet: &[u8], checksums: Checksums) -> Vec<Vec<u8>> {
        let segmenter = Segmenter::new(offload, packet).unwrap();
        let of = |at| {
            let mut header = [0; HEADERS_OCTETS_MAX];
            let piece = segmenter.piece(at, checksums, &mut header).unwrap();
            [&header[..piece.header_octets], piece.payload].concat()
        };
        assert_eq!(segmenter.piece(segmenter.count(), checksums, &mut [0; 120]), None);
        (0..segmenter.count()).map(of).collect()
    }

    proptest! {
        #[test]
        fn pieces_are_those_of_one_packet_at_a_time(
            (version, transport) in kinds(),
            payload in proptest::collection::vec(any::<u8>(), 1..4_000),
            segment_octets in 1_u16..1_500,
            number in 0_u32..3,
        ) {
            let (offload, packet) =
                oracle::large(version, transport, number, &payload, segment_octets);
            let cut = pieces(&offload, &packet, Checksums::Whole);
            prop_assert_eq!(
                cut, oracle::cut(version, transport, number, &payload, segment_octets)
            );
        }

        #[test]
        fn partial_checksums_complete_to_whole_ones(
            (version, transport) in kinds(),
            payload in proptest::collection::vec(any::<u8>(), 1..3_000),
            segment_octets in 100_u16..1_500,
        ) {
            let (offload, packet) = oracle::large(version, transport, 1, &payload, segment_octets);
            let whole = pieces(&offload, &packet, Checksums::Whole);
            let mut part = pieces(&offload, &packet, Checksums::Partial);
            for (piece, whole) in part.iter_mut().zip(whole) {
                let inspected = crate::link::packet::Packet::inspect(piece).unwrap();
                prop_assert!(inspected.has_partial_checksum(piece));
                let left = Offload { segmentation: Segmentation::None, ..offload };
                prop_assert!(complete_checksum(&left, piece));
                prop_assert_eq!(&*piece, &whole);
            }
        }

        #[test]
        fn octets_of_any_kind_are_cut_or_refused(
            header: [u8; 10], packet in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let Some(offload) = Offload::parse(&header) else { return Ok(()) };
            let mut room = [0; HEADERS_OCTETS_MAX];
            if let Ok(segmenter) = Segmenter::new(&offload, &packet) {
                for at in 0..segmenter.count() {
                    segmenter.piece(at, Checksums::Whole, &mut room).unwrap();
                }
            }
            let mut copy = packet.clone();
            let _ = complete_checksum(&offload, &mut copy);
            prop_assert_eq!(copy.len(), packet.len());
        }
    }

    #[test]
    fn tcp_flags_stand_where_they_belong() {
        let (offload, mut packet) = oracle::large(Version::V4, Transport::Tcp, 0, &[7; 250], 100);
        // CWR, PSH, ACK and FIN.
        packet[33] = 0x99;
        let flags: Vec<_> =
            pieces(&offload, &packet, Checksums::Whole).iter().map(|piece| piece[33]).collect();
        assert_eq!(flags, [0x90, 0x10, 0x19]);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let (sound, packet) = oracle::large(Version::V4, Transport::Tcp, 0, &[7; 250], 100);
        let refused = |offload: Offload, packet: &[u8]| Segmenter::new(&offload, packet).err();
        let contradictions = [
            Offload { segmentation: Segmentation::TcpV6, ..sound },
            Offload { segmentation: Segmentation::None, ..sound },
            Offload { segmentation: Segmentation::Udp, ..sound },
            Offload { segment_octets: 0, ..sound },
            Offload { is_partial: false, ..sound },
            Offload { checksum_start: 24, ..sound },
            Offload { checksum_offset: 6, ..sound },
        ];
        for offload in contradictions {
            assert_eq!(refused(offload, &packet), Some(Unsound::Contradiction), "{offload:?}");
        }
        assert_eq!(refused(sound, &packet[..40]), Some(Unsound::Headers));
        assert_eq!(refused(sound, &[]), Some(Unsound::Headers));
    }
}
