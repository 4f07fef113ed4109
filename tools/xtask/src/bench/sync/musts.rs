//! What must hold, as a table.

use anyhow::{Context, Result};

use super::contender::Contender;
use crate::bench::{report::Row, samples::Samples};

/// A bound of a ratio, ours to theirs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// At least the first; the second is what we aim for.
    Goal(f64, f64),
}

/// One comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Must {
    pub(crate) row: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Compared with the best of these.
    against: &'static [&'static str],
    bound: Bound,
}

const fn must(
    row: &'static str,
    title: &'static str,
    unit: &'static str,
    against: &'static [&'static str],
    bound: Bound,
) -> Must {
    Must { row, title, unit, against, bound }
}

use Bound::{AtLeast, AtMost, Goal};

pub(crate) const MUSTS: [Must; 27] = [
    must("round-trip", "round trip 64 B, p50", "ns", &["floor"], AtMost(1.5)),
    must("round-trip", "round trip 64 B, p50", "ns", &["iceoryx2"], AtMost(0.5)),
    must("round-trip", "round trip 64 B, p50", "ns", &["raw-futex"], AtMost(0.05)),
    must("round-trip-blocking", "round trip, asleep, p50", "ns", &["raw-futex"], AtMost(1.1)),
    must("uncontended", "lock and unlock", "ns", &["cas-swap"], AtMost(1.1)),
    must("uncontended", "lock and unlock", "ns", &["parking-lot"], AtMost(1.0)),
    must("uncontended", "lock and unlock", "ns", &["std"], AtMost(1.0)),
    must("uncontended-shared", "shared lock and unlock", "ns", &["pthread-robust"], AtMost(0.9)),
    must("contended", "two threads", "pairs/s", &["parking-lot", "std", "pthread"], AtLeast(0.9)),
    must("one-way", "one way 64 B", "messages/s", &["iceoryx2"], Goal(3.0, 5.0)),
    must("one-way", "one way 64 B", "messages/s", &["pipe"], Goal(6.0, 10.0)),
    must("one-way-loaned", "one way 64 KiB", "messages/s", &["iceoryx2"], AtLeast(1.0)),
    must("broadcast", "broadcast 64 B", "messages/s", &["spsc"], AtLeast(0.5)),
    must("rwlock-read", "read and give up", "ns", &["std"], AtMost(1.0)),
    must("rwlock-read", "read and give up", "ns", &["parking-lot"], AtMost(1.0)),
    must("rwlock-write", "write and give up", "ns", &["std"], AtMost(1.0)),
    must("rwlock-write", "write and give up", "ns", &["parking-lot"], AtMost(1.0)),
    must("semaphore", "acquire and post", "ns", &["cas-swap"], AtMost(1.1)),
    must("waiting", "50 ns in and out, p99 of waiting", "ns", &["std"], AtMost(3.0)),
    must("waiting", "50 ns in and out, p99 of waiting", "ns", &["parking-lot"], AtMost(3.0)),
    must("turns-condvar", "turns by condition variable", "ns", &["std"], AtMost(1.0)),
    must("turns-condvar", "turns by condition variable", "ns", &["parking-lot"], AtMost(1.0)),
    must("turns-semaphore", "turns by semaphore", "ns", &["std"], AtMost(1.0)),
    must("turns-event", "turns by event", "ns", &["std"], AtMost(1.0)),
    must("turns-barrier", "turns by barrier", "ns", &["std"], AtMost(1.0)),
    must("many-to-one", "4 senders to one, 64 B", "messages/s", &["crossbeam"], AtLeast(2.0)),
    must("one-to-many", "one to 4 receivers, 64 B", "messages/s", &["crossbeam"], AtLeast(3.0)),
];

impl Must {
    /// Compares our contender with the others, turn by turn.
    pub(crate) fn judge(&self, contenders: &[Contender]) -> Result<Row> {
        let ours = find(contenders, "farend")?.samples(|run| run.value);
        let (against, theirs) = self.best(contenders)?;
        let ratio = ours.zip(&theirs, |ours, theirs| ours / theirs).median();
        Ok(Row {
            name: format!("sync: {}, to {against}", self.title),
            value: ours.median(),
            unit: self.unit.into(),
            spread: ours.spread(),
            against: Some(against.into()),
            against_value: Some(theirs.median()),
            ratio: Some(ratio),
            must: Some(self.bound.words()),
            holds: Some(self.bound.holds(ratio)),
        })
    }

    /// Whom we are compared with: where several are named, they are rates, and
    /// the highest median counts.
    fn best(&self, contenders: &[Contender]) -> Result<(&'static str, Samples)> {
        let mut best: Option<(&'static str, Samples)> = None;
        for &name in self.against {
            let samples = find(contenders, name)?.samples(|run| run.value);
            if best.as_ref().is_none_or(|(_, best)| best.median() < samples.median()) {
                best = Some((name, samples));
            }
        }
        best.context("a row that is compared with nobody")
    }
}

impl Bound {
    fn words(self) -> String {
        match self {
            AtMost(most) => format!("at most {most}"),
            AtLeast(least) => format!("at least {least}"),
            Goal(least, goal) => format!("at least {least}, goal {goal}"),
        }
    }

    /// Judged as it is: what is told of it is rounded, and no bound is.
    fn holds(self, ratio: f64) -> bool {
        match self {
            AtMost(most) => ratio <= most,
            AtLeast(least) | Goal(least, _) => ratio >= least,
        }
    }
}

/// The contender of this name.
pub(crate) fn find<'a>(contenders: &'a [Contender], name: &str) -> Result<&'a Contender> {
    let mut contenders = contenders.iter();
    contenders
        .find(|contender| contender.name == name)
        .with_context(|| format!("benches/sync has no contender {name} there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_is_not_rounded() {
        assert!(AtMost(1.0).holds(1.0));
        assert!(!AtMost(1.0).holds(1.001));
        assert!(!AtLeast(0.9).holds(0.899));
        assert!(!Goal(3.0, 5.0).holds(2.999));
    }
}
