//! IPv4 (RFC 791 section 3.1).

use super::{get, put, swap_u32};
use crate::checksum::Sum;

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

/// More-fragments flag and fragment offset: not zero in every fragment.
const FRAGMENT_MASK: u16 = 0x3fff;

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
#[derive(Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame mut [u8; HEADER_OCTETS]);

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

    /// Whether this is the first, a middle or the last piece of a packet.
    #[inline(always)]
    pub(crate) const fn is_fragment(&self) -> bool {
        u16::from_be_bytes(get::<FLAGS_AND_FRAGMENT_OFFSET, 2, _>(self.0)) & FRAGMENT_MASK != 0
    }

    #[inline(always)]
    pub(crate) const fn ttl(&self) -> u8 {
        self.0[TTL]
    }

    #[inline(always)]
    pub(crate) const fn protocol(&self) -> u8 {
        self.0[PROTOCOL]
    }

    #[inline(always)]
    pub(crate) const fn source(&self) -> Address {
        Address(u32::from_be_bytes(get::<SOURCE, 4, _>(self.0)))
    }

    #[inline(always)]
    pub(crate) const fn destination(&self) -> Address {
        Address(u32::from_be_bytes(get::<DESTINATION, 4, _>(self.0)))
    }

    /// Writes a whole header with its checksum: not to be fragmented, so its
    /// identification says nothing (RFC 6864 section 4.1) and is 0.
    pub(crate) fn write(&mut self, fields: &Fields) {
        *self.0 = [0; HEADER_OCTETS];
        put::<VERSION_AND_IHL, 1, _>(self.0, [VERSION_4_IHL_5]);
        put::<TRAFFIC_CLASS, 1, _>(self.0, [fields.traffic_class]);
        put::<TOTAL_LENGTH, 2, _>(self.0, fields.total_length.to_be_bytes());
        put::<FLAGS_AND_FRAGMENT_OFFSET, 2, _>(self.0, DONT_FRAGMENT.to_be_bytes());
        put::<TTL, 1, _>(self.0, [fields.ttl]);
        put::<PROTOCOL, 1, _>(self.0, [fields.protocol]);
        put::<SOURCE, 4, _>(self.0, fields.source);
        put::<DESTINATION, 4, _>(self.0, fields.destination);
        let checksum = Sum::of_ipv4(self.0).checksum();
        put::<CHECKSUM, 2, _>(self.0, checksum);
    }

    /// Exchanges the addresses. The header checksum, and UDP's over the
    /// pseudo-header, stay valid: see [`checksum`](crate::checksum).
    #[inline(always)]
    pub(crate) const fn swap_addresses(&mut self) {
        swap_u32::<SOURCE, DESTINATION, _>(self.0);
    }
}

/// An address, as a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address(pub(crate) u32);

impl Address {
    /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3).
    #[inline(always)]
    pub(crate) const fn is_loopback(self) -> bool {
        self.0 >> 24 == 127
    }

    /// 0.0.0.0/8, 224.0.0.0/4 or 255.255.255.255: no single host to answer
    /// (RFC 1122 section 3.2.1.3, RFC 5771).
    #[inline(always)]
    pub(crate) const fn is_no_host(self) -> bool {
        self.0 >> 24 == 0 || self.0 >> 28 == 0xe || self.0 == u32::MAX
    }
}
