//! Resets of statistics: counters are never written, a reset moves what they
//! are compared with.

use std::{sync::Arc, time::Instant};

use crate::{control::Reading, statistics::Snapshot};

/// Where the current epoch began.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    number: u64,
    start: Arc<Snapshot>,
}

impl Epochs {
    /// Ends the epoch with this reading, for these interfaces alone if they are
    /// named: gives what it counted of them, and the number of the next one.
    /// All that were given, and what is counted since, are together what was
    /// counted since the start.
    pub(super) fn reset(&mut self, now: Snapshot, only: Option<&[String]>) -> (Snapshot, u64) {
        let mut last = now.since(&self.start);
        self.number += 1;
        let Some(only) = only else {
            self.start = Arc::new(now);
            return (last, self.number);
        };
        last.retain(only);
        let mut start = Snapshot::clone(&self.start);
        for one in now.interfaces.into_iter().filter(|one| only.contains(&one.interface)) {
            match start.interfaces.iter_mut().find(|known| known.interface == one.interface) {
                Some(known) => *known = one,
                None => start.interfaces.push(one),
            }
        }
        self.start = Arc::new(start);
        (last, self.number)
    }

    /// Its number.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// A reading that can tell what was counted in this epoch.
    pub(super) fn reading(&self, now: Snapshot) -> Reading {
        Reading { taken: Instant::now(), now, start: Arc::clone(&self.start), epoch: self.number }
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
            let (ended, number) = epochs.reset(now, None);
            assert_eq!(number, round + 1);
            reflected += ended.total().worker.counters.reflected();
            octets += ended.total().worker.counters.reflected_octets;
            lost += ended.total().lost();
        }
        assert_eq!(reflected, one.worker.counters.reflected());
        assert_eq!(octets, one.worker.counters.reflected_octets);
        assert_eq!(lost, one.lost());
        let now = Snapshot { interfaces: vec![one], ..Snapshot::default() };
        let reading = epochs.reading(now);
        assert_eq!(reading.now.since(&reading.start).total().worker.counters.reflected(), 0);
    }

    #[test]
    fn reset_of_one_interface_leaves_the_others_epoch() {
        let named = |interface: &str| {
            let mut one = InterfaceStatistics { interface: interface.into(), ..Default::default() };
            one.worker.counters.count(Verdict::Reflect(Kind::Any), 60);
            one
        };
        let mut now = Snapshot { interfaces: vec![named("a"), named("b")], ..Snapshot::default() };
        let mut epochs = Epochs::default();
        let (last, _) = epochs.reset(now.clone(), Some(&["a".to_owned()]));
        assert_eq!(last.interfaces.len(), 1);
        for one in &mut now.interfaces {
            one.worker.counters.count(Verdict::Reflect(Kind::Any), 60);
        }
        let (last, number) = epochs.reset(now, None);
        let counted: Vec<_> =
            last.interfaces.iter().map(|one| one.worker.counters.reflected()).collect();
        assert_eq!((counted, number), (vec![1, 2], 2));
    }
}
