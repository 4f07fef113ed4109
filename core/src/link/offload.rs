//! The ten octets before each packet that say what is left to do with it.
//!
//! The header of virtio (virtio 1.3, 5.1.6 "Device Operation") as a virtual
//! interface uses it: in the byte order of the host, without the count of
//! buffers.

use crate::frame::wire::{get, put};

/// Octets of the header.
pub const OFFLOAD_OCTETS: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const NOT_SEGMENTED: u8 = 0;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP: u8 = 5;
/// Congestion was told by one of the segments (RFC 3168).
const ECN: u8 = 0x80;

/// How a large packet is to be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Segmentation {
    /// Not at all.
    #[default]
    None,
    /// Into TCP segments over IPv4.
    TcpV4,
    /// Into TCP segments over IPv6.
    TcpV6,
    /// Into UDP datagrams (RFC 768) over either.
    Udp,
}

/// The header, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// Whether the checksum field holds only the sum of the pseudo-header.
    pub is_partial: bool,
    /// How it is to be cut.
    pub segmentation: Segmentation,
    /// Octets of all headers of a packet to be cut.
    pub header_octets: u16,
    /// Payload octets of each piece but the last.
    pub segment_octets: u16,
    /// Where summing begins, if the checksum is partial: the transport header.
    pub checksum_start: u16,
    /// Where the checksum stands from there.
    pub checksum_offset: u16,
}

impl Offload {
    /// Reads a header; `None` if it asks for what is not known here.
    #[must_use]
    #[inline]
    pub const fn parse(octets: &[u8; OFFLOAD_OCTETS]) -> Option<Self> {
        let [flags, kind] = get::<0, 2, _>(octets);
        let segmentation = match kind & !ECN {
            NOT_SEGMENTED => Segmentation::None,
            TCP_V4 => Segmentation::TcpV4,
            TCP_V6 => Segmentation::TcpV6,
            UDP => Segmentation::Udp,
            _ => return None,
        };
        Some(Self {
            is_partial: flags & NEEDS_CHECKSUM != 0,
            segmentation,
            header_octets: u16::from_ne_bytes(get::<2, 2, _>(octets)),
            segment_octets: u16::from_ne_bytes(get::<4, 2, _>(octets)),
            checksum_start: u16::from_ne_bytes(get::<6, 2, _>(octets)),
            checksum_offset: u16::from_ne_bytes(get::<8, 2, _>(octets)),
        })
    }

    /// Writes a header.
    #[must_use]
    #[inline]
    pub const fn to_octets(&self) -> [u8; OFFLOAD_OCTETS] {
        let mut octets = [0; OFFLOAD_OCTETS];
        let kind = match self.segmentation {
            Segmentation::None => NOT_SEGMENTED,
            Segmentation::TcpV4 => TCP_V4,
            Segmentation::TcpV6 => TCP_V6,
            Segmentation::Udp => UDP,
        };
        let flags = if self.is_partial { NEEDS_CHECKSUM } else { 0 };
        put::<0, 2, _>(&mut octets, [flags, kind]);
        put::<2, 2, _>(&mut octets, self.header_octets.to_ne_bytes());
        put::<4, 2, _>(&mut octets, self.segment_octets.to_ne_bytes());
        put::<6, 2, _>(&mut octets, self.checksum_start.to_ne_bytes());
        put::<8, 2, _>(&mut octets, self.checksum_offset.to_ne_bytes());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_read_as_it_was_written() {
        for segmentation in
            [Segmentation::None, Segmentation::TcpV4, Segmentation::TcpV6, Segmentation::Udp]
        {
            let offload = Offload {
                is_partial: true,
                segmentation,
                header_octets: 0x0102,
                segment_octets: 0x0304,
                checksum_start: 0x0506,
                checksum_offset: 0x0708,
            };
            assert_eq!(Offload::parse(&offload.to_octets()), Some(offload));
        }
        assert_eq!(Offload::parse(&[0; 10]), Some(Offload::default()));
    }

    #[test]
    fn unknown_segmentation_is_refused() {
        // UDP fragments of IPv4, which nobody asked for.
        assert_eq!(Offload::parse(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        let ecn = Offload::parse(&[1, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ecn.map(|it| it.segmentation), Some(Segmentation::TcpV4));
    }
}
