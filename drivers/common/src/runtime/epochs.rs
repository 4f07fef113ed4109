//! Resets of statistics: counters are never written, a reset moves what they
//! are compared with.

use crate::statistics::Snapshot;

/// Where the current epoch began.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    number: u64,
    start: Snapshot,
}

impl Epochs {
    /// Ends the epoch with this reading: gives what it counted, and the number
    /// of the next one. All that were given, and what is counted since, are
    /// together what was counted since the start.
    pub(super) fn reset(&mut self, now: Snapshot) -> (Snapshot, u64) {
        let last = now.since(&self.start);
        self.number += 1;
        self.start = now;
        (last, self.number)
    }

    /// What was counted in this epoch, and its number.
    pub(super) fn since_reset(&self, now: &Snapshot) -> (Snapshot, u64) {
        (now.since(&self.start), self.number)
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Verdict};

    use super::*;
    use crate::statistics::InterfaceStatistics;

    #[test]
    fn epochs_sum_to_what_was_counted_since_the_start() {
        let mut one = InterfaceStatistics { interface: "a".to_owned(), ..Default::default() };
        let mut epochs = Epochs::default();
        let (mut reflected, mut octets, mut lost) = (0, 0, 0);
        for round in 0..20_u64 {
            for _ in 0..round {
                one.worker.counters.count(Verdict::Reflect(Kind::Any), 60);
            }
            one.worker.losses = vec![("x", round * round)];
            let now = Snapshot { interfaces: vec![one.clone()], ..Snapshot::default() };
            let (ended, number) = epochs.reset(now);
            assert_eq!(number, round + 1);
            reflected += ended.total().worker.counters.reflected();
            octets += ended.total().worker.counters.reflected_octets;
            lost += ended.total().lost();
        }
        assert_eq!(reflected, one.worker.counters.reflected());
        assert_eq!(octets, one.worker.counters.reflected_octets);
        assert_eq!(lost, one.lost());
        let now = Snapshot { interfaces: vec![one], ..Snapshot::default() };
        assert_eq!(epochs.since_reset(&now).0.total().worker.counters.reflected(), 0);
    }
}
