//! The first 64 octets of a cassette.

use crate::OpenError;

/// Octets of the head.
pub const HEAD_OCTETS: usize = 64;

/// The head's flag of a cassette that was redacted when it was written.
pub const FLAG_REDACTED: u32 = 1;

/// The head's flag of a cassette that was made from another format.
pub const FLAG_IMPORTED: u32 = 2;

/// How keys are made: the rule set of this program.
pub const RULE_SET: u32 = 1;

/// A first octet that no text has, the name, and both line ends: what a transfer as text
/// changes does not begin like this any more.
const MAGIC: [u8; 8] = [0x89, b'F', b'E', b'N', b'D', 0x0D, 0x0A, 0x1A];
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
/// Octets that the checksum covers.
const COVERED: usize = 60;

/// What the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHead {
    /// [`FLAG_REDACTED`], [`FLAG_IMPORTED`].
    pub flags: u32,
    /// Drawn by chance when the file was made: part of every record's checksum.
    pub id: [u8; 16],
    /// When the file was made, in nanoseconds since 1970.
    pub created_ns: u64,
    /// The rule set by which keys are made.
    pub rule_set: u32,
}

impl FileHead {
    /// The head as it is written.
    #[must_use]
    pub fn to_octets(&self) -> [u8; HEAD_OCTETS] {
        let mut octets = [0; HEAD_OCTETS];
        octets[..8].copy_from_slice(&MAGIC);
        octets[8..10].copy_from_slice(&MAJOR.to_le_bytes());
        octets[10..12].copy_from_slice(&MINOR.to_le_bytes());
        octets[12..16].copy_from_slice(&self.flags.to_le_bytes());
        octets[16..32].copy_from_slice(&self.id);
        octets[32..40].copy_from_slice(&self.created_ns.to_le_bytes());
        octets[40..44].copy_from_slice(&self.rule_set.to_le_bytes());
        let checksum = crc32c::crc32c(&octets[..COVERED]);
        octets[COVERED..].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    /// Reads a head.
    ///
    /// # Errors
    ///
    /// [`OpenError`], but for `Io` and `HeadCut`. The version is looked at before the
    /// checksum, since another version may have another head.
    pub fn parse(octets: &[u8; HEAD_OCTETS]) -> Result<Self, OpenError> {
        if octets[..8] != MAGIC {
            return Err(OpenError::NotACassette);
        }
        let checksum = u32::from_le_bytes(array(octets, COVERED));
        let is_whole = crc32c::crc32c(&octets[..COVERED]) == checksum;
        let major = u16::from_le_bytes(array(octets, 8));
        if major != MAJOR {
            // A flipped bit in the version is damage, not another version.
            return Err(if is_whole {
                OpenError::Major { found: major }
            } else {
                OpenError::HeadDamaged
            });
        }
        if !is_whole {
            return Err(OpenError::HeadDamaged);
        }
        Ok(Self {
            flags: u32::from_le_bytes(array(octets, 12)),
            id: array(octets, 16),
            created_ns: u64::from_le_bytes(array(octets, 32)),
            rule_set: u32::from_le_bytes(array(octets, 40)),
        })
    }
}

/// `N` octets from `at` on, which the caller knows to be there.
fn array<const N: usize>(octets: &[u8; HEAD_OCTETS], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&octets[at..at + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: FileHead = FileHead {
        flags: FLAG_REDACTED,
        id: *b"0123456789abcdef",
        created_ns: 1_700_000_000_000_000_000,
        rule_set: RULE_SET,
    };

    #[test]
    fn head_is_read_as_it_was_written() {
        assert_eq!(FileHead::parse(&HEAD.to_octets()).unwrap(), HEAD);
    }

    #[test]
    fn any_flipped_bit_of_the_head_is_refused() {
        for bit in 0..HEAD_OCTETS * 8 {
            let mut octets = HEAD.to_octets();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHead::parse(&octets).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut octets = HEAD.to_octets();
        octets[8] = 2;
        let checksum = crc32c::crc32c(&octets[..COVERED]);
        octets[COVERED..].copy_from_slice(&checksum.to_le_bytes());
        assert!(matches!(FileHead::parse(&octets), Err(OpenError::Major { found: 2 })));
    }
}
