//! IPv6 and its extension headers (RFC 8200 sections 3 and 4).

use super::{get, ip_protocol::IpProtocol, put, swap_u64};

/// Octets of the fixed header.
pub const HEADER_OCTETS: usize = 40;

/// Extension headers that are walked before giving up.
pub const EXTENSIONS_MAX: usize = 4;

/// Octets of the shortest extension header, and the unit of their lengths.
pub const EXTENSION_OCTETS: usize = 8;

const VERSION: usize = 0;
const PAYLOAD_LENGTH: usize = 4;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const SOURCE: usize = 8;
const DESTINATION: usize = 24;

/// What a sender chooses of a header; the flow label is 0.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) traffic_class: u8,
    /// Octets that follow the header.
    pub(crate) payload_length: u16,
    pub(crate) next_header: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
}

/// View of the fixed header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn version(&self) -> u8 {
        self.0[VERSION] >> 4
    }

    /// Octets that follow the fixed header.
    #[inline(always)]
    pub(crate) const fn payload_length(&self) -> usize {
        u16::from_be_bytes(get::<PAYLOAD_LENGTH, 2, _>(self.0)) as usize
    }

    #[inline(always)]
    pub(crate) const fn next_header(&self) -> u8 {
        self.0[NEXT_HEADER]
    }

    #[inline(always)]
    pub(crate) const fn hop_limit(&self) -> u8 {
        self.0[HOP_LIMIT]
    }

    #[inline(always)]
    pub(crate) const fn source(&self) -> Address {
        Address([
            u64::from_le_bytes(get::<SOURCE, 8, _>(self.0)),
            u64::from_le_bytes(get::<{ SOURCE + 8 }, 8, _>(self.0)),
        ])
    }

    #[inline(always)]
    pub(crate) const fn destination(&self) -> Address {
        Address([
            u64::from_le_bytes(get::<DESTINATION, 8, _>(self.0)),
            u64::from_le_bytes(get::<{ DESTINATION + 8 }, 8, _>(self.0)),
        ])
    }

    /// Whether UDP follows at once, and the hop limit is 2 or more.
    #[inline(always)]
    pub(crate) const fn is_udp_with_hops_left(&self) -> bool {
        self.0[NEXT_HEADER] == IpProtocol::UDP && self.0[HOP_LIMIT] > 1
    }

    /// Whether both addresses surely are single hosts': neither begins with the
    /// octet of groups, 255, nor with that of `::` and `::1`, 0.
    #[inline(always)]
    pub(crate) const fn is_surely_between_hosts(&self) -> bool {
        const fn is_host(first: u8) -> bool {
            (first as u32).wrapping_sub(1) < 254
        }
        is_host(self.0[SOURCE]) && is_host(self.0[DESTINATION])
    }
}

/// Writes a whole header.
pub(crate) const fn write(header: &mut [u8; HEADER_OCTETS], fields: &Fields) {
    let version_and_flow = 6 << 28 | (fields.traffic_class as u32) << 20;
    put::<VERSION, 4, _>(header, version_and_flow.to_be_bytes());
    put::<PAYLOAD_LENGTH, 2, _>(header, fields.payload_length.to_be_bytes());
    put::<NEXT_HEADER, 1, _>(header, [fields.next_header]);
    put::<HOP_LIMIT, 1, _>(header, [fields.hop_limit]);
    put::<SOURCE, 16, _>(header, fields.source);
    put::<DESTINATION, 16, _>(header, fields.destination);
}

/// Exchanges the addresses. UDP's checksum over the
/// pseudo-header stays valid: see [`checksum`](crate::frame::checksum).
#[inline(always)]
pub(crate) const fn swap_addresses(header: &mut [u8; HEADER_OCTETS]) {
    swap_u64::<SOURCE, DESTINATION, _>(header);
    swap_u64::<{ SOURCE + 8 }, { DESTINATION + 8 }, _>(header);
}

/// Takes one from the hop limit, which must not be 0 and is in no checksum.
#[inline(always)]
pub(crate) const fn lower_hop_limit(header: &mut [u8; HEADER_OCTETS]) {
    put::<HOP_LIMIT, 1, _>(header, [header[HOP_LIMIT].wrapping_sub(1)]);
}

/// View of the first octets of an extension header (RFC 8200 section 4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'frame>(pub(crate) &'frame [u8; EXTENSION_OCTETS]);

impl Extension<'_> {
    #[inline(always)]
    pub(crate) const fn next_header(&self) -> u8 {
        self.0[0]
    }

    /// Octets of the whole header.
    #[inline(always)]
    pub(crate) const fn octets(&self) -> usize {
        (self.0[1] as usize + 1) * EXTENSION_OCTETS
    }

    /// Of a routing header: nodes still to visit.
    #[inline(always)]
    pub(crate) const fn segments_left(&self) -> u8 {
        self.0[3]
    }
}

/// An address, as two numbers whose lowest octet is the first on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address(pub(crate) [u64; 2]);

impl Address {
    /// Reads an address in wire order.
    pub(crate) const fn parse(octets: [u8; 16]) -> Self {
        Self([
            u64::from_le_bytes(get::<0, 8, _>(&octets)),
            u64::from_le_bytes(get::<8, 8, _>(&octets)),
        ])
    }

    /// The address in wire order.
    pub(crate) const fn octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        put::<0, 8, _>(&mut octets, self.0[0].to_le_bytes());
        put::<8, 8, _>(&mut octets, self.0[1].to_le_bytes());
        octets
    }

    /// `::1` (RFC 4291 section 2.5.3).
    #[inline(always)]
    pub(crate) const fn is_loopback(self) -> bool {
        self.0[0] == 0 && self.0[1] == 1 << 56
    }

    /// `ff00::/8`, `::` or `::1`: no single host to answer (RFC 4291 sections
    /// 2.5.2, 2.5.3 and 2.7).
    #[inline(always)]
    pub(crate) const fn is_invalid_host(self) -> bool {
        let [first, last] = self.0;
        if first == 0 { last & !(1 << 56) == 0 } else { first & 0xff == 0xff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_told_apart() {
        let mut loopback = [0; 16];
        loopback[15] = 1;
        assert!(Address::parse(loopback).is_loopback());
        assert!(Address::parse(loopback).is_invalid_host());
        assert!(Address([0; 2]).is_invalid_host());
        assert!(!Address([0; 2]).is_loopback());
        let mut group = [0; 16];
        group[0] = 0xff;
        assert!(Address::parse(group).is_invalid_host());
    }
}
