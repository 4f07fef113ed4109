//! The slots and the word before each message.
//!
//! | round (high 40 bits) | low 24 bits | means |
//! |---|---|---|
//! | 0 | 0 | nothing yet |
//! | r | octets + 1 | the message of round r |
//! | r | all ones | the message of round r is being written over that of r - 1 |

use crate::{
    ring::{Corruption, Error, Layout, Memory, memory::FETCHED_OCTETS},
    sync::primitive::{AtomicU64, Ordering},
};

/// Octets of the word.
pub(super) const WORD_OCTETS: u64 = 8;

/// Octets of the longest message that the word can tell.
pub(super) const MESSAGE_OCTETS_MAX: u64 = LOW - 2;

const LOW_BITS: u32 = 24;
const LOW: u64 = (1 << LOW_BITS) - 1;
const WRITING: u64 = LOW;
const ROUND: u64 = u64::MAX >> LOW_BITS;

/// The slots of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots<'m> {
    memory: Memory<'m>,
    mask: u64,
    capacity_bits: u32,
    words_each: usize,
    message_octets_max: u64,
}

/// What a slot has, seen by somebody who looks for one message in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// That message is not there yet.
    NotYet,
    /// That message.
    Message { octets: usize },
    /// Something else: a later one, if the slot is sound.
    Other,
}

impl<'m> Slots<'m> {
    pub(super) fn new(memory: Memory<'m>, layout: &Layout) -> Option<Self> {
        let slot_octets = super::slot_octets(layout.message_octets_max());
        Some(Self {
            memory,
            mask: layout.capacity().checked_sub(1)?,
            capacity_bits: layout.capacity().trailing_zeros(),
            words_each: usize::try_from(slot_octets / WORD_OCTETS).ok()?,
            message_octets_max: layout.message_octets_max(),
        })
    }

    pub(super) fn capacity(&self) -> u64 {
        self.mask.wrapping_add(1)
    }

    pub(super) fn message_octets_max(&self) -> usize {
        usize::try_from(self.message_octets_max).unwrap_or(usize::MAX)
    }

    /// The words of the slot of a message: its first word, and the others.
    #[inline(always)]
    pub(super) fn slot(&self, number: u64) -> Result<(&'m AtomicU64, &'m [AtomicU64]), Error> {
        self.memory
            .words(self.offset(number), self.words_each)
            .and_then(<[AtomicU64]>::split_first)
            .ok_or(Error::Corrupt(Corruption::Missing))
    }

    /// The memory of all slots.
    pub(super) fn memory(&self) -> Memory<'m> {
        self.memory
    }

    /// Where the octets of a message start in it.
    pub(super) fn octets_offset(&self, number: u64) -> usize {
        self.offset(number).wrapping_add(size_of::<u64>())
    }

    /// Asks the processor for what a message has beyond its word's cache line, to
    /// come at the same time as that: to be called before the word is loaded.
    #[inline(always)]
    pub(super) fn prefetch(&self, number: u64) {
        self.memory.prefetch(self.offset(number).wrapping_add(FETCHED_OCTETS));
    }

    /// Where the slot of a message starts.
    #[inline(always)]
    fn offset(&self, number: u64) -> usize {
        // The memory has a `usize` of octets, so offsets fit.
        let index = usize::try_from(number & self.mask).unwrap_or(usize::MAX);
        index.wrapping_mul(self.words_each).wrapping_mul(size_of::<u64>())
    }

    /// The word of a message of this number.
    #[inline(always)]
    pub(super) fn word(&self, number: u64, octets: usize) -> u64 {
        self.round(number) | (octets as u64).wrapping_add(1)
    }

    /// The word of a slot that is about to be overwritten with this message.
    #[inline(always)]
    pub(super) fn writing(&self, number: u64) -> u64 {
        self.round(number) | WRITING
    }

    /// What a word says to somebody who looks for message `number`.
    #[inline(always)]
    pub(super) fn read(&self, number: u64, word: u64) -> Found {
        let (round, low) = (word & !LOW, word & LOW);
        if round == self.round(number) {
            return match low.checked_sub(1) {
                Some(octets) if octets <= self.message_octets_max => {
                    Found::Message { octets: usize::try_from(octets).unwrap_or(usize::MAX) }
                }
                None if word == 0 => Found::NotYet,
                _ if low == WRITING => Found::NotYet,
                _ => Found::Other,
            };
        }
        let is_older = round == self.round(number.wrapping_sub(self.capacity()));
        if is_older && low != 0 && low != WRITING { Found::NotYet } else { Found::Other }
    }

    /// The round of a message, in its place in the word.
    #[inline(always)]
    fn round(&self, number: u64) -> u64 {
        (number.wrapping_shr(self.capacity_bits) & ROUND) << LOW_BITS
    }
}

/// Loads a slot's word, with all that was written before it.
#[inline(always)]
pub(super) fn load(word: &AtomicU64) -> u64 {
    // Acquire: pairs with the writer's Release when it stores the word.
    word.load(Ordering::Acquire)
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    use super::*;
    use crate::ring::SlowReader;

    fn with_slots(test: impl Fn(Slots<'_>)) {
        let layout = Layout::broadcast(4, 16, 1, SlowReader::Overwrite).unwrap();
        let mut words = [0; 12];
        test(Slots::new(Memory::from_words(&mut words).unwrap(), &layout).unwrap());
    }

    #[test]
    fn a_word_tells_a_message_from_those_of_other_rounds() {
        with_slots(|slots| {
            assert_eq!(slots.read(1, 0), Found::NotYet);
            assert_eq!(slots.read(1, slots.writing(1)), Found::NotYet);
            assert_eq!(slots.read(1, slots.word(1, 16)), Found::Message { octets: 16 });
            assert_eq!(slots.read(5, slots.word(1, 16)), Found::NotYet);
            assert_eq!(slots.read(5, slots.writing(9)), Found::Other);
            assert_eq!(slots.read(1, slots.word(5, 0)), Found::Other);
        });
    }

    #[test]
    fn words_that_no_writer_stores_are_no_message() {
        with_slots(|slots| {
            assert_eq!(slots.read(1, slots.word(1, 17)), Found::Other);
            assert_eq!(slots.read(5, 0), Found::Other);
            assert_eq!(slots.read(9, slots.word(1, 4)), Found::Other);
            assert_eq!(slots.read(5, slots.writing(1)), Found::Other);
        });
    }

    #[test]
    fn slots_do_not_overlap_and_end_with_the_memory() {
        with_slots(|slots| {
            for number in 0..4 {
                let (word, others) = slots.slot(number).unwrap();
                assert_eq!(word.load(Ordering::Relaxed), 0);
                assert_eq!(others.len(), 2);
                word.store(number + 1, Ordering::Relaxed);
                others[1].store(number + 1, Ordering::Relaxed);
            }
            assert_eq!(slots.slot(6).unwrap().0.load(Ordering::Relaxed), 3);
        });
    }
}
