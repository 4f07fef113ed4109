//! Which sequence numbers were seen: a window behind the highest one.
//!
//! RFC 6479: a ring of words, so that moving the window forward clears words
//! and shifts nothing.

/// Numbers behind the highest one that are still told apart.
///
/// 8192: at 860,000 frames a second, 9.5 ms of reordering.
pub const WINDOW_FRAMES: u64 = 8192;

/// Words of the ring: a power of two, and one word more than the window has.
const WORDS: usize = 256;
const WORD_BITS: u64 = 64;

/// What a sequence number is to a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sighting {
    /// Higher than all before.
    Newest,
    /// In the window and not seen before.
    Late,
    /// Seen before.
    Duplicate,
    /// Behind the window: nobody knows.
    TooOld,
}

impl Sighting {
    /// Whether a frame with this number may be taken.
    #[must_use]
    pub const fn is_new(self) -> bool {
        matches!(self, Self::Newest | Self::Late)
    }
}

/// The window of one key.
///
/// Ask [`look`](Self::look) first, then authenticate, then
/// [`mark`](Self::mark): a forged number must not move the window.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// One more than the highest number seen; 0 before the first.
    next: u64,
    words: [u64; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { next: 0, words: [0; WORDS] }
    }
}

impl ReplayWindow {
    /// What this number would be.
    #[must_use]
    #[inline]
    pub fn look(&self, sequence: u64) -> Sighting {
        if sequence >= self.next {
            return Sighting::Newest;
        }
        if self.next.wrapping_sub(sequence) > WINDOW_FRAMES {
            return Sighting::TooOld;
        }
        let (at, bit) = place(sequence);
        if self.words[at] & bit == 0 { Sighting::Late } else { Sighting::Duplicate }
    }

    /// Takes note of a number, and tells what it was.
    #[inline]
    pub fn mark(&mut self, sequence: u64) -> Sighting {
        let sighting = self.look(sequence);
        if sighting == Sighting::Newest {
            self.clear_up_to(sequence);
            // The last number of all has no next: it is a duplicate of itself
            // only by its bit.
            self.next = sequence.saturating_add(1);
        }
        if sighting.is_new() {
            let (at, bit) = place(sequence);
            self.words[at] |= bit;
        }
        sighting
    }

    /// Whether the highest number so far is this one or above.
    #[must_use]
    #[inline]
    pub const fn has_passed(&self, sequence: u64) -> bool {
        self.next > sequence
    }

    /// By how many numbers this one would move the window forward.
    #[must_use]
    #[inline]
    pub const fn passed_by(&self, sequence: u64) -> u64 {
        sequence.saturating_add(1).saturating_sub(self.next)
    }

    /// Empties the words between the highest number so far and this one.
    fn clear_up_to(&mut self, sequence: u64) {
        let to = sequence / WORD_BITS;
        // The word of the highest number so far keeps its bits.
        let from = match self.next.checked_sub(1) {
            Some(highest) => highest / WORD_BITS,
            None => return,
        };
        if to.wrapping_sub(from) >= 256 {
            self.words = [0; WORDS];
            return;
        }
        let mut word = from;
        while word < to {
            word = word.wrapping_add(1);
            self.words[index(word)] = 0;
        }
    }
}

/// The word of the ring that a number is in, and its bit.
#[inline]
const fn place(sequence: u64) -> (usize, u64) {
    (index(sequence / WORD_BITS), 1 << (sequence % WORD_BITS))
}

/// The word's place: its lowest octet, of which there are as many as words.
#[inline]
const fn index(word: u64) -> usize {
    let [lowest, ..] = word.to_le_bytes();
    lowest as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The same in slow clear code: all numbers ever seen.
    #[derive(Default)]
    struct Oracle(BTreeSet<u64>);

    impl Oracle {
        fn mark(&mut self, sequence: u64) -> Sighting {
            let highest = self.0.last().copied();
            let sighting = match highest {
                None => Sighting::Newest,
                Some(highest) if sequence > highest => Sighting::Newest,
                Some(highest) if highest - sequence >= WINDOW_FRAMES => Sighting::TooOld,
                _ if self.0.contains(&sequence) => Sighting::Duplicate,
                _ => Sighting::Late,
            };
            self.0.insert(sequence);
            sighting
        }
    }

    /// Numbers that go forward, back, and sometimes far.
    fn walks() -> impl Strategy<Value = std::vec::Vec<u64>> {
        let step = prop_oneof![
            6 => -70_i64..70,
            2 => -9_000_i64..9_000,
            1 => -40_000_i64..40_000,
        ];
        proptest::collection::vec(step, 1..400).prop_map(|steps| {
            let mut at = 20_000_i64;
            let next = |step: i64| {
                at = (at + step).max(0);
                at.unsigned_abs()
            };
            steps.into_iter().map(next).collect()
        })
    }

    proptest! {
        #[test]
        fn window_agrees_with_a_set_of_all_numbers(walk in walks()) {
            let (mut window, mut oracle) = (ReplayWindow::default(), Oracle::default());
            for sequence in walk {
                let told = window.look(sequence);
                prop_assert_eq!(window.mark(sequence), told);
                prop_assert_eq!(told, oracle.mark(sequence), "{}", sequence);
            }
        }
    }

    #[test]
    fn edges_of_the_window_are_exact() {
        let mut window = ReplayWindow::default();
        assert_eq!(window.mark(WINDOW_FRAMES), Sighting::Newest);
        assert_eq!(window.look(0), Sighting::TooOld);
        assert_eq!(window.mark(1), Sighting::Late);
        assert_eq!(window.mark(1), Sighting::Duplicate);
        assert_eq!(window.mark(WINDOW_FRAMES), Sighting::Duplicate);
    }

    #[test]
    fn last_number_of_all_is_not_taken_twice() {
        let mut window = ReplayWindow::default();
        let last = crate::link::header::SEQUENCE_MAX;
        assert_eq!(window.mark(last), Sighting::Newest);
        assert_eq!(window.mark(last), Sighting::Duplicate);
    }
}
