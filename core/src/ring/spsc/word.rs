//! The word before each record.
//!
//! | low half | high half | means |
//! |---|---|---|
//! | 0 | 0 | no record yet |
//! | octets + 1 | mark of the position | a record |
//! | all ones | mark of the position | the rest of the memory is skipped |
//!
//! The mark differs between positions, so that a word that is left from an earlier
//! round, or written by something that is no ring, is told from one that belongs
//! there.

use crate::ring::{Corruption, Error};

/// Octets of the word.
pub(super) const OCTETS: u64 = 8;

/// Octets of the longest record that the word can tell.
pub(super) const RECORD_OCTETS_MAX: u64 = LOW - 2;

const LOW: u64 = u32::MAX as u64;
const SKIP: u64 = LOW;

/// Makes the mark of the first positions unlike small numbers.
const MARK: u64 = 0x5EC0_4D00;

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No record yet.
    Nothing,
    /// A record of so many octets.
    Record { octets: u64 },
    /// The rest of the memory is not used.
    Skip,
}

impl Found {
    /// Reads the word of a position, which `octets_to_end` octets of memory follow.
    ///
    /// # Errors
    /// [`Corruption::MessageWord`] if no producer writes such a word there.
    #[inline(always)]
    pub(super) fn read(
        word: u64,
        position: u64,
        octets_to_end: u64,
        octets_max: u64,
    ) -> Result<Self, Error> {
        if word == 0 {
            return Ok(Self::Nothing);
        }
        let corrupt = Error::Corrupt(Corruption::MessageWord(word));
        if word & !LOW != mark(position) {
            return Err(corrupt);
        }
        let low = word & LOW;
        let octets = low.wrapping_sub(1);
        if octets <= octets_max && span(octets) <= octets_to_end {
            return Ok(Self::Record { octets });
        }
        if low == SKIP { Ok(Self::Skip) } else { Err(corrupt) }
    }
}

/// The word of a record.
#[inline(always)]
pub(super) const fn record(position: u64, octets: u64) -> u64 {
    mark(position) | octets.wrapping_add(1)
}

/// The word that skips the rest of the memory.
#[inline(always)]
pub(super) const fn skip(position: u64) -> u64 {
    mark(position) | SKIP
}

/// Octets that a record takes, with its word.
#[inline(always)]
pub(super) const fn span(octets: u64) -> u64 {
    // A record's octets are fewer than 2^32: no overflow.
    octets.wrapping_add(OCTETS + 7) & !7
}

const fn mark(position: u64) -> u64 {
    ((position >> 3) ^ MARK) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_what_was_written_and_belongs_to_one_position() {
        let found = |word, position| Found::read(word, position, 256, 120);
        assert_eq!(found(0, 64), Ok(Found::Nothing));
        for octets in [0, 1, 119, 120] {
            assert_eq!(found(record(64, octets), 64), Ok(Found::Record { octets }));
            assert!(found(record(64, octets), 72).is_err());
        }
        assert_eq!(found(skip(64), 64), Ok(Found::Skip));
        assert!(found(skip(64), 64 + 256).is_err());
    }

    #[test]
    fn a_record_past_the_end_or_past_the_longest_is_corrupt() {
        assert!(Found::read(record(8, 121), 8, 256, 120).is_err());
        assert!(Found::read(record(8, 100), 8, 104, 120).is_err());
        assert!(Found::read(record(8, 96), 8, 104, 120).is_ok());
    }

    #[test]
    fn records_take_whole_words() {
        assert_eq!([0, 1, 8, 9].map(span), [8, 16, 16, 24]);
    }
}
