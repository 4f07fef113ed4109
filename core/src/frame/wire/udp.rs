//! UDP (RFC 768): source port, destination port, length, checksum.

use super::{get, put, swap_u16};

/// Octets of the header.
pub const HEADER_OCTETS: usize = 8;

const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
const LENGTH: usize = 4;
const CHECKSUM: usize = 6;

/// View of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'frame>(pub(crate) &'frame [u8; HEADER_OCTETS]);

impl Header<'_> {
    #[inline(always)]
    pub(crate) const fn source_port(&self) -> u16 {
        u16::from_be_bytes(get::<SOURCE_PORT, 2, _>(self.0))
    }

    #[inline(always)]
    pub(crate) const fn destination_port(&self) -> u16 {
        u16::from_be_bytes(get::<DESTINATION_PORT, 2, _>(self.0))
    }

    /// Octets of header and payload.
    #[inline(always)]
    pub(crate) const fn length(&self) -> usize {
        u16::from_be_bytes(get::<LENGTH, 2, _>(self.0)) as usize
    }

    pub(crate) const fn checksum(&self) -> [u8; 2] {
        get::<CHECKSUM, 2, _>(self.0)
    }
}

/// Writes a header without a checksum.
pub(crate) const fn write(
    header: &mut [u8; HEADER_OCTETS],
    source_port: u16,
    destination_port: u16,
    length: u16,
) {
    put::<SOURCE_PORT, 2, _>(header, source_port.to_be_bytes());
    put::<DESTINATION_PORT, 2, _>(header, destination_port.to_be_bytes());
    put::<LENGTH, 2, _>(header, length.to_be_bytes());
    put::<CHECKSUM, 2, _>(header, [0; 2]);
}

/// Writes a computed checksum.
pub(crate) fn set_checksum(header: &mut [u8; HEADER_OCTETS], checksum: [u8; 2]) {
    //= RFC 768: if the computed checksum is zero, it is transmitted as all ones.
    let checksum = if checksum == [0; 2] { [0xff; 2] } else { checksum };
    put::<CHECKSUM, 2, _>(header, checksum);
}

/// Exchanges the ports. The checksum stays valid: see
/// [`checksum`](crate::frame::checksum).
#[inline(always)]
pub(crate) const fn swap_ports(header: &mut [u8; HEADER_OCTETS]) {
    swap_u16::<SOURCE_PORT, DESTINATION_PORT, _>(header);
}
