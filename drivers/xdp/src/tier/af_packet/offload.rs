//! Work that a frame still waits for.
//!
//! A frame from a virtual interface (veth, virtio, tap) may come without its
//! transport checksum, or as one large frame for many: the sender left both to
//! hardware that was never passed. The kernel says so in a `virtio_net_hdr`
//! right before the frame (packet(7), `PACKET_VNET_HDR`), and takes the same
//! header with the answer. Turning a frame round leaves the sum of its
//! pseudo-header as it was, so the header holds for the answer too.

use std::ops::Range;

/// Octets of the header.
pub(super) const HEADER_OCTETS: usize = 10;

const FLAGS: usize = 0;
const SEGMENTATION: usize = 1;
const HEADERS_LENGTH: usize = 2;
const CHECKSUM_START: usize = 6;

/// A checksum is to be computed (`VIRTIO_NET_HDR_F_NEEDS_CSUM`).
const NEEDS_CHECKSUM: u8 = 1;

/// The header before a frame that waits for work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offload([u8; HEADER_OCTETS]);

impl Offload {
    /// Reads the header before a frame; `None` if the frame is finished.
    pub(super) fn read(block: &[u8], frame: &Range<usize>) -> Option<Self> {
        let start = frame.start.checked_sub(HEADER_OCTETS)?;
        let header = Self(*block.get(start..)?.first_chunk()?);
        let is_due = header.0[FLAGS] & NEEDS_CHECKSUM != 0 || header.0[SEGMENTATION] != 0;
        is_due.then_some(header)
    }

    /// Puts the header in front of a frame that has grown by so many octets
    /// before its network header. `None` if there is no such header.
    pub(super) fn follow(
        header: Option<Self>,
        block: &mut [u8],
        frame: &Range<usize>,
        grown_octets: usize,
    ) -> Option<()> {
        let Self(mut header) = header.unwrap_or(Self([0; HEADER_OCTETS]));
        let grown = u16::try_from(grown_octets).ok()?;
        for at in [HEADERS_LENGTH, CHECKSUM_START] {
            let field = header.get_mut(at..)?.first_chunk_mut::<2>()?;
            let value = u16::from_ne_bytes(*field);
            // A length of 0 means that the kernel shall find it out.
            if value != 0 {
                *field = value.checked_add(grown)?.to_ne_bytes();
            }
        }
        let start = frame.start.checked_sub(HEADER_OCTETS)?;
        *block.get_mut(start..)?.first_chunk_mut()? = header;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_frame_has_no_offload() {
        assert_eq!(Offload::read(&[0; 64], &(10..64)), None);
        // The checksum was found valid: nothing to do.
        let mut block = [0; 64];
        block[0] = 2;
        assert_eq!(Offload::read(&block, &(10..64)), None);
        assert_eq!(Offload::read(&block, &(9..64)), None);
        assert_eq!(Offload::read(&block, &(70..80)), None);
    }

    #[test]
    fn a_header_moves_with_a_frame_that_grew() {
        let mut block = [0; 64];
        block[10] = NEEDS_CHECKSUM;
        block[16..18].copy_from_slice(&34_u16.to_ne_bytes());
        block[18..20].copy_from_slice(&6_u16.to_ne_bytes());
        let offload = Offload::read(&block, &(20..64)).unwrap();
        assert_eq!(Offload::follow(Some(offload), &mut block, &(16..64), 4), Some(()));
        assert_eq!(block[6], NEEDS_CHECKSUM);
        assert_eq!(block[8..10], [0, 0]);
        assert_eq!(block[12..14], 38_u16.to_ne_bytes());
        assert_eq!(block[14..16], 6_u16.to_ne_bytes());
    }

    #[test]
    fn a_finished_frame_that_grew_stays_finished() {
        let mut block = [0xff; 64];
        assert_eq!(Offload::follow(None, &mut block, &(16..64), 4), Some(()));
        assert_eq!(Offload::read(&block, &(16..64)), None);
    }
}
