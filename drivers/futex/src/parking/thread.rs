//! A thread asleep on a mutex and a condition variable of its own.

use std::{
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{Clock, NEVER};

use super::{Parked, Parker, Table};

/// Blocks threads of this process by nothing but what every system with threads
/// has.
///
/// Slower than a wait on an address: two locks more for each sleep. Its clock is
/// that of [`Instant`]. The table is the process's own, so a lock between
/// processes does not compile:
///
/// ```compile_fail,E0277
/// use farend_core::sync::{Futex, Shared};
/// fn is_shared<F: Futex<Shared>>() {}
/// is_shared::<farend_futex::Parking>();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parking {}

impl Clock for Parking {
    fn now_ns() -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_nanos()).unwrap_or(NEVER - 1)
    }
}

/// A thread's mutex and condition variable: pthread's, on Darwin.
#[derive(Debug, Default)]
pub(crate) struct ThreadParker(Arc<Seat>);

#[derive(Debug, Default)]
pub(crate) struct Seat {
    is_unparked: Mutex<bool>,
    changed: Condvar,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_unparked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static OWN: ThreadParker = ThreadParker::default();
}

impl Parker for ThreadParker {
    type Handle = Arc<Seat>;

    fn table() -> &'static Table<Arc<Seat>> {
        static TABLE: Table<Arc<Seat>> = Table::new();
        &TABLE
    }

    fn with_own<R>(action: impl FnOnce(&Self) -> R) -> Option<R> {
        // Gone only at the very end of a thread.
        OWN.try_with(action).ok()
    }

    fn nap() {
        thread::sleep(Duration::from_micros(100));
    }

    fn handle(&self) -> Arc<Seat> {
        Arc::clone(&self.0)
    }

    fn park<C: Clock>(&self, deadline_ns: Option<u64>) -> Parked {
        let deadline_ns = deadline_ns.filter(|&deadline_ns| deadline_ns != NEVER);
        let mut is_unparked = self.0.lock();
        loop {
            if *is_unparked {
                *is_unparked = false;
                return Parked::Unparked;
            }
            is_unparked = match deadline_ns {
                None => self.0.changed.wait(is_unparked).unwrap_or_else(PoisonError::into_inner),
                Some(deadline_ns) => match deadline_ns.saturating_sub(C::now_ns()) {
                    0 => return Parked::TimedOut,
                    remaining_ns => {
                        let time = Duration::from_nanos(remaining_ns);
                        let waited = self.0.changed.wait_timeout(is_unparked, time);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                },
            };
        }
    }

    fn unpark(handle: &Arc<Seat>) {
        *handle.lock() = true;
        handle.changed.notify_one();
    }
}
