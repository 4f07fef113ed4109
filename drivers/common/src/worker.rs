//! What a worker thread and the thread that steers it share.
//!
//! A worker handles bursts and owns its own counters. Between two bursts it
//! looks here: is there a new policy, shall it stop, and it leaves a copy of
//! its counters. Nothing is shared per frame.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

pub use farend_control::statistics::QueueCounts;
use farend_core::{Counters, Policy};

use crate::{
    named::{merge_named, named_since},
    observe::Measurements,
};

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

    /// What was in force when [`current`](Self::current) was called last, or at
    /// the start.
    #[must_use]
    pub fn last(&self) -> &Arc<Policy> {
        &self.policy
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
/// The outcomes of frames are the core's [`Counters`]: what was decided. What
/// became of the answers, and what the driver itself lost, stands beside them.
#[derive(Clone, Debug, Default)]
pub struct WorkerStatistics {
    /// Outcomes of the frames this worker saw.
    pub counters: Counters,
    /// Answers that were sent, as far as the driver is told; `None` where it is
    /// not.
    pub sent: Option<u64>,
    /// Frames lost by this worker or for it, by stable `snake_case` name:
    /// `transmit_refused`, `receive_ring_full`, ...
    pub losses: Vec<(&'static str, u64)>,
    /// The same by receive queue, where there is one worker for each.
    pub queues: Vec<QueueCounts>,
    /// What else the tier tells, by stable `snake_case` name: counts since its
    /// start and values of now. A reset leaves them as they are.
    pub figures: Vec<(&'static str, u64)>,
    /// What else it was asked to look at.
    pub measured: Measurements,
}

impl WorkerStatistics {
    /// Adds what another worker of the same interface, or another interface,
    /// has counted.
    pub fn merge(&mut self, other: &Self) {
        let is_nothing = self.is_nothing();
        self.counters.merge(&other.counters);
        self.sent = match (self.sent, other.sent) {
            (Some(mine), Some(theirs)) => Some(mine.wrapping_add(theirs)),
            // What one does not tell, the sum does not either.
            (None, theirs) if is_nothing => theirs,
            (mine, _) if other.is_nothing() => mine,
            _ => None,
        };
        merge_named(&mut self.losses, &other.losses);
        for theirs in &other.queues {
            match self.queues.iter_mut().find(|mine| mine.queue == theirs.queue) {
                Some(mine) => merge_queue(mine, *theirs),
                None => self.queues.push(*theirs),
            }
        }
        merge_named(&mut self.figures, &other.figures);
        self.measured.merge(&other.measured);
    }

    /// What was counted since `earlier`. Of what else was looked at only the
    /// whole can be told.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |queue| earlier.queues.iter().find(|one| one.queue == queue).copied();
        Self {
            counters: self.counters.since(&earlier.counters),
            sent: self.sent.map(|now| now.wrapping_sub(earlier.sent.unwrap_or(0))),
            losses: named_since(&self.losses, &earlier.losses),
            figures: self.figures.clone(),
            queues: self
                .queues
                .iter()
                .map(|now| queue_since(*now, before(now.queue).unwrap_or_default()))
                .collect(),
            measured: self.measured.clone(),
        }
    }

    /// Whether it has counted nothing and knows of no queue.
    fn is_nothing(&self) -> bool {
        self.sent.is_none()
            && self.losses.is_empty()
            && self.queues.is_empty()
            && self.counters.iter().all(|(_, frames)| frames == 0)
    }
}

/// Adds what was counted elsewhere of the same queue.
fn merge_queue(mine: &mut QueueCounts, other: QueueCounts) {
    mine.answers = mine.answers.wrapping_add(other.answers);
    mine.sent = mine.sent.zip(other.sent).map(|(mine, theirs)| mine.wrapping_add(theirs));
    mine.lost = mine.lost.wrapping_add(other.lost);
}

/// What was counted of a queue since `earlier`.
fn queue_since(now: QueueCounts, earlier: QueueCounts) -> QueueCounts {
    QueueCounts {
        queue: now.queue,
        answers: now.answers.wrapping_sub(earlier.answers),
        sent: now.sent.map(|now| now.wrapping_sub(earlier.sent.unwrap_or(0))),
        lost: now.lost.wrapping_sub(earlier.lost),
    }
}

/// Where one worker leaves its statistics.
///
/// It writes them into a buffer that nobody else sees, and then exchanges two
/// pointers; readers clone a pointer. So the lock is held for a few instructions,
/// and the worker does not wait even for those: where a reader is at it just then,
/// it comes again the next time.
#[derive(Debug, Default)]
pub struct StatisticsCell {
    latest: Mutex<Arc<WorkerStatistics>>,
    /// The worker's alone.
    spare: Mutex<Arc<WorkerStatistics>>,
}

impl StatisticsCell {
    /// Leaves what `write` puts in place of older statistics, or of none. Call when
    /// idle and now and then under load, not per frame, and
    /// [`publish_last`](Self::publish_last) once at the very end.
    pub fn publish(&self, write: impl FnOnce(&mut WorkerStatistics)) {
        self.fill(write);
        if let Ok(mut latest) = self.latest.try_lock() {
            std::mem::swap(&mut *latest, &mut *lock(&self.spare));
        }
    }

    /// Leaves the last ones, after which nobody comes again.
    pub fn publish_last(&self, write: impl FnOnce(&mut WorkerStatistics)) {
        self.fill(write);
        std::mem::swap(&mut *lock(&self.latest), &mut *lock(&self.spare));
    }

    /// What was left last. Takes no more than a pointer.
    #[must_use]
    pub fn read(&self) -> Arc<WorkerStatistics> {
        Arc::clone(&lock(&self.latest))
    }

    fn fill(&self, write: impl FnOnce(&mut WorkerStatistics)) {
        let mut spare = lock(&self.spare);
        if Arc::get_mut(&mut spare).is_none() {
            // A reader still looks at it.
            *spare = Arc::default();
        }
        if let Some(spare) = Arc::get_mut(&mut spare) {
            write(spare);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn worker_never_waits_for_a_reader_of_its_statistics() {
        let cell = StatisticsCell::default();
        let mine = |lost| {
            move |to: &mut WorkerStatistics| {
                to.losses.clear();
                to.losses.push(("x", lost));
            }
        };
        cell.publish(mine(1));
        let seen = cell.read();
        // Held as long as a reader likes, even in the lock.
        let reader = cell.latest.lock().unwrap();
        cell.publish(mine(2));
        drop(reader);
        assert_eq!((seen.losses[0].1, cell.read().losses[0].1), (1, 1));
        cell.publish(mine(3));
        assert_eq!(cell.read().losses[0].1, 3);
        cell.publish_last(mine(4));
        assert_eq!((seen.losses[0].1, cell.read().losses[0].1), (1, 4));
    }

    #[test]
    fn statistics_are_written_once_into_memory_that_is_used_again() {
        let cell = StatisticsCell::default();
        let mut places = Vec::new();
        let mut written = 0;
        for _ in 0..8 {
            cell.publish(|to| {
                written += 1;
                places.push(std::ptr::from_ref(to) as usize);
            });
        }
        assert_eq!(written, 8);
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 2, "one is read while the other is written");
    }

    #[test]
    fn sent_is_known_only_where_all_tell() {
        let told = |sent| {
            let mut one = WorkerStatistics { sent, ..Default::default() };
            one.losses.push(("x", 0));
            one
        };
        let mut sum = WorkerStatistics::default();
        sum.merge(&told(Some(3)));
        sum.merge(&told(Some(4)));
        assert_eq!(sum.sent, Some(7));
        assert_eq!(sum.since(&told(Some(3))).sent, Some(4));
        sum.merge(&told(None));
        assert_eq!(sum.sent, None);
        sum.merge(&told(Some(1)));
        assert_eq!(sum.sent, None);
    }
}
