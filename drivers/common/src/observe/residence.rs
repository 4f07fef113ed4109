//! How long answered frames stay here.

use farend_core::{Histogram, Kind};

/// How long answered frames stayed here, by the signature they were known by:
/// from the moment when a worker had its burst in hand until the answers were
/// taken for transmission.
#[derive(Debug, Default)]
pub struct Residence {
    /// By [`Kind::code`]; a kind has one from its first frame on.
    kinds: [Option<Box<Histogram>>; Kind::ALL.len()],
}

impl Clone for Residence {
    fn clone(&self) -> Self {
        Self { kinds: self.kinds.clone() }
    }

    /// Into the memory that is there.
    fn clone_from(&mut self, from: &Self) {
        self.kinds.clone_from(&from.kinds);
    }
}

impl Residence {
    /// Records the time of so many frames of one kind.
    pub fn record(&mut self, kind: Kind, residence_ns: u64, frames: u64) {
        if let Some(slot) = self.kinds.get_mut(usize::from(kind.code())) {
            slot.get_or_insert_default().record_many(residence_ns, frames);
        }
    }

    /// Adds what another has recorded.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().merge(theirs);
            }
        }
    }

    /// The kinds that were met, each with its times.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &Histogram)> {
        Kind::ALL.iter().filter_map(|kind| Some((*kind, self.of(*kind)?)))
    }

    /// The times of one kind, if it was met.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Option<&Histogram> {
        self.kinds.get(usize::from(kind.code()))?.as_deref()
    }

    /// The times of all kinds together.
    #[must_use]
    pub fn total(&self) -> Box<Histogram> {
        let mut total = Box::<Histogram>::default();
        self.iter().for_each(|(_, one)| total.merge(one));
        total
    }
}

/// Answers that are on their way out, oldest first.
///
/// Answers leave in the order in which their frames came, so those of one
/// burst and kind that follow one another are one entry.
#[derive(Debug)]
pub(super) struct Waiting {
    runs: std::collections::VecDeque<Run>,
}

#[derive(Debug)]
struct Run {
    kind: Kind,
    received_ns: u64,
    frames: u64,
}

/// More entries than answers that a port ever keeps.
const RUNS_MAX: usize = 1_024;

impl Waiting {
    pub(super) fn new() -> Self {
        Self { runs: std::collections::VecDeque::with_capacity(RUNS_MAX) }
    }

    /// A frame of a burst that came at this time is to be answered.
    pub(super) fn push(&mut self, kind: Kind, received_ns: u64) {
        match self.runs.back_mut() {
            Some(run) if run.kind == kind && run.received_ns == received_ns => run.frames += 1,
            _ => {
                // A port that takes answers without telling is a fault of
                // ours; it must not fill the memory.
                if self.runs.len() == RUNS_MAX {
                    self.runs.pop_front();
                }
                self.runs.push_back(Run { kind, received_ns, frames: 1 });
            }
        }
    }

    /// So many of the oldest have left.
    pub(super) fn leave(&mut self, frames: u64, now_ns: u64, residence: &mut Residence) {
        let mut left = frames;
        while let Some(run) = self.runs.front_mut() {
            if left == 0 {
                return;
            }
            let gone = run.frames.min(left);
            residence.record(run.kind, now_ns.saturating_sub(run.received_ns), gone);
            run.frames -= gone;
            left -= gone;
            if run.frames == 0 {
                self.runs.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_their_order_each_with_its_own_time() {
        let (mut waiting, mut residence) = (Waiting::new(), Residence::default());
        waiting.push(Kind::Probeot, 100);
        waiting.push(Kind::Probeot, 100);
        waiting.push(Kind::Latency, 100);
        waiting.push(Kind::Latency, 200);
        waiting.leave(1, 110, &mut residence);
        waiting.leave(2, 130, &mut residence);
        waiting.leave(9, 260, &mut residence);
        let probeot = residence.of(Kind::Probeot).unwrap();
        assert_eq!((probeot.count(), probeot.min(), probeot.max()), (2, Some(10), Some(30)));
        let latency = residence.of(Kind::Latency).unwrap();
        assert_eq!((latency.count(), latency.min(), latency.max()), (2, Some(30), Some(60)));
        assert_eq!(residence.of(Kind::Any), None);
        assert_eq!(residence.total().count(), 4);
    }

    #[test]
    fn answers_that_never_leave_do_not_fill_the_memory() {
        let mut waiting = Waiting::new();
        (0..100_000).for_each(|now_ns| waiting.push(Kind::Any, now_ns));
        assert_eq!(waiting.runs.len(), RUNS_MAX);
    }

    #[test]
    fn merging_adds_kind_by_kind() {
        let (mut one, mut two) = (Residence::default(), Residence::default());
        one.record(Kind::Any, 5, 2);
        two.record(Kind::Any, 7, 1);
        two.record(Kind::Y1564, 9, 1);
        one.merge(&two);
        let met: Vec<_> = one.iter().map(|(kind, times)| (kind, times.count())).collect();
        assert_eq!(met, [(Kind::Y1564, 1), (Kind::Any, 3)]);
    }
}
