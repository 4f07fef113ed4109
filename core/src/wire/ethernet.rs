//! Ethernet II (IEEE 802.3 clause 3): destination, source, `EtherType`.

use core::fmt;

use super::{get, put, swap_u16, swap_u32};
use crate::Window;

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

    /// The wire octets as a number whose lowest octet is the first on the
    /// wire: what a little-endian load of the header gives.
    #[must_use]
    #[inline(always)]
    pub(crate) const fn bits(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
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

    /// As in [`MacAddress::bits`].
    #[must_use]
    #[inline(always)]
    pub(crate) const fn bits(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_le_bytes([a, b, c, 0])
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

/// Exchanges the addresses of a frame and looks at nothing; a frame too short
/// for them is left alone.
#[inline(always)]
pub fn swap_addresses<W: Window + ?Sized>(window: &mut W) {
    if let Some(octets) = window.at::<HEADER_OCTETS>(0) {
        Header(octets).swap_addresses();
    }
}

/// View of a header.
#[derive(Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame mut [u8; HEADER_OCTETS]);

impl Header<'_> {
    /// The low 48 bits of a [`MacAddress::bits`] number.
    const ADDRESS_MASK: u64 = (1 << 48) - 1;

    #[inline(always)]
    pub(crate) const fn destination_bits(&self) -> u64 {
        u64::from_le_bytes(get::<DESTINATION, 8, _>(self.0)) & Self::ADDRESS_MASK
    }

    #[inline(always)]
    pub(crate) const fn source_bits(&self) -> u64 {
        // The two octets before the address fall off at the end.
        u64::from_le_bytes(get::<{ SOURCE - 2 }, 8, _>(self.0)) >> 16
    }

    #[inline(always)]
    pub(crate) const fn ether_type(&self) -> EtherType {
        EtherType::parse(get::<ETHER_TYPE, 2, _>(self.0))
    }

    pub(crate) const fn destination(&self) -> MacAddress {
        MacAddress(get::<DESTINATION, 6, _>(self.0))
    }

    pub(crate) const fn source(&self) -> MacAddress {
        MacAddress(get::<SOURCE, 6, _>(self.0))
    }

    /// Writes the whole header.
    pub(crate) const fn write(
        &mut self,
        destination: MacAddress,
        source: MacAddress,
        ether_type: EtherType,
    ) {
        put::<DESTINATION, 6, _>(self.0, destination.0);
        put::<SOURCE, 6, _>(self.0, source.0);
        put::<ETHER_TYPE, 2, _>(self.0, ether_type.0.to_be_bytes());
    }

    /// Exchanges destination and source.
    #[inline(always)]
    pub(crate) const fn swap_addresses(&mut self) {
        swap_u32::<DESTINATION, SOURCE, _>(self.0);
        swap_u16::<{ DESTINATION + 4 }, { SOURCE + 4 }, _>(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_numbers_equal_addresses_given_as_numbers() {
        let mut octets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0];
        let mut header = Header(&mut octets);
        assert_eq!(header.destination_bits(), MacAddress([1, 2, 3, 4, 5, 6]).bits());
        assert_eq!(header.source_bits(), MacAddress([7, 8, 9, 10, 11, 12]).bits());
        assert_eq!(header.ether_type(), EtherType::IPV4);
        header.swap_addresses();
        assert_eq!(header.source_bits(), MacAddress([1, 2, 3, 4, 5, 6]).bits());
        assert_eq!(header.destination_bits(), MacAddress([7, 8, 9, 10, 11, 12]).bits());
        assert_eq!(header.ether_type(), EtherType::IPV4);
    }
}
