//! IPv4 (RFC 791 section 3.1).

/// Octets of the header without options.
pub const HEADER_OCTETS: usize = 20;

/// 32-bit words of the header without options: the least value of IHL.
pub const IHL_WORDS_MIN: usize = 5;

/// 32-bit words that the four bits of IHL can name.
pub const IHL_WORDS_MAX: usize = 15;

/// More-fragments flag and fragment offset: not zero in every fragment.
const FRAGMENT_MASK: u16 = 0x3fff;

/// View of the fixed part of a header.
#[derive(Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame mut [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn version(&self) -> u8 {
        self.0[0] >> 4
    }

    /// Header length in 32-bit words.
    #[inline(always)]
    pub(crate) const fn ihl_words(&self) -> usize {
        (self.0[0] & 0x0f) as usize
    }

    /// Octets of header and payload.
    #[inline(always)]
    pub(crate) const fn total_length(&self) -> usize {
        u16::from_be_bytes([self.0[2], self.0[3]]) as usize
    }

    /// Whether this is the first, a middle or the last piece of a packet.
    #[inline(always)]
    pub(crate) const fn is_fragment(&self) -> bool {
        u16::from_be_bytes([self.0[6], self.0[7]]) & FRAGMENT_MASK != 0
    }

    #[inline(always)]
    pub(crate) const fn ttl(&self) -> u8 {
        self.0[8]
    }

    #[inline(always)]
    pub(crate) const fn protocol(&self) -> u8 {
        self.0[9]
    }

    #[inline(always)]
    pub(crate) const fn source(&self) -> Address {
        let [.., a, b, c, d, _, _, _, _] = *self.0;
        Address([a, b, c, d])
    }

    #[inline(always)]
    pub(crate) const fn destination(&self) -> Address {
        let [.., a, b, c, d] = *self.0;
        Address([a, b, c, d])
    }

    /// Exchanges the addresses. The header checksum, and UDP's over the
    /// pseudo-header, stay valid: see [`checksum`](crate::checksum).
    #[inline(always)]
    pub(crate) const fn swap_addresses(&mut self) {
        let Address(source) = self.source();
        let Address(destination) = self.destination();
        let [.., a, b, c, d, e, f, g, h] = self.0;
        [*a, *b, *c, *d] = destination;
        [*e, *f, *g, *h] = source;
    }
}

/// An address, in wire order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address(pub(crate) [u8; 4]);

impl Address {
    #[inline(always)]
    pub(crate) const fn bits(self) -> u32 {
        u32::from_be_bytes(self.0)
    }

    /// 127.0.0.0/8 (RFC 1122 section 3.2.1.3).
    #[inline(always)]
    pub(crate) const fn is_loopback(self) -> bool {
        self.0[0] == 127
    }

    /// 0.0.0.0/8, 224.0.0.0/4 or 255.255.255.255: no single host to answer
    /// (RFC 1122 section 3.2.1.3, RFC 5771).
    #[inline(always)]
    pub(crate) const fn is_no_host(self) -> bool {
        self.0[0] == 0 || self.0[0] & 0xf0 == 0xe0 || self.bits() == u32::MAX
    }
}
