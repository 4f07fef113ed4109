//! The algorithms, in every order of a few threads (loom) and in many orders of
//! eight (shuttle).
//!
//! `FAREND_FAULT=sync::UnlockNeverWakes` and the like put a fault in: see `faults`.

mod auto_reset;
mod barrier;
mod condvar;
mod condvar_shared;
mod event;
mod event_shared;
mod faults;
mod mutex;
mod once;
mod owners;
mod rwlock;
mod rwlock_shared;
mod semaphore;
mod semaphore_shared;

use std::{sync::Mutex as Plain, vec::Vec};

use super::{super::primitive::AtomicU32, Arc, thread, until_asleep, wake_newest_first};
use crate::sync::primitive::Ordering;

/// Threads beside the first one, few enough to see every order.
#[cfg(farend_loom)]
const THREADS: usize = 2;
#[cfg(farend_shuttle)]
const THREADS: usize = 7;

/// Threads of one kind beside the first one and one of another kind.
const OTHERS: usize = THREADS - 1;

/// Data that must not be reached by two at a time: loom sees a data race, and both
/// see an increment that was lost.
#[derive(Default)]
pub(super) struct Tracked {
    #[cfg(farend_loom)]
    race: Race,
    value: Plain<u32>,
    visits: AtomicU32,
}

/// A cell of loom's, which complains about accesses that nothing orders.
#[cfg(farend_loom)]
struct Race(loom::cell::UnsafeCell<()>);

#[cfg(farend_loom)]
impl Default for Race {
    fn default() -> Self {
        Self(loom::cell::UnsafeCell::new(()))
    }
}

#[cfg(farend_loom)]
mod race {
    #![expect(unsafe_code, reason = "whether it is shared in order is what is tested")]

    // SAFETY: the cell holds nothing; loom's own bookkeeping is thread-safe.
    unsafe impl Sync for super::Race {}
    // SAFETY: as above.
    unsafe impl Send for super::Race {}
}

impl Tracked {
    /// Reads; many may do so at a time.
    fn read(&self) -> u32 {
        #[cfg(farend_loom)]
        self.race.0.with(|_| ());
        *self.value.lock().unwrap()
    }

    /// Adds one, in two steps.
    fn add(&self) {
        let before = self.read();
        let visits = self.visits.fetch_add(1, Ordering::Relaxed);
        assert_eq!(visits, 0, "two are in the lock");
        #[cfg(farend_loom)]
        self.race.0.with_mut(|_| ());
        *self.value.lock().unwrap() = before + 1;
        self.visits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `body` in `threads` threads and waits for all.
fn in_threads(threads: usize, body: impl Fn(usize) + Send + Sync + 'static) {
    join(spawn_all(threads, body));
}

/// Runs `body` in `threads` threads.
fn spawn_all(
    threads: usize,
    body: impl Fn(usize) + Send + Sync + 'static,
) -> Vec<thread::JoinHandle<()>> {
    let body = Arc::new(body);
    (0..threads)
        .map(|index| {
            let body = Arc::clone(&body);
            thread::spawn(move || body(index))
        })
        .collect()
}

/// Lets the others fall asleep before the rest begins, for loom, which would have too
/// many orders to go through; and wakes them last, so that another takes their wake.
fn put_others_to_sleep() {
    if cfg!(farend_loom) {
        until_asleep(OTHERS);
        wake_newest_first();
    }
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}
