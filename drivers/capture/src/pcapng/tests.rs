use proptest::prelude::*;

use super::*;

fn start() -> Vec<u8> {
    let mut file = Vec::new();
    write_section(&mut file, "farend");
    write_interface(&mut file, "eth1", 96);
    file
}

fn packet(octets: &[u8]) -> Packet<'_> {
    Packet {
        interface: 0,
        time_unix_ns: 1_700_000_000_123_456_789,
        octets,
        whole_octets: 1_514,
        direction: Direction::Inbound,
        comment: "reflected: probeot",
    }
}

#[test]
fn the_start_is_as_the_draft_has_it() {
    let file = start();
    assert_eq!(file[..4], MAGIC);
    assert_eq!(file[8..12], [0x4d, 0x3c, 0x2b, 0x1a]);
    let (whole, frames) = whole_blocks(&file, file.len());
    assert_eq!((whole, frames), (file.len(), 0));
}

#[test]
fn a_packet_has_its_fields_in_their_places() {
    let mut file = Vec::new();
    write_packet(&mut file, &packet(&[0xaa; 5]));
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), ENHANCED_PACKET);
    assert_eq!(word(4) as usize, file.len());
    let time = (u64::from(word(12)) << 32) | u64::from(word(16));
    assert_eq!(time, 1_700_000_000_123_456_789);
    assert_eq!((word(20), word(24)), (5, 1_514));
    assert_eq!(file[28..36], [0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0, 0, 0]);
    assert_eq!(word(file.len() - 4) as usize, file.len());
}

proptest! {
    #[test]
    fn every_block_is_whole_and_aligned(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = start();
        let mut ends = vec![0, file.len()];
        for octets in &frames {
            write_packet(&mut file, &packet(octets));
            ends.push(file.len());
        }
        prop_assert_eq!(whole_blocks(&file, file.len()), (file.len(), frames.len() as u64));
        let cut = cut.index(file.len());
        let (whole, frames_before) = whole_blocks(&file, cut);
        prop_assert!(whole <= cut && whole % 4 == 0);
        let ends_before = ends.iter().filter(|end| **end <= cut).count();
        prop_assert_eq!(frames_before, ends_before.saturating_sub(2) as u64);
    }

    #[test]
    fn what_is_no_block_is_not_counted(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        let (whole, _) = whole_blocks(&octets, octets.len());
        prop_assert!(whole <= octets.len());
    }
}

#[test]
fn a_length_that_no_block_has_ends_the_search() {
    // Each says that it is shorter than its own type and lengths, or unaligned.
    for length in [0_u32, 4, 8, 13] {
        let mut octets = ENHANCED_PACKET.to_le_bytes().to_vec();
        octets.extend(length.to_le_bytes());
        octets.extend([0; 24]);
        assert_eq!(whole_blocks(&octets, octets.len()), (0, 0), "{length}");
    }
}
