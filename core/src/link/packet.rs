//! The few facts about an inner IP packet that cutting and joining need.
//!
//! A packet of which these facts cannot be told (another protocol, a fragment,
//! extension headers, lengths that contradict one another) is carried as it is
//! and never joined with others.

use crate::frame::{
    checksum::Sum,
    wire::{get, ipv4, ipv6, udp},
};

/// Octets of a TCP header without options.
const TCP_OCTETS: usize = 20;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Place of the checksum in a TCP header.
const TCP_CHECKSUM: u16 = 16;
/// Place of the checksum in a UDP header.
const UDP_CHECKSUM: u16 = 6;

/// The version of an IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    pub(super) const fn protocol(self) -> u8 {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
        }
    }

    /// Where its checksum stands in its header.
    #[must_use]
    pub const fn checksum_offset(self) -> u16 {
        match self {
            Self::Tcp => TCP_CHECKSUM,
            Self::Udp => UDP_CHECKSUM,
        }
    }
}

/// A whole TCP segment or UDP datagram in one IP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Of the IP header.
    pub version: Version,
    /// What it carries.
    pub transport: Transport,
    /// Where the transport header begins: octets of the IP header.
    pub transport_offset: u8,
    /// Where the payload begins: octets of all headers.
    pub payload_offset: u8,
}

impl Packet {
    /// Looks at a packet; `None` if it is to be left as it is.
    #[must_use]
    #[inline]
    pub fn inspect(octets: &[u8]) -> Option<Self> {
        let (version, protocol, transport_offset) = match version_of(octets)? {
            Version::V4 => {
                let header = octets.first_chunk::<{ ipv4::HEADER_OCTETS }>()?;
                let [first] = get::<0, 1, _>(header);
                let total = usize::from(u16::from_be_bytes(get::<2, 2, _>(header)));
                let [fragment_high, fragment_low] = get::<6, 2, _>(header);
                let is_fragment = fragment_high & 0xbf != 0 || fragment_low != 0;
                let ihl_words = first & 0x0f;
                if usize::from(ihl_words) < ipv4::IHL_WORDS_MIN
                    || total != octets.len()
                    || is_fragment
                {
                    return None;
                }
                let [protocol] = get::<9, 1, _>(header);
                (Version::V4, protocol, ihl_words.wrapping_mul(4))
            }
            Version::V6 => {
                let header = octets.first_chunk::<{ ipv6::HEADER_OCTETS }>()?;
                let payload = usize::from(u16::from_be_bytes(get::<4, 2, _>(header)));
                if payload.wrapping_add(ipv6::HEADER_OCTETS) != octets.len() {
                    return None;
                }
                let [protocol] = get::<6, 1, _>(header);
                (Version::V6, protocol, 40)
            }
        };
        let rest = octets.get(usize::from(transport_offset)..)?;
        let (transport, header_octets) = transport(protocol, rest)?;
        let payload_offset = transport_offset.wrapping_add(header_octets);
        Some(Self { version, transport, transport_offset, payload_offset })
    }

    /// Whether the checksum of the transport is right: of a whole checksum, the
    /// pseudo-header and everything behind it. UDP's 0, which says that there is
    /// none, is not.
    #[must_use]
    pub fn has_sound_checksum(&self, octets: &[u8]) -> bool {
        let Some(rest) = octets.get(usize::from(self.transport_offset)..) else { return false };
        if self.checksum(rest) == Some([0; 2]) && self.transport == Transport::Udp {
            return false;
        }
        let Some(pseudo) = pseudo_header(self.version, self.transport, octets, rest.len()) else {
            return false;
        };
        pseudo.add_octets(rest).is_sound_at_any_length()
    }

    /// Whether the checksum is that of the pseudo-header alone.
    #[must_use]
    pub fn has_partial_checksum(&self, octets: &[u8]) -> bool {
        let Some(rest) = octets.get(usize::from(self.transport_offset)..) else { return false };
        let pseudo = pseudo_header(self.version, self.transport, octets, rest.len());
        self.checksum(rest) == pseudo.map(partial)
    }

    fn checksum(&self, transport: &[u8]) -> Option<[u8; 2]> {
        let at = usize::from(self.transport.checksum_offset());
        transport.get(at..)?.first_chunk().copied()
    }
}

/// The version of a packet by its first octet.
pub(super) fn version_of(octets: &[u8]) -> Option<Version> {
    match octets.first()? >> 4 {
        4 => Some(Version::V4),
        6 => Some(Version::V6),
        _ => None,
    }
}

/// The transport and the octets of its header, if the whole of it is there.
fn transport(protocol: u8, octets: &[u8]) -> Option<(Transport, u8)> {
    match protocol {
        TCP => {
            let header = octets.first_chunk::<TCP_OCTETS>()?;
            let [words] = get::<12, 1, _>(header);
            let header_octets = (words >> 4).wrapping_mul(4);
            let is_whole = usize::from(header_octets) >= TCP_OCTETS
                && usize::from(header_octets) <= octets.len();
            is_whole.then_some((Transport::Tcp, header_octets))
        }
        UDP => {
            let header = octets.first_chunk::<{ udp::HEADER_OCTETS }>()?;
            let length = usize::from(u16::from_be_bytes(get::<4, 2, _>(header)));
            (length == octets.len()).then_some((Transport::Udp, 8))
        }
        _ => None,
    }
}

/// The sum over the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1)
/// of so many octets of transport header and payload.
pub(super) fn pseudo_header(
    version: Version,
    transport: Transport,
    octets: &[u8],
    length: usize,
) -> Option<Sum> {
    let addresses = match version {
        Version::V4 => octets.get(12..20)?,
        Version::V6 => octets.get(8..40)?,
    };
    let [.., high, low] = u32::try_from(length).ok()?.to_be_bytes();
    // No packet here is longer than 65,575 octets; the third octet counts too.
    let [_, third, ..] = u32::try_from(length).ok()?.to_be_bytes();
    let sum = Sum::ZERO.add_octets(addresses);
    Some(sum.add([0, third, high, low]).add([0, transport.protocol(), 0, 0]))
}

/// The checksum field of a packet whose checksum is left to others: the sum
/// itself, not its complement.
pub(super) fn partial(pseudo: Sum) -> [u8; 2] {
    let [a, b] = pseudo.checksum();
    [!a, !b]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::oracle;

    #[test]
    fn plain_packets_are_understood() {
        for version in [Version::V4, Version::V6] {
            for transport in [Transport::Tcp, Transport::Udp] {
                let octets = oracle::packet(version, transport, 7, &[1, 2, 3]);
                let packet = Packet::inspect(&octets).unwrap();
                assert_eq!((packet.version, packet.transport), (version, transport));
                assert_eq!(&octets[usize::from(packet.payload_offset)..], [1, 2, 3]);
                assert!(packet.has_sound_checksum(&octets));
                assert!(!packet.has_partial_checksum(&octets));
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_left_alone() {
        let sound = oracle::packet(Version::V4, Transport::Tcp, 0, &[1; 9]);
        let altered = |at: usize, value: u8| {
            let mut octets = sound.clone();
            octets[at] = value;
            Packet::inspect(&octets)
        };
        assert_eq!(altered(0, 0x44), None, "a short IP header");
        assert_eq!(altered(0, 0x55), None, "another version");
        assert_eq!(altered(3, 1), None, "another length");
        assert_eq!(altered(6, 0x20), None, "a first fragment");
        assert_eq!(altered(7, 1), None, "a later fragment");
        assert_eq!(altered(9, 1), None, "another protocol");
        assert_eq!(altered(32, 0x40), None, "a short TCP header");
        assert_eq!(altered(32, 0xf0), None, "a TCP header past the end");
        for octets in 0..40 {
            assert_eq!(Packet::inspect(&sound[..octets]), None, "{octets} octets");
        }
    }

    #[test]
    fn damage_is_seen_in_every_bit() {
        let sound = oracle::packet(Version::V6, Transport::Udp, 0, &[0x5a; 33]);
        let packet = Packet::inspect(&sound).unwrap();
        for at in 40..sound.len() {
            for bit in 0..8 {
                let mut damaged = sound.clone();
                damaged[at] ^= 1 << bit;
                assert!(!packet.has_sound_checksum(&damaged), "octet {at} bit {bit}");
            }
        }
    }
}
