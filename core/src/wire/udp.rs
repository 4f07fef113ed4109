//! UDP (RFC 768): source port, destination port, length, checksum.

/// Octets of the header.
pub const HEADER_OCTETS: usize = 8;

/// View of a header.
#[derive(Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame mut [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn source_port(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    #[inline(always)]
    pub(crate) const fn destination_port(&self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Octets of header and payload.
    #[inline(always)]
    pub(crate) const fn length(&self) -> usize {
        u16::from_be_bytes([self.0[4], self.0[5]]) as usize
    }

    /// Writes all but the checksum, which becomes 0: none.
    pub(crate) const fn write(&mut self, source_port: u16, destination_port: u16, length: u16) {
        let ([a, b], [c, d], [e, f]) =
            (source_port.to_be_bytes(), destination_port.to_be_bytes(), length.to_be_bytes());
        *self.0 = [a, b, c, d, e, f, 0, 0];
    }

    /// Exchanges the ports. The checksum stays valid: see
    /// [`checksum`](crate::checksum).
    #[inline(always)]
    pub(crate) const fn swap_ports(&mut self) {
        let [a, b, c, d, ..] = *self.0;
        self.0[0] = c;
        self.0[1] = d;
        self.0[2] = a;
        self.0[3] = b;
    }
}
