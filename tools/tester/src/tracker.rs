//! Which sequence numbers came back: once, twice, late, or not at all.

/// Sequence numbers below the highest one seen whose arrival is remembered.
/// What comes back later than that can no longer be told from a duplicate, and
/// is counted as outside the window.
pub const WINDOW_FRAMES: u32 = 1 << 20;

const WORD_FRAMES: u32 = u64::BITS;

/// One word more than the window, because it seldom starts at a word's edge.
const WORDS: usize = (WINDOW_FRAMES / WORD_FRAMES) as usize + 1;

/// What one arrival is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The first with this number, and no higher one came before.
    InOrder,
    /// The first with this number, after a higher one: reordered in the sense
    /// of RFC 4737 section 3.3 (less than the next expected).
    Reordered,
    /// The number came before.
    Duplicate,
    /// Too far below the highest one to know.
    OutsideWindow,
}

/// Remembers a window of sequence numbers, one bit each: 128 KiB.
#[derive(Clone, Debug)]
pub struct Tracker {
    seen: Box<[u64]>,
    next_expected: u64,
}

impl Default for Tracker {
    fn default() -> Self {
        Self::new()
    }
}

impl Tracker {
    /// Nothing came back yet.
    #[must_use]
    pub fn new() -> Self {
        Self { seen: vec![0; WORDS].into_boxed_slice(), next_expected: 0 }
    }

    /// Notes one arrival.
    #[inline]
    pub fn note(&mut self, sequence: u32) -> Place {
        let number = u64::from(sequence);
        let is_in_order = number >= self.next_expected;
        if is_in_order {
            self.forget_before(number);
            self.next_expected = number + 1;
        } else if self.next_expected - number > u64::from(WINDOW_FRAMES) {
            return Place::OutsideWindow;
        }
        let (slot, bit) = place_of(number);
        let Some(word) = self.seen.get_mut(slot) else { return Place::OutsideWindow };
        if *word & bit != 0 {
            return Place::Duplicate;
        }
        *word |= bit;
        if is_in_order { Place::InOrder } else { Place::Reordered }
    }

    /// Clears the words that the window moves onto.
    fn forget_before(&mut self, number: u64) {
        let word_frames = u64::from(WORD_FRAMES);
        // Of the word that holds the number expected next, the part behind it
        // is clear already, unless that word begins with it.
        let first = self.next_expected.div_ceil(word_frames);
        let last = number / word_frames;
        for word in (first..=last).take(WORDS) {
            if let Some(slot) = self.seen.get_mut(place_of(word * word_frames).0) {
                *slot = 0;
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder by a small number")]
fn place_of(number: u64) -> (usize, u64) {
    let word = number / u64::from(WORD_FRAMES);
    ((word % WORDS as u64) as usize, 1 << (number % u64::from(WORD_FRAMES)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_number_counts_once() {
        let mut tracker = Tracker::new();
        assert_eq!(tracker.note(0), Place::InOrder);
        assert_eq!(tracker.note(2), Place::InOrder);
        assert_eq!(tracker.note(1), Place::Reordered);
        assert_eq!(tracker.note(1), Place::Duplicate);
        assert_eq!(tracker.note(2), Place::Duplicate);
        assert_eq!(tracker.note(3), Place::InOrder);
    }

    #[test]
    fn the_window_is_as_wide_as_stated() {
        let mut tracker = Tracker::new();
        assert_eq!(tracker.note(WINDOW_FRAMES - 1), Place::InOrder);
        assert_eq!(tracker.note(0), Place::Reordered);
        assert_eq!(tracker.note(WINDOW_FRAMES), Place::InOrder);
        assert_eq!(tracker.note(0), Place::OutsideWindow);
        assert_eq!(tracker.note(1), Place::Reordered);
    }

    #[test]
    fn a_leap_over_the_whole_window_leaves_nothing_behind() {
        let mut tracker = Tracker::new();
        for sequence in 0..200 {
            assert_eq!(tracker.note(sequence), Place::InOrder);
        }
        assert_eq!(tracker.note(u32::MAX), Place::InOrder);
        for sequence in u32::MAX - WINDOW_FRAMES + 1..u32::MAX {
            assert_eq!(tracker.note(sequence), Place::Reordered);
        }
        assert_eq!(tracker.note(199), Place::OutsideWindow);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_of_all_numbers(
            steps in prop::collection::vec((0_u32..3, 0_u32..100_000), 1..500)
        ) {
            let mut tracker = Tracker::new();
            let mut seen = HashSet::new();
            let mut highest: Option<u32> = None;
            for (direction, step) in steps {
                let from = highest.unwrap_or(0);
                let sequence = match direction {
                    0 => from + 1,
                    1 => from + step,
                    _ => from.saturating_sub(step * 20),
                };
                let wanted = match highest {
                    Some(highest) if highest.saturating_sub(sequence) >= WINDOW_FRAMES => {
                        Place::OutsideWindow
                    }
                    _ if !seen.insert(sequence) => Place::Duplicate,
                    Some(highest) if sequence < highest => Place::Reordered,
                    _ => Place::InOrder,
                };
                prop_assert_eq!(tracker.note(sequence), wanted);
                highest = highest.max(Some(sequence));
            }
        }
    }
}
