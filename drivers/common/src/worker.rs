//! What a worker thread and the thread that steers it share.
//!
//! A worker handles bursts and owns its own counters. Between two bursts it
//! looks here: is there a new policy, shall it stop, and it leaves a copy of
//! its counters. Nothing is shared per frame.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use farend_core::{Counters, Policy};

use crate::{observe::Observed, statistics::merge_named};

/// The policy in force, replaced as a whole while workers run.
#[derive(Debug)]
pub struct PolicyCell {
    generation: AtomicU64,
    policy: Mutex<Arc<Policy>>,
}

impl PolicyCell {
    /// Starts with this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { generation: AtomicU64::new(0), policy: Mutex::new(Arc::new(policy)) }
    }

    /// Puts another policy in force: every worker takes it before its next
    /// burst.
    pub fn replace(&self, policy: Policy) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        // Release: pairs with the Acquire in `PolicyReader::current`.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The policy in force.
    #[must_use]
    pub fn load(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One worker's view of a [`PolicyCell`]: a lock is taken only after a change.
#[derive(Debug)]
pub struct PolicyReader {
    cell: Arc<PolicyCell>,
    generation: u64,
    policy: Arc<Policy>,
}

impl PolicyReader {
    /// Reads the policy in force.
    #[must_use]
    pub fn new(cell: Arc<PolicyCell>) -> Self {
        // Read before the policy: a change in between is seen again.
        let generation = cell.generation.load(Ordering::Acquire);
        let policy = cell.load();
        Self { cell, generation, policy }
    }

    /// The policy in force now. Call once a burst.
    pub fn current(&mut self) -> &Policy {
        // Acquire: pairs with the Release in `PolicyCell::replace`.
        let generation = self.cell.generation.load(Ordering::Acquire);
        if generation != self.generation {
            self.generation = generation;
            self.policy = self.cell.load();
        }
        &self.policy
    }
}

/// What one worker has counted, for others to read.
///
/// The outcomes of frames are the core's [`Counters`]; what the driver itself
/// lost stands beside them, by name.
#[derive(Clone, Debug, Default)]
pub struct WorkerStatistics {
    /// Outcomes of the frames this worker saw.
    pub counters: Counters,
    /// Frames lost by this worker or for it, by stable `snake_case` name:
    /// `transmit_refused`, `receive_ring_full`, ...
    pub losses: Vec<(&'static str, u64)>,
    /// What else it was asked to look at.
    pub observed: Observed,
}

impl WorkerStatistics {
    /// Adds what another worker has counted.
    pub fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        merge_named(&mut self.losses, &other.losses);
        self.observed.merge(&other.observed);
    }
}

/// Where one worker leaves copies of its statistics.
#[derive(Debug, Default)]
pub struct StatisticsCell(Mutex<WorkerStatistics>);

impl StatisticsCell {
    /// Leaves a copy. Call when idle and now and then under load, not per
    /// frame, and once at the very end.
    pub fn publish(&self, statistics: &WorkerStatistics) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(statistics);
    }

    /// The last copy left.
    #[must_use]
    pub fn read(&self) -> WorkerStatistics {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Asks workers to finish: answer what they hold, publish, return.
///
/// Workers poll with a timeout of at most [`POLL_INTERVAL_MS`] and look here
/// in between.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

/// Longest time, in milliseconds, that a worker waits without looking at its
/// [`Stop`].
pub const POLL_INTERVAL_MS: u16 = 100;

impl Stop {
    /// Asks.
    pub fn request(&self) {
        // Release: pairs with the Acquire in `is_requested`.
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        // Acquire: pairs with the Release in `request`.
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use farend_core::MacAddress;

    use super::*;

    fn policy(port: u16) -> Policy {
        Policy::builder().own_mac(MacAddress([2, 0, 0, 0, 0, 1])).port(port).build().unwrap()
    }

    #[test]
    fn a_reader_takes_a_new_policy_before_its_next_burst() {
        let cell = Arc::new(PolicyCell::new(policy(1)));
        let mut reader = PolicyReader::new(Arc::clone(&cell));
        assert_eq!(reader.current().port(), Some(1));
        cell.replace(policy(2));
        assert_eq!(reader.current().port(), Some(2));
    }
}
