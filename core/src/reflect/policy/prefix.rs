//! Address prefixes of allowed testers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::frame::wire::{ipv4, ipv6};

/// An IPv4 prefix: the addresses that equal it under a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv4Prefix {
    address: u32,
    mask: u32,
}

impl Ipv4Prefix {
    /// Every address.
    pub const ALL: Self = Self { address: 0, mask: 0 };

    /// The addresses whose first `bits` are those of `address`, given in wire
    /// order; `None` if there are more than 32, or if a later bit is set.
    #[must_use]
    pub fn new(address: [u8; 4], bits: u8) -> Option<Self> {
        let mask = match bits {
            0 => 0,
            1..=32 => u32::MAX << (32 - bits),
            _ => return None,
        };
        if u32::from_be_bytes(address) & !mask != 0 {
            return None;
        }
        Some(Self {
            address: ipv4::Address::parse(address).0,
            mask: ipv4::Address::parse(mask.to_be_bytes()).0,
        })
    }

    /// Whether [`new`](Self::new) could have made it.
    pub(super) const fn is_whole(self) -> bool {
        // The first octet on the wire is the lowest of the number.
        let mask = self.mask.swap_bytes();
        mask.leading_ones() == mask.count_ones() && self.address & !self.mask == 0
    }

    /// Whether it holds one address alone: only then does it name a host.
    #[inline(always)]
    pub(crate) const fn is_host(&self) -> bool {
        self.mask == u32::MAX
    }

    /// Whether it is shorter than what is handed out to anybody, a /8 (RFC
    /// 7249 section 2.2): then it leaves nobody out who matters.
    pub(super) const fn holds_everybody(&self) -> bool {
        self.mask.count_ones() < 8
    }

    #[inline(always)]
    pub(crate) const fn contains(&self, address: ipv4::Address) -> bool {
        address.0 & self.mask == self.address
    }
}

/// An IPv6 prefix: the addresses that equal it under a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv6Prefix {
    address: [u64; 2],
    mask: [u64; 2],
}

impl Ipv6Prefix {
    /// Every address.
    pub const ALL: Self = Self { address: [0; 2], mask: [0; 2] };

    /// The addresses whose first `bits` are those of `address`, given in wire
    /// order; `None` if there are more than 128, or if a later bit is set.
    #[must_use]
    pub fn new(address: [u8; 16], bits: u8) -> Option<Self> {
        let mask = match bits {
            0 => 0,
            1..=128 => u128::MAX << (128 - bits),
            _ => return None,
        };
        if u128::from_be_bytes(address) & !mask != 0 {
            return None;
        }
        Some(Self {
            address: ipv6::Address::parse(address).0,
            mask: ipv6::Address::parse(mask.to_be_bytes()).0,
        })
    }

    /// Whether [`new`](Self::new) could have made it.
    pub(super) const fn is_whole(&self) -> bool {
        // The first octet on the wire is the lowest of the first number.
        let [high, low] = [self.mask[0].swap_bytes(), self.mask[1].swap_bytes()];
        let is_contiguous = high.leading_ones() == high.count_ones()
            && low.leading_ones() == low.count_ones()
            && (low == 0 || high == u64::MAX);
        is_contiguous
            && self.address[0] & !self.mask[0] == 0
            && self.address[1] & !self.mask[1] == 0
    }

    /// Whether it holds one address alone: only then does it name a host.
    #[inline(always)]
    pub(crate) const fn is_host(&self) -> bool {
        self.mask[0] & self.mask[1] == u64::MAX
    }

    /// Whether it is shorter than what is handed out to anybody, a /12 (RFC
    /// 7249 section 2.3): then it leaves nobody out who matters.
    pub(super) const fn holds_everybody(&self) -> bool {
        self.mask[0].count_ones() < 12
    }

    #[inline(always)]
    pub(crate) const fn contains(&self, address: ipv6::Address) -> bool {
        address.0[0] & self.mask[0] == self.address[0]
            && address.0[1] & self.mask[1] == self.address[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_prefix_holds_its_addresses_and_no_others() {
        let prefix = Ipv4Prefix::new([192, 168, 4, 0], 22).unwrap();
        assert!(prefix.contains(ipv4::Address::parse([192, 168, 7, 255])));
        assert!(!prefix.contains(ipv4::Address::parse([192, 168, 8, 0])));
        assert!(Ipv4Prefix::ALL.contains(ipv4::Address::parse([1, 2, 3, 4])));
        assert!(Ipv4Prefix::new([10, 0, 0, 1], 8).is_none());
        assert!(Ipv4Prefix::new([10, 0, 0, 0], 33).is_none());
        assert!(Ipv4Prefix::new([0; 4], 7).unwrap().holds_everybody());
        assert!(!Ipv4Prefix::new([10, 0, 0, 0], 8).unwrap().holds_everybody());
        assert!(Ipv4Prefix::new([10, 0, 0, 1], 32).unwrap().is_host());
        assert!(!Ipv4Prefix::new([10, 0, 0, 0], 31).unwrap().is_host());
    }

    #[test]
    fn an_ipv6_prefix_holds_its_addresses_and_no_others() {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0x40]);
        let prefix = Ipv6Prefix::new(octets, 60).unwrap();
        octets[7] = 0x4f;
        octets[15] = 9;
        assert!(prefix.contains(ipv6::Address::parse(octets)));
        octets[7] = 0x50;
        assert!(!prefix.contains(ipv6::Address::parse(octets)));
        assert!(Ipv6Prefix::ALL.contains(ipv6::Address::parse(octets)));
        assert!(Ipv6Prefix::new(octets, 129).is_none());
        assert!(Ipv6Prefix::new(octets, 64).is_none());
        assert!(Ipv6Prefix::ALL.holds_everybody() && !prefix.holds_everybody());
        assert!(Ipv6Prefix::new(octets, 128).unwrap().is_host() && !prefix.is_host());
    }
}
