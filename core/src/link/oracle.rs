//! Inner packets in slow clear code, one at a time: what tests compare with.

use std::{vec, vec::Vec};

use super::{
    offload::{Offload, Segmentation},
    packet::{Transport, Version},
};

/// The checksum of RFC 1071, word by word.
fn checksum(octets: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for word in octets.chunks(2) {
        sum += u32::from(word[0]) << 8;
        sum += u32::from(*word.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

fn pseudo(version: Version, transport: Transport, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap();
    let protocol = if transport == Transport::Tcp { 6 } else { 17 };
    match version {
        Version::V4 => {
            let mut octets = vec![10, 0, 0, 1, 10, 0, 0, 2, 0, protocol];
            octets.extend(u16::try_from(length).unwrap().to_be_bytes());
            octets
        }
        Version::V6 => {
            let mut octets = addresses_v6();
            octets.extend(length.to_be_bytes());
            octets.extend([0, 0, 0, protocol]);
            octets
        }
    }
}

fn addresses_v6() -> Vec<u8> {
    let mut octets = vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    octets.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    octets
}

/// How a packet differs from others of its flow.
#[derive(Clone, Copy)]
struct Place {
    sequence: u32,
    id: u16,
    is_last: bool,
}

fn transport_header(transport: Transport, place: Place, payload: &[u8]) -> Vec<u8> {
    match transport {
        Transport::Tcp => {
            let mut octets = vec![0x13, 0x88, 0xc0, 0x00];
            octets.extend(place.sequence.to_be_bytes());
            octets.extend([0, 0, 0, 77, 0x80, if place.is_last { 0x18 } else { 0x10 }]);
            octets.extend([0x10, 0x00, 0, 0, 0, 0]);
            // Timestamps (RFC 7323).
            octets.extend([1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6]);
            octets
        }
        Transport::Udp => {
            let mut octets = vec![0x13, 0x88, 0xc0, 0x00];
            octets.extend(u16::try_from(payload.len() + 8).unwrap().to_be_bytes());
            octets.extend([0, 0]);
            octets
        }
    }
}

fn ip_header(version: Version, transport: Transport, id: u16, rest: usize) -> Vec<u8> {
    let protocol = if transport == Transport::Tcp { 6 } else { 17 };
    match version {
        Version::V4 => {
            let mut octets = vec![0x45, 0];
            octets.extend(u16::try_from(rest + 20).unwrap().to_be_bytes());
            octets.extend(id.to_be_bytes());
            octets.extend([0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            let sum = checksum(&octets);
            octets[10..12].copy_from_slice(&sum.to_be_bytes());
            octets
        }
        Version::V6 => {
            let mut octets = vec![0x60, 0, 0, 1];
            octets.extend(u16::try_from(rest).unwrap().to_be_bytes());
            octets.extend([protocol, 64]);
            octets.extend(addresses_v6());
            octets
        }
    }
}

fn field(transport: Transport) -> usize {
    if transport == Transport::Tcp { 16 } else { 6 }
}

fn whole(version: Version, transport: Transport, place: Place, payload: &[u8]) -> Vec<u8> {
    let mut rest = transport_header(transport, place, payload);
    rest.extend(payload);
    let mut sum = checksum(&[pseudo(version, transport, rest.len()), rest.clone()].concat());
    if sum == 0 && transport == Transport::Udp {
        sum = 0xffff;
    }
    let at = field(transport);
    rest[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut octets = ip_header(version, transport, place.id, rest.len());
    octets.extend(rest);
    octets
}

/// The first sequence number of a flow, near the place where it wraps.
fn first_sequence(number: u32) -> u32 {
    u32::MAX - 1_000 + number
}

/// The first IPv4 identification of a flow, near the place where it wraps.
fn first_id(number: u32) -> u16 {
    u16::MAX - 1 + u16::try_from(number).unwrap_or(0) % 2
}

/// One packet with a right checksum.
pub(super) fn packet(
    version: Version,
    transport: Transport,
    number: u32,
    payload: &[u8],
) -> Vec<u8> {
    let place = Place { sequence: first_sequence(number), id: 7, is_last: true };
    whole(version, transport, place, payload)
}

/// The packets that carry a payload in pieces.
pub(super) fn cut(
    version: Version,
    transport: Transport,
    number: u32,
    payload: &[u8],
    segment_octets: u16,
) -> Vec<Vec<u8>> {
    let step = usize::from(segment_octets);
    let count = payload.len().div_ceil(step);
    let one = |at: usize| {
        let piece = &payload[at * step..payload.len().min((at + 1) * step)];
        let sequence = first_sequence(number).wrapping_add(u32::try_from(at * step).unwrap());
        let id = first_id(number).wrapping_add(u16::try_from(at).unwrap());
        let place = Place { sequence, id, is_last: at + 1 == count };
        whole(version, transport, place, piece)
    };
    (0..count).map(one).collect()
}

/// The same in one large packet, as a host hands it over.
pub(super) fn large(
    version: Version,
    transport: Transport,
    number: u32,
    payload: &[u8],
    segment_octets: u16,
) -> (Offload, Vec<u8>) {
    let place = Place { sequence: first_sequence(number), id: first_id(number), is_last: true };
    let mut octets = whole(version, transport, place, payload);
    let start = if version == Version::V4 { 20 } else { 40 };
    let sum = !checksum(&pseudo(version, transport, octets.len() - start));
    let at = start + field(transport);
    octets[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    let segmentation = match (transport, version) {
        (Transport::Udp, _) => Segmentation::Udp,
        (Transport::Tcp, Version::V4) => Segmentation::TcpV4,
        (Transport::Tcp, Version::V6) => Segmentation::TcpV6,
    };
    let headers = if transport == Transport::Tcp { 32 } else { 8 };
    let offload = Offload {
        is_partial: true,
        segmentation,
        header_octets: u16::try_from(start + headers).unwrap(),
        segment_octets,
        checksum_start: u16::try_from(start).unwrap(),
        checksum_offset: u16::try_from(field(transport)).unwrap(),
    };
    (offload, octets)
}

/// Makes the checksums of an altered packet right again, as far as it still is
/// a packet of this kind.
pub(super) fn mend(octets: &mut [u8]) {
    let (start, protocol) = match octets[0] {
        0x45 => (20, octets[9]),
        0x60..=0x6f => (40, octets[6]),
        _ => return,
    };
    if start == 20 {
        octets[10..12].fill(0);
        let sum = checksum(&octets[..20]);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    let at = start + if protocol == 6 { 16 } else { 6 };
    if ![6, 17].contains(&protocol) || octets.len() < at + 2 {
        return;
    }
    octets[at..at + 2].fill(0);
    let addresses = if start == 20 { &octets[12..20] } else { &octets[8..40] };
    let mut summed = addresses.to_vec();
    summed.extend(u32::try_from(octets.len() - start).unwrap().to_be_bytes());
    summed.extend([0, 0, 0, protocol]);
    summed.extend(&octets[start..]);
    let sum = checksum(&summed);
    let sum = if sum == 0 && protocol == 17 { 0xffff } else { sum };
    octets[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
