//! IPv6 and its extension headers (RFC 8200 sections 3 and 4).

/// Octets of the fixed header.
pub const HEADER_OCTETS: usize = 40;

/// Extension headers that are walked before giving up.
pub const EXTENSIONS_MAX: usize = 4;

/// Octets of the shortest extension header, and the unit of their lengths.
pub const EXTENSION_OCTETS: usize = 8;

/// View of the fixed header.
#[derive(Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame mut [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn version(&self) -> u8 {
        self.0[0] >> 4
    }

    /// Octets that follow the fixed header.
    #[inline(always)]
    pub(crate) const fn payload_length(&self) -> usize {
        u16::from_be_bytes([self.0[4], self.0[5]]) as usize
    }

    #[inline(always)]
    pub(crate) const fn next_header(&self) -> u8 {
        self.0[6]
    }

    #[inline(always)]
    pub(crate) const fn hop_limit(&self) -> u8 {
        self.0[7]
    }

    #[inline(always)]
    pub(crate) fn source(&self) -> Address {
        Address(core::array::from_fn(|i| self.0[8 + i]))
    }

    #[inline(always)]
    pub(crate) fn destination(&self) -> Address {
        Address(core::array::from_fn(|i| self.0[24 + i]))
    }

    /// Exchanges the addresses. UDP's checksum over the pseudo-header stays
    /// valid: see [`checksum`](crate::checksum).
    #[inline(always)]
    pub(crate) fn swap_addresses(&mut self) {
        let (_, addresses) = self.0.split_at_mut(8);
        let (source, destination) = addresses.split_at_mut(16);
        source.swap_with_slice(destination);
    }
}

/// View of the first octets of an extension header (RFC 8200 section 4).
#[derive(Debug)]
pub(crate) struct Extension<'frame>(pub(crate) &'frame mut [u8; EXTENSION_OCTETS]);

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

/// An address, in wire order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address(pub(crate) [u8; 16]);

impl Address {
    /// The address as two numbers whose lowest octet is the first on the wire.
    #[inline(always)]
    pub(crate) const fn halves(self) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
    }

    /// `::1` (RFC 4291 section 2.5.3).
    #[inline(always)]
    pub(crate) const fn is_loopback(self) -> bool {
        let [high, low] = self.halves();
        high == 0 && low == 1 << 56
    }

    /// `ff00::/8` or `::`: no single host to answer (RFC 4291 sections 2.5.2
    /// and 2.7).
    #[inline(always)]
    pub(crate) const fn is_no_host(self) -> bool {
        let [high, low] = self.halves();
        self.0[0] == 0xff || high | low == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_told_apart() {
        let mut loopback = [0; 16];
        loopback[15] = 1;
        assert!(Address(loopback).is_loopback());
        assert!(!Address(loopback).is_no_host());
        assert!(Address([0; 16]).is_no_host());
        assert!(!Address([0; 16]).is_loopback());
        let mut group = [0; 16];
        group[0] = 0xff;
        assert!(Address(group).is_no_host());
    }
}
