//! Reads the frames of a pcapng file (draft-ietf-opsawg-pcapng, section 4.3),
//! apart from the code under test.

use std::path::Path;

/// A frame of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sampled {
    pub(crate) time_unix_ns: u64,
    pub(crate) whole_octets: u32,
    pub(crate) octets: Vec<u8>,
    pub(crate) comment: String,
}

/// All frames of a file that is whole.
pub(crate) fn read(path: &Path) -> Vec<Sampled> {
    let file = std::fs::read(path).unwrap();
    let (mut rest, mut frames) = (file.as_slice(), Vec::new());
    while !rest.is_empty() {
        let length = number(rest, 4) as usize;
        let (block, behind) = rest.split_at(length);
        assert_eq!(number(block, length - 4) as usize, length, "a block ends with its length");
        if number(block, 0) == 6 {
            frames.push(frame(block));
        }
        rest = behind;
    }
    frames
}

fn frame(block: &[u8]) -> Sampled {
    let kept = number(block, 20) as usize;
    let option = &block[28 + kept.next_multiple_of(4)..];
    assert_eq!(number(option, 0) & 0xffff, 1, "the first option is the comment");
    let comment = &option[4..][..(number(option, 0) >> 16) as usize];
    Sampled {
        time_unix_ns: u64::from(number(block, 12)) << 32 | u64::from(number(block, 16)),
        whole_octets: number(block, 24),
        octets: block[28..][..kept].to_vec(),
        comment: String::from_utf8(comment.to_vec()).unwrap(),
    }
}

fn number(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*octets[at..].first_chunk().unwrap())
}
