//! What became of requests: each outcome one stable name.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Misses that are kept to be named at the end.
const MISSES_KEPT: usize = 1_000;

/// An outcome. The names are an interface: added to, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    ReplayedExact,
    ReplayedCanonical,
    ReplayedStream,
    ReplayedWebSocket,
    Missed,
    MissedFrame,
    Forwarded,
    Recorded,
    RecordedWebSocket,
    RefusedRequest,
    Misdirected,
    Damaged,
    OriginFailed,
    OriginRefused,
}

const ALL: [(Outcome, &str); 14] = [
    (Outcome::ReplayedExact, "replayed_exact"),
    (Outcome::ReplayedCanonical, "replayed_canonical"),
    (Outcome::ReplayedStream, "replayed_stream"),
    (Outcome::ReplayedWebSocket, "replayed_websocket"),
    (Outcome::Missed, "missed"),
    (Outcome::MissedFrame, "missed_frame"),
    (Outcome::Forwarded, "forwarded"),
    (Outcome::Recorded, "recorded"),
    (Outcome::RecordedWebSocket, "recorded_websocket"),
    (Outcome::RefusedRequest, "refused_request"),
    (Outcome::Misdirected, "misdirected"),
    (Outcome::Damaged, "damaged"),
    (Outcome::OriginFailed, "origin_failed"),
    (Outcome::OriginRefused, "origin_refused"),
];

#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; ALL.len()],
    misses: Mutex<Vec<String>>,
}

impl Counters {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn missed(&self, name: String) {
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        if misses.len() < MISSES_KEPT {
            misses.push(name);
        }
    }

    pub(crate) fn misses(&self) -> Vec<String> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every name with its count.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |outcome: Outcome| self.counts[outcome as usize].load(Ordering::Relaxed);
        ALL.iter().map(move |(outcome, name)| (*name, count(*outcome)))
    }

    pub(crate) fn get(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_own_slot_and_name() {
        for (index, (outcome, name)) in ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, index, "{name}");
        }
    }
}
