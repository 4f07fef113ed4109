//! The frames of a block: as the ring's descriptors have them, with the tag that the
//! kernel took off.

use std::ops::Range;

use farend_linux::packet;

use super::offload;

/// Octets before a frame, behind its descriptor, that are ours to write: the
/// offload header and a VLAN tag.
const HEADROOM_OCTETS: usize = offload::HEADER_OCTETS + TAG_OCTETS;

/// Octets that the kernel is asked to leave free before a frame beyond its own
/// alignment and the offload header (`PACKET_RESERVE`). With 6 of them the IP
/// header of an untagged Ethernet frame is aligned to 16 octets.
pub(super) const RESERVE_OCTETS: usize = 6;

/// Octets of a VLAN tag.
const TAG_OCTETS: usize = 4;

/// Octets of both MAC addresses, behind which a tag stands.
const ADDRESSES_OCTETS: usize = 12;

/// TPID of a tag whose descriptor has none: 802.1Q.
const TPID_DEFAULT: u16 = 0x8100;

/// One frame of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    /// Where the frame stands in the block; its headroom lies before it.
    pub(super) octets: Range<usize>,
    /// Octets that the frame had on the wire, those cut off too.
    pub(super) wire_octets: usize,
    /// Whether the frame was sent by this host.
    pub(super) is_outgoing: bool,
    /// The outer tag, TPID and TCI, if the kernel took one off.
    tag: Option<[u8; TAG_OCTETS]>,
}

impl Frame {
    /// Whether the ring had no room for the whole frame.
    pub(super) fn is_truncated(&self) -> bool {
        self.octets.len() < self.wire_octets
    }

    /// Puts the outer tag back, if there was one: the MAC addresses move into
    /// the headroom, the payload stays. Says by how many octets the frame grew.
    pub(super) fn restore_tag(&mut self, block: &mut [u8]) -> usize {
        let Some(tag) = self.tag.take() else { return 0 };
        let old = self.octets.start;
        let Some(start) = old.checked_sub(TAG_OCTETS) else { return 0 };
        let Some(head) = block.get_mut(start..old + ADDRESSES_OCTETS) else { return 0 };
        head.copy_within(TAG_OCTETS.., 0);
        let (_, room) = head.split_at_mut(ADDRESSES_OCTETS);
        room.copy_from_slice(&tag);
        self.octets.start = start;
        TAG_OCTETS
    }
}

impl From<packet::Descriptor> for Frame {
    fn from(descriptor: packet::Descriptor) -> Self {
        let tag = descriptor.tag.map(|tag| {
            let [a, b] = tag.tpid.unwrap_or(TPID_DEFAULT).to_be_bytes();
            let [c, d] = tag.control.to_be_bytes();
            [a, b, c, d]
        });
        let packet::Descriptor { octets, wire_octets, is_outgoing, .. } = descriptor;
        Self { octets, wire_octets, is_outgoing, tag }
    }
}

/// Steps through the frames of a block.
#[derive(Debug)]
pub(super) struct Cursor(packet::Cursor);

impl Cursor {
    pub(super) fn new(block: &[u8]) -> Self {
        Self(packet::Cursor::new(block, HEADROOM_OCTETS))
    }

    /// The next frame; `None` behind the last one.
    pub(super) fn next(&mut self, block: &[u8]) -> Option<Result<Frame, packet::Corrupt>> {
        Some(self.0.next(block)?.map(Frame::from))
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use farend_linux::packet::{Corrupt, DESCRIPTOR_OCTETS};
    use libc::{tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr};

    use super::*;

    const START: usize = DESCRIPTOR_OCTETS + HEADROOM_OCTETS;

    /// A block as the kernel writes it, of 4,096 octets.
    struct Fake(Vec<u8>);

    impl Fake {
        fn new(frames: u32, first: u32) -> Self {
            let mut fake = Self(vec![0; 4_096]);
            fake.put(8 + offset_of!(tpacket_hdr_v1, num_pkts), &frames.to_ne_bytes());
            fake.put(8 + offset_of!(tpacket_hdr_v1, offset_to_first_pkt), &first.to_ne_bytes());
            fake
        }

        fn put(&mut self, at: usize, octets: &[u8]) {
            self.0[at..at + octets.len()].copy_from_slice(octets);
        }

        fn descriptor(mut self, at: usize, kept: u32, wire: u32, mac: u16, next: u32) -> Self {
            self.put(at + offset_of!(tpacket3_hdr, tp_snaplen), &kept.to_ne_bytes());
            self.put(at + offset_of!(tpacket3_hdr, tp_len), &wire.to_ne_bytes());
            self.put(at + offset_of!(tpacket3_hdr, tp_mac), &mac.to_ne_bytes());
            self.put(at + offset_of!(tpacket3_hdr, tp_next_offset), &next.to_ne_bytes());
            self
        }

        fn tagged(mut self, at: usize, status: u32, tci: u32, tpid: u16) -> Self {
            let variant = at + offset_of!(tpacket3_hdr, hv1);
            self.put(at + offset_of!(tpacket3_hdr, tp_status), &status.to_ne_bytes());
            self.put(variant, &[0; 4]);
            self.put(variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tci), &tci.to_ne_bytes());
            self.put(variant + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid), &tpid.to_ne_bytes());
            self
        }

        fn frames(&self) -> Vec<Result<Frame, Corrupt>> {
            let mut cursor = Cursor::new(&self.0);
            std::iter::from_fn(|| cursor.next(&self.0)).collect()
        }
    }

    fn mac() -> u16 {
        START.try_into().unwrap()
    }

    #[test]
    fn frames_are_found_in_order_and_a_cut_one_is_known() {
        let fake = Fake::new(2, 48).descriptor(48, 60, 60, mac(), 512).descriptor(
            560,
            100,
            9_000,
            mac(),
            0,
        );
        let frames = fake.frames();
        let [Ok(first), Ok(second)] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(first.octets, 48 + START..48 + START + 60);
        assert!(!first.is_truncated());
        assert_eq!(second.octets, 560 + START..560 + START + 100);
        assert!(second.is_truncated());
    }

    #[test]
    fn what_does_not_fit_the_block_loses_the_rest_of_it() {
        let sound = || Fake::new(5, 48).descriptor(48, 60, 60, mac(), 512);
        let bad = [
            sound().descriptor(560, 4_000, 4_000, mac(), 0), // beyond the block
            sound().descriptor(560, u32::MAX, 60, mac(), 0), // far beyond
            sound().descriptor(560, 60, 60, mac() - 1, 512), // no headroom
            sound().descriptor(560, 60, 60, u16::MAX, 512),  // starts beyond
            sound().descriptor(560, 60, 60, mac(), 100),     // into the next one
            sound().descriptor(48, 60, 60, mac(), 4_090),    // half a descriptor
            sound().descriptor(48, 60, 60, mac(), u32::MAX), // next one beyond
        ];
        for (index, fake) in bad.iter().enumerate() {
            let frames = fake.frames();
            assert_eq!(frames.last(), Some(&Err(Corrupt { frames: 4 })), "case {index}");
            assert_eq!(frames.len(), 2, "case {index}");
        }
        assert_eq!(Fake::new(3, u32::MAX).frames(), [Err(Corrupt { frames: 3 })]);
    }

    #[test]
    fn no_frame_is_given_twice_and_an_empty_block_is_none() {
        let fake = Fake::new(1_000_000, 48).descriptor(48, 60, 60, mac(), 0);
        assert_eq!(fake.frames().len(), 2);
        assert_eq!(fake.frames()[1], Err(Corrupt { frames: 999_999 }));
        assert!(Fake(vec![0; 4_096]).frames().is_empty());
        assert!(Fake(vec![]).frames().is_empty());
    }

    #[test]
    fn a_tag_is_put_back_between_addresses_and_type() {
        let status = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;
        let mut fake =
            Fake::new(1, 48).descriptor(48, 60, 60, mac(), 0).tagged(48, status, 0x6007, 0x88a8);
        let at = 48 + START;
        fake.put(at, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x08, 0x00, 0x45]);
        let mut frame = fake.frames().remove(0).unwrap();
        assert_eq!(frame.restore_tag(&mut fake.0), 4);
        assert_eq!(frame.octets, at - 4..at + 60);
        let head = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x88, 0xa8, 0x60, 0x07, 0x08, 0x00, 0x45];
        assert_eq!(fake.0[at - 4..at + 15], head);
        assert_eq!(frame.restore_tag(&mut fake.0), 0);
    }

    #[test]
    fn a_tag_without_a_tpid_is_an_802_1q_one() {
        let fake = Fake::new(1, 48).descriptor(48, 60, 60, mac(), 0).tagged(
            48,
            libc::TP_STATUS_VLAN_VALID,
            7,
            0xffff,
        );
        let frame = fake.frames().remove(0).unwrap();
        assert_eq!(frame.tag, Some([0x81, 0, 0, 7]));
    }
}
