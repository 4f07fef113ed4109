//! Loss, reordering and duplicates, from sequence numbers alone.

use super::replay::Sighting;

/// What arrived under one key, or under several one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Arrivals {
    /// Frames taken: each number once.
    pub taken: u64,
    /// Of them, those that came after a higher number.
    pub reordered: u64,
    /// Frames whose number had been taken.
    pub duplicates: u64,
    /// Frames behind the window: too late to be told from duplicates.
    pub too_old: u64,
    /// Numbers up to the highest of each key.
    pub expected: u64,
}

impl Arrivals {
    /// Takes note of a frame. A key's numbers begin at 0, so its first frames
    /// are missed like others.
    #[inline]
    pub const fn count(&mut self, sighting: Sighting, numbers_passed: u64) {
        match sighting {
            Sighting::Newest => {
                self.taken = self.taken.wrapping_add(1);
                self.expected = self.expected.wrapping_add(numbers_passed);
            }
            Sighting::Late => {
                self.taken = self.taken.wrapping_add(1);
                self.reordered = self.reordered.wrapping_add(1);
            }
            Sighting::Duplicate => self.duplicates = self.duplicates.wrapping_add(1),
            Sighting::TooOld => self.too_old = self.too_old.wrapping_add(1),
        }
    }

    /// Numbers that have not come: lost, or still on their way. A number that
    /// came too late to be taken counts as lost.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::link::replay::ReplayWindow;

    proptest! {
        #[test]
        fn counts_agree_with_what_was_sent(
            fates in proptest::collection::vec((0_u8..10, 0_usize..50), 1..300)
        ) {
            // Each number is lost, sent once or sent twice, and delayed.
            let mut arriving = std::vec::Vec::new();
            for (sequence, (fate, delay)) in fates.iter().enumerate() {
                let copies = match fate { 0 => 0, 1 => 2, _ => 1 };
                for copy in 0..copies {
                    arriving.push((sequence + delay + copy, sequence as u64));
                }
            }
            arriving.sort_by_key(|(when, _)| *when);
            let (mut window, mut arrivals) = (ReplayWindow::default(), Arrivals::default());
            for (_, sequence) in &arriving {
                let passed = window.passed_by(*sequence);
                arrivals.count(window.mark(*sequence), passed);
            }
            let lost = fates.iter().filter(|(fate, _)| *fate == 0).count() as u64;
            let twice = fates.iter().filter(|(fate, _)| *fate == 1).count() as u64;
            // Nobody can know of what was lost behind the last arrival.
            let highest = arriving.iter().map(|(_, sequence)| *sequence).max();
            let unseen = fates.len() as u64 - highest.map_or(0, |highest| highest + 1);
            prop_assert_eq!(arrivals.lost() + unseen, lost);
            prop_assert_eq!(arrivals.duplicates, twice);
            prop_assert_eq!(arrivals.taken, fates.len() as u64 - lost);
            let mut highest = None;
            let mut seen = std::collections::BTreeSet::new();
            let late = arriving.iter().filter(|(_, sequence)| {
                let is_late = highest.is_some_and(|highest| *sequence < highest);
                highest = highest.max(Some(*sequence));
                seen.insert(*sequence) && is_late
            });
            prop_assert_eq!(arrivals.reordered, late.count() as u64);
        }
    }
}
