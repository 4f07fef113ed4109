//! IPv4 (RFC 791 section 3.1).

use super::{get, ip_protocol::IpProtocol, put, swap_u32};
use crate::frame::checksum::Sum;

/// Octets of the header without options.
pub const HEADER_OCTETS: usize = 20;

/// 32-bit words of the header without options: the least value of IHL.
pub const IHL_WORDS_MIN: usize = 5;

/// 32-bit words that the four bits of IHL can name.
pub const IHL_WORDS_MAX: usize = 15;

const VERSION_AND_IHL: usize = 0;
const TRAFFIC_CLASS: usize = 1;
const TOTAL_LENGTH: usize = 2;
const FLAGS_AND_FRAGMENT_OFFSET: usize = 6;
const TTL: usize = 8;
const PROTOCOL: usize = 9;
const CHECKSUM: usize = 10;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// Version 4, five header words.
const VERSION_4_IHL_5: u8 = 0x45;

/// Don't fragment, offset 0.
const DONT_FRAGMENT: u16 = 0x4000;

/// What a sender chooses of a header without options.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) traffic_class: u8,
    /// Octets of header and payload.
    pub(crate) total_length: u16,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
}

/// View of the fixed part of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn version(&self) -> u8 {
        self.0[VERSION_AND_IHL] >> 4
    }

    /// Header length in 32-bit words.
    #[inline(always)]
    pub(crate) const fn ihl_words(&self) -> usize {
        (self.0[VERSION_AND_IHL] & 0x0f) as usize
    }

    /// Octets of header and payload.
    #[inline(always)]
    pub(crate) const fn total_length(&self) -> usize {
        u16::from_be_bytes(get::<TOTAL_LENGTH, 2, _>(self.0)) as usize
    }

    /// Whether this is version 4 without options.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        self.0[VERSION_AND_IHL] == VERSION_4_IHL_5
    }

    /// Whether the packet is UDP and no fragment of one, be it the first, a
    /// middle or the last.
    #[inline(always)]
    pub(crate) const fn is_whole_udp(&self) -> bool {
        // Don't-fragment flag and TTL are let through; more-fragments flag and
        // fragment offset are 0 in a whole packet.
        const MASK: u32 = u32::from_be_bytes([0x3f, 0xff, 0, 0xff]);
        let bits = u32::from_be_bytes(get::<FLAGS_AND_FRAGMENT_OFFSET, 4, _>(self.0));
        bits & MASK == IpProtocol::UDP as u32
    }

    /// As [`is_whole_udp`](Self::is_whole_udp), and the TTL is 2 or more.
    #[inline(always)]
    pub(crate) const fn is_whole_udp_with_hops_left(&self) -> bool {
        const FRAGMENT: u16 = u16::from_le_bytes([0x3f, 0xff]);
        // TTL and protocol as one number, TTL lowest: one range holds all.
        const FIRST: u16 = u16::from_le_bytes([2, IpProtocol::UDP]);
        const { assert!(PROTOCOL == TTL + 1) };
        let fragment = u16::from_le_bytes(get::<FLAGS_AND_FRAGMENT_OFFSET, 2, _>(self.0));
        let hops = u16::from_le_bytes(get::<TTL, 2, _>(self.0));
        fragment & FRAGMENT == 0 && hops.wrapping_sub(FIRST) <= 0xfd
    }

    #[inline(always)]
    pub(crate) const fn ttl(&self) -> u8 {
        self.0[TTL]
    }

    #[inline(always)]
    pub(crate) const fn protocol(&self) -> u8 {
        self.0[PROTOCOL]
    }

    /// Whether both addresses [are surely hosts](Address::is_surely_host). Reads
    /// no more than their first octets.
    #[inline(always)]
    pub(crate) const fn is_surely_between_hosts(&self) -> bool {
        is_host_class(self.0[SOURCE]) && is_host_class(self.0[DESTINATION])
    }

    #[inline(always)]
    pub(crate) const fn source(&self) -> Address {
        Address::parse(get::<SOURCE, 4, _>(self.0))
    }

    #[inline(always)]
    pub(crate) const fn destination(&self) -> Address {
        Address::parse(get::<DESTINATION, 4, _>(self.0))
    }
}

/// Whether one of four octets of the options is the number of a source route,
/// loose (131) or strict (137). Not whether an option begins there: the
/// kernel's verifier would follow every length that an option can have.
#[inline(always)]
pub(crate) const fn may_begin_source_route(octets: [u8; 4]) -> bool {
    let word = u32::from_ne_bytes(octets);
    has_zero_octet(word ^ u32::from_ne_bytes([131; 4]))
        || has_zero_octet(word ^ u32::from_ne_bytes([137; 4]))
}

/// Exact: an octet borrows from the next one only if it is 0 itself.
#[inline(always)]
const fn has_zero_octet(word: u32) -> bool {
    word.wrapping_sub(0x0101_0101) & !word & 0x8080_8080 != 0
}

/// Writes a whole header with its checksum: not to be fragmented, so its
/// identification says nothing (RFC 6864 section 4.1) and is 0.
pub(crate) fn write(header: &mut [u8; HEADER_OCTETS], fields: &Fields) {
    *header = [0; HEADER_OCTETS];
    put::<VERSION_AND_IHL, 1, _>(header, [VERSION_4_IHL_5]);
    put::<TRAFFIC_CLASS, 1, _>(header, [fields.traffic_class]);
    put::<TOTAL_LENGTH, 2, _>(header, fields.total_length.to_be_bytes());
    put::<FLAGS_AND_FRAGMENT_OFFSET, 2, _>(header, DONT_FRAGMENT.to_be_bytes());
    put::<TTL, 1, _>(header, [fields.ttl]);
    put::<PROTOCOL, 1, _>(header, [fields.protocol]);
    put::<SOURCE, 4, _>(header, fields.source);
    put::<DESTINATION, 4, _>(header, fields.destination);
    let checksum = Sum::of_ipv4(header).checksum();
    put::<CHECKSUM, 2, _>(header, checksum);
}

/// Exchanges the addresses. The header checksum, and UDP's over the
/// pseudo-header, stay valid: see [`checksum`](crate::frame::checksum).
#[inline(always)]
pub(crate) const fn swap_addresses(header: &mut [u8; HEADER_OCTETS]) {
    swap_u32::<SOURCE, DESTINATION, _>(header);
}

/// Takes one from the TTL, which must not be 0, and updates the checksum: it
/// is as right, or as wrong, as it was.
///
/// RFC 1624 equation 3, `HC' = ~(~HC + ~m + m')`. Octets are in a little-endian
/// number here, where TTL and protocol are a word less by one, so `~m + m'` is
/// 0xfffe whatever they are, and `HC'` is `HC` plus one, with its carry added.
#[inline(always)]
pub(crate) const fn lower_ttl(header: &mut [u8; HEADER_OCTETS]) {
    // 0xfffe becomes 0 and 0xffff becomes 1.
    const CARRIES_FROM: u32 = 0xfffe_0000;
    const LESS_ONE_AND_MORE_ONE: u32 = 0x1_0000 - 1;
    // One load and one store: TTL lowest, then protocol, then the checksum.
    const { assert!(PROTOCOL == TTL + 1 && CHECKSUM == TTL + 2) };
    let bits = u32::from_le_bytes(get::<TTL, 4, _>(header));
    let change =
        if bits >= CARRIES_FROM { LESS_ONE_AND_MORE_ONE + 0x1_0000 } else { LESS_ONE_AND_MORE_ONE };
    put::<TTL, 4, _>(header, bits.wrapping_add(change).to_le_bytes());
}

/// An address, as a number whose lowest octet is the first on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address(pub(crate) u32);

impl Address {
    /// Reads an address in wire order.
    #[inline(always)]
    pub(crate) const fn parse(octets: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(octets))
    }

    /// The address in wire order.
    pub(crate) const fn octets(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    #[inline(always)]
    const fn first(self) -> u8 {
        let [first, ..] = self.0.to_le_bytes();
        first
    }

    /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3).
    #[inline(always)]
    pub(crate) const fn is_loopback(self) -> bool {
        self.first() == 127
    }

    /// 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 or 255.255.255.255: no single host
    /// to answer (RFC 1122 section 3.2.1.3, RFC 5771).
    #[inline(always)]
    pub(crate) const fn is_invalid_host(self) -> bool {
        !self.is_surely_host() && (self.first() < 240 || self.0 == u32::MAX)
    }

    /// Whether the first octet is that of the classes A, B or C, which hold
    /// nearly every host: 1 to 126 or 128 to 223.
    #[inline(always)]
    pub(crate) const fn is_surely_host(self) -> bool {
        is_host_class(self.first())
    }
}

/// Whether an address that begins so is in class A, B or C, and neither in
/// 0.0.0.0/8 nor in 127.0.0.0/8.
#[inline(always)]
const fn is_host_class(first: u8) -> bool {
    (first as u32).wrapping_sub(1) < 223 && first != 127
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_route_is_seen_at_each_of_four_octets_and_nowhere_else() {
        for octet in 0..=u8::MAX {
            for others in [0, 1, 0x80, 0x82, 0x84, 0xff] {
                for at in 0..4 {
                    let mut octets = [others; 4];
                    octets[at] = octet;
                    let wanted = octet == 131 || octet == 137;
                    assert_eq!(may_begin_source_route(octets), wanted, "{octets:?}");
                }
            }
        }
    }

    #[test]
    fn a_lower_ttl_leaves_the_header_sound() {
        for identification in 0..=u16::MAX {
            for ttl in [1, 2, 64, 255] {
                let mut header = [0; HEADER_OCTETS];
                let [source, destination] = [[192, 0, 2, 1], [192, 0, 2, 2]];
                let (traffic_class, total_length, protocol) = (0, 46, IpProtocol::UDP);
                write(
                    &mut header,
                    &Fields { traffic_class, total_length, ttl, protocol, source, destination },
                );
                // Every checksum there is, by way of a field that is no word of its own.
                put::<4, 2, _>(&mut header, identification.to_be_bytes());
                put::<CHECKSUM, 2, _>(&mut header, [0; 2]);
                let checksum = Sum::of_ipv4(&header).checksum();
                put::<CHECKSUM, 2, _>(&mut header, checksum);
                lower_ttl(&mut header);
                assert_eq!(header[TTL], ttl - 1);
                assert!(Sum::of_ipv4(&header).is_sound(), "{identification:#x}, TTL {ttl}");
            }
        }
    }

    #[test]
    fn the_first_and_last_host_of_each_class_are_hosts_and_their_neighbours_are_not() {
        for (first, last) in [
            (0x0100_0000, 0x7eff_ffff),
            (0x8000_0000, 0xdfff_ffff),
            (0xf000_0000_u32, 0xffff_fffe_u32),
        ] {
            let is_invalid_host =
                |number: u32| Address::parse(number.to_be_bytes()).is_invalid_host();
            assert!(!is_invalid_host(first));
            assert!(!is_invalid_host(last));
            assert!(is_invalid_host(last.wrapping_add(1)));
            assert!(is_invalid_host(first.wrapping_sub(1)));
        }
    }
}
