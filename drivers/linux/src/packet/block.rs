//! What a block of the ring holds: descriptors and frames, as the kernel lays
//! them out (packet(7), `linux/if_packet.h`).
//!
//! Nothing that is read here is trusted: each offset and length is checked
//! against the block, in release builds too. What does not fit ends the block.

use std::{mem::offset_of, ops::Range};

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};

/// Octets of a frame's descriptor: the header, up to its alignment, and a
/// socket address.
pub const DESCRIPTOR_OCTETS: usize = libc::TPACKET3_HDRLEN;

/// Where the socket address stands in the descriptor.
const ADDRESS_OFFSET: usize = DESCRIPTOR_OCTETS - size_of::<sockaddr_ll>();

/// What a descriptor says of its frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Where the frame stands in the block; its headroom lies before it.
    pub octets: Range<usize>,
    /// Octets that the frame had on the wire, those cut off too.
    pub wire_octets: usize,
    /// Whether the frame was sent by this host.
    pub is_outgoing: bool,
    /// Whether the sender left the checksum to hardware that was never reached.
    pub is_checksum_unfinished: bool,
    /// When it came, by the clock of the day: seconds, and nanoseconds of one more.
    pub time: (u32, u32),
    /// The outer tag, if the kernel took one off.
    pub tag: Option<Tag>,
}

/// A VLAN tag that the kernel took off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// Its TPID, if the kernel told.
    pub tpid: Option<u16>,
    /// Its control information: priority and VLAN id.
    pub control: u16,
}

/// The kernel wrote what cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt {
    /// Frames of the block that are lost by it.
    pub frames: u32,
}

/// Steps through the frames of a block.
#[derive(Debug)]
pub struct Cursor {
    /// Where the next descriptor stands.
    offset: usize,
    /// Frames from there on.
    frames: u32,
    /// Octets between a descriptor and its frame at least.
    headroom_octets: usize,
}

impl Cursor {
    /// At the first frame of a block. A frame that has fewer octets of headroom than
    /// these is taken for corrupt.
    #[must_use]
    pub fn new(block: &[u8], headroom_octets: usize) -> Self {
        let header = offset_of!(tpacket_block_desc, hdr);
        let frames = read_u32(block, header + offset_of!(tpacket_hdr_v1, num_pkts));
        let offset = read_u32(block, header + offset_of!(tpacket_hdr_v1, offset_to_first_pkt));
        match (frames, offset.and_then(|offset| usize::try_from(offset).ok())) {
            (Some(frames), Some(offset)) => Self { offset, frames, headroom_octets },
            // No block is that short.
            _ => Self { offset: 0, frames: 0, headroom_octets },
        }
    }

    /// The next frame; `None` behind the last one.
    pub fn next(&mut self, block: &[u8]) -> Option<Result<Descriptor, Corrupt>> {
        if self.frames == 0 {
            return None;
        }
        let Some((frame, step)) = read_descriptor(block, self.offset, self.headroom_octets) else {
            let frames = std::mem::take(&mut self.frames);
            return Some(Err(Corrupt { frames }));
        };
        self.frames -= 1;
        // A way of 0 is the last frame's alone; there is nothing to find where
        // any other one would lead to.
        let is_stuck = step == 0 && self.frames > 0;
        self.offset = if is_stuck { usize::MAX } else { self.offset.saturating_add(step) };
        Some(Ok(frame))
    }
}

/// Reads the descriptor at an offset; also gives the way to the next one.
fn read_descriptor(
    block: &[u8],
    offset: usize,
    headroom_octets: usize,
) -> Option<(Descriptor, usize)> {
    let descriptor = block.get(offset..offset.checked_add(DESCRIPTOR_OCTETS)?)?;
    let field = |at| read_u32(descriptor, at).and_then(|value| usize::try_from(value).ok());
    let kept_octets = field(offset_of!(tpacket3_hdr, tp_snaplen))?;
    let wire_octets = field(offset_of!(tpacket3_hdr, tp_len))?;
    let next = field(offset_of!(tpacket3_hdr, tp_next_offset))?;
    let status = read_u32(descriptor, offset_of!(tpacket3_hdr, tp_status))?;
    let start = usize::from(read_u16(descriptor, offset_of!(tpacket3_hdr, tp_mac))?);
    // The headroom must not reach into the descriptor, nor a frame into the
    // next one's.
    let end = start.checked_add(kept_octets)?;
    if start < DESCRIPTOR_OCTETS + headroom_octets || (next != 0 && next < end) {
        return None;
    }
    let octets = offset + start..offset.checked_add(end)?;
    if octets.end > block.len() {
        return None;
    }
    let packet_type = *descriptor.get(ADDRESS_OFFSET + offset_of!(sockaddr_ll, sll_pkttype))?;
    let seconds = read_u32(descriptor, offset_of!(tpacket3_hdr, tp_sec))?;
    let nanoseconds = read_u32(descriptor, offset_of!(tpacket3_hdr, tp_nsec))?;
    let descriptor = Descriptor {
        octets,
        wire_octets,
        is_outgoing: packet_type == libc::PACKET_OUTGOING,
        is_checksum_unfinished: status & libc::TP_STATUS_CSUMNOTREADY != 0,
        time: (seconds, nanoseconds),
        tag: read_tag(descriptor, status),
    };
    Some((descriptor, next))
}

fn read_tag(descriptor: &[u8], status: u32) -> Option<Tag> {
    if status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let variant = offset_of!(tpacket3_hdr, hv1);
    let tci = read_u32(descriptor, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci))?;
    let tpid = read_u16(descriptor, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid))?;
    let has_tpid = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    let [.., c, d] = tci.to_be_bytes();
    Some(Tag { tpid: has_tpid.then_some(tpid), control: u16::from_be_bytes([c, d]) })
}

fn read_u32(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|octets| u32::from_ne_bytes(*octets))
}

fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|octets| u16::from_ne_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 8 + offset_of!(tpacket_hdr_v1, num_pkts);
    const FIRST: usize = 8 + offset_of!(tpacket_hdr_v1, offset_to_first_pkt);

    fn put(block: &mut [u8], at: usize, value: u32) {
        block[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    fn walk(block: &[u8]) -> (usize, Option<Corrupt>) {
        let mut cursor = Cursor::new(block, 0);
        let mut frames = 0;
        loop {
            match cursor.next(block) {
                None => return (frames, None),
                Some(Err(corrupt)) => return (frames, Some(corrupt)),
                Some(Ok(_)) => frames += 1,
            }
        }
    }

    #[test]
    fn block_that_lies_about_itself_is_read_no_further_than_it_reaches() {
        let mut block = vec![0; 4_096];
        assert_eq!(walk(&block), (0, None));
        put(&mut block, FRAMES, u32::MAX);
        put(&mut block, FIRST, 5_000);
        assert_eq!(walk(&block), (0, Some(Corrupt { frames: u32::MAX })));
        // The next frame is at an offset of 0 for ever.
        put(&mut block, FRAMES, 7);
        put(&mut block, FIRST, 48);
        let start = u16::try_from(DESCRIPTOR_OCTETS).unwrap();
        let at = 48 + offset_of!(tpacket3_hdr, tp_mac);
        block[at..at + 2].copy_from_slice(&start.to_ne_bytes());
        assert_eq!(walk(&block), (1, Some(Corrupt { frames: 6 })));
        put(&mut block, 48 + offset_of!(tpacket3_hdr, tp_snaplen), u32::MAX);
        assert_eq!(walk(&block), (0, Some(Corrupt { frames: 7 })));
    }

    #[test]
    fn descriptor_tells_time_tag_and_unfinished_checksum() {
        let mut block = vec![0; 4_096];
        put(&mut block, FRAMES, 1);
        put(&mut block, FIRST, 48);
        let at = |offset| 48 + offset;
        let start = u16::try_from(DESCRIPTOR_OCTETS).unwrap();
        let mac = at(offset_of!(tpacket3_hdr, tp_mac));
        block[mac..mac + 2].copy_from_slice(&start.to_ne_bytes());
        put(&mut block, at(offset_of!(tpacket3_hdr, tp_snaplen)), 60);
        put(&mut block, at(offset_of!(tpacket3_hdr, tp_len)), 64);
        put(&mut block, at(offset_of!(tpacket3_hdr, tp_sec)), 7);
        put(&mut block, at(offset_of!(tpacket3_hdr, tp_nsec)), 9);
        let status = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_CSUMNOTREADY;
        put(&mut block, at(offset_of!(tpacket3_hdr, tp_status)), status);
        let variant = at(offset_of!(tpacket3_hdr, hv1));
        put(&mut block, variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci), 0xe009);
        let read = Cursor::new(&block, 0).next(&block).unwrap().unwrap();
        let octets = 48 + DESCRIPTOR_OCTETS..48 + DESCRIPTOR_OCTETS + 60;
        assert_eq!((read.octets, read.wire_octets, read.time), (octets, 64, (7, 9)));
        assert!(read.is_checksum_unfinished && !read.is_outgoing);
        assert_eq!(read.tag, Some(Tag { tpid: None, control: 0xe009 }));
    }
}
