//! Ethernet II (IEEE 802.3 clause 3): destination, source, `EtherType`.

use core::fmt;

use super::{get, put, swap_u16, swap_u32};

/// Octets of the header, without tags and FCS.
pub const HEADER_OCTETS: usize = 14;

const DESTINATION: usize = 0;
const SOURCE: usize = 6;
const ETHER_TYPE: usize = 12;

/// The type field of a frame or tag. An unknown value is data, not an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// Customer tag (IEEE 802.1Q).
    pub const TAG: Self = Self(0x8100);
    /// Service tag (IEEE 802.1ad).
    pub const SERVICE_TAG: Self = Self(0x88a8);
    /// Service tag of equipment older than IEEE 802.1ad.
    pub const OLD_SERVICE_TAG: Self = Self(0x9100);

    /// Reads the field.
    #[must_use]
    #[inline(always)]
    pub const fn parse(octets: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(octets))
    }

    /// Whether a VLAN tag follows.
    #[must_use]
    #[inline(always)]
    pub const fn is_tag(self) -> bool {
        matches!(self, Self::TAG | Self::SERVICE_TAG | Self::OLD_SERVICE_TAG)
    }
}

/// A MAC address, in wire order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Every station.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a group of stations, broadcast among them.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// The first three octets.
    #[must_use]
    pub const fn oui(self) -> Oui {
        Oui([self.0[0], self.0[1], self.0[2]])
    }

    /// The address as the number that the hot path compares.
    #[inline(always)]
    pub(crate) const fn bits(self) -> MacBits {
        let [a, b, c, d, e, f] = self.0;
        MacBits(u64::from_le_bytes([0, 0, a, b, c, d, e, f]))
    }
}

/// The organisation's half of a MAC address, in wire order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Oui(pub [u8; 3]);

impl Oui {
    /// `NetAlly`.
    pub const NETALLY: Self = Self([0x00, 0xc0, 0x17]);
    /// Fluke Networks.
    pub const FLUKE: Self = Self([0x00, 0x19, 0xb3]);

    /// An address of this organisation whose other octets are 0.
    #[inline(always)]
    pub(crate) const fn bits(self) -> MacBits {
        let [a, b, c] = self.0;
        MacAddress([a, b, c, 0, 0, 0]).bits()
    }
}

/// A MAC address in the upper 48 bits of a number, the first octet on the wire
/// lowest: one load and one instruction away from the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MacBits(pub(crate) u64);

impl MacBits {
    /// Every bit of an address.
    pub(crate) const ALL: u64 = u64::MAX << 16;
    /// The bit that tells group from individual addresses.
    pub(crate) const GROUP: u64 = 1 << 16;
    /// The bits of the organisation's half.
    pub(crate) const OUI: u64 = 0x00ff_ffff << 16;

    #[inline(always)]
    pub(crate) const fn is_group(self) -> bool {
        self.0 & Self::GROUP != 0
    }

    #[inline(always)]
    pub(crate) const fn oui(self) -> Self {
        Self(self.0 & Self::OUI)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Display for Oui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Oui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes a whole header.
pub(crate) const fn write(
    header: &mut [u8; HEADER_OCTETS],
    destination: MacAddress,
    source: MacAddress,
    ether_type: EtherType,
) {
    put::<DESTINATION, 6, _>(header, destination.0);
    put::<SOURCE, 6, _>(header, source.0);
    put::<ETHER_TYPE, 2, _>(header, ether_type.0.to_be_bytes());
}

/// Exchanges the addresses.
#[inline(always)]
pub const fn swap_addresses(header: &mut [u8; HEADER_OCTETS]) {
    swap_u32::<DESTINATION, SOURCE, _>(header);
    swap_u16::<{ DESTINATION + 4 }, { SOURCE + 4 }, _>(header);
}

/// View of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn destination(&self) -> MacBits {
        MacBits(u64::from_le_bytes(get::<DESTINATION, 8, _>(self.0)) << 16)
    }

    #[inline(always)]
    pub(crate) const fn source(&self) -> MacBits {
        MacBits(u64::from_le_bytes(get::<{ SOURCE - 2 }, 8, _>(self.0)) & MacBits::ALL)
    }

    #[inline(always)]
    pub(crate) const fn ether_type(&self) -> EtherType {
        EtherType::parse(get::<ETHER_TYPE, 2, _>(self.0))
    }

    pub(crate) const fn destination_mac(&self) -> MacAddress {
        MacAddress(get::<DESTINATION, 6, _>(self.0))
    }

    pub(crate) const fn source_mac(&self) -> MacAddress {
        MacAddress(get::<SOURCE, 6, _>(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_numbers_equal_addresses_given_as_numbers() {
        let mut octets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0];
        let header = Header(&octets);
        assert_eq!(header.destination(), MacAddress([1, 2, 3, 4, 5, 6]).bits());
        assert_eq!(header.source(), MacAddress([7, 8, 9, 10, 11, 12]).bits());
        assert_eq!(header.ether_type(), EtherType::IPV4);
        swap_addresses(&mut octets);
        let header = Header(&octets);
        assert_eq!(header.source(), MacAddress([1, 2, 3, 4, 5, 6]).bits());
        assert_eq!(header.destination(), MacAddress([7, 8, 9, 10, 11, 12]).bits());
        assert_eq!(header.ether_type(), EtherType::IPV4);
    }
}
