//! A condition variable.

use core::{fmt, marker::PhantomData, time::Duration};

use zerocopy::FromBytes;

use super::{
    deadline::Deadline,
    error::{LockError, Refused},
    futex::{Futex, Private, Scope, Shared, Waited},
    mutex::{Mutex, MutexGuard, RawShared, Taken, Unlock as _},
    owners::Owners,
    patience::{Patience, end_after, end_at, spin},
    primitive::{AtomicU32, Ordering, const_unless_modelled, fence},
    seeded::{Fault, is_seeded},
};

/// In shared memory, a waiter returns after this time at the latest: a process that
/// was woken and killed at once would have taken the notice with it.
const RECHECK_NS: u64 = 1_000_000_000;

/// Lets threads wait for a condition over data that a mutex protects.
///
/// Change the data while holding the mutex, then notify, with or without it. A
/// wait may return for no reason: look at the condition again, as
/// [`wait_while`](Self::wait_while) does. In the shared scope it does so once a
/// second at the latest, so that a notice which died with its receiver delays
/// the others and no more.
///
/// Eight bytes; all-zero is the state in which nobody waits.
#[repr(C)]
pub struct Condvar<S, F> {
    /// Counts notices: a sleeper goes to sleep only if none came since it let
    /// go of the mutex.
    turn: AtomicU32,
    /// How many sleep or are about to. A process that dies asleep is counted for
    /// ever, which costs later notices a needless call.
    sleepers: AtomicU32,
    backend: PhantomData<fn() -> (S, F)>,
}

/// The mutex taken again in a process-shared scope.
type Relocked<'a, T, F> =
    Result<MutexGuard<'a, T, Shared, F>, LockError<MutexGuard<'a, T, Shared, F>>>;

/// The mutex taken again, and why the wait ended.
type SharedWait<'a, T, F> =
    Result<(MutexGuard<'a, T, Shared, F>, Waited), LockError<MutexGuard<'a, T, Shared, F>>>;

impl<S: Scope, F: Futex<S>> Condvar<S, F> {
    const_unless_modelled! {
        /// Makes a condition variable that nobody waits for.
        pub fn new() -> Self {
            Self {
                turn: AtomicU32::new(0),
                sleepers: AtomicU32::new(0),
                backend: PhantomData,
            }
        }
    }

    /// Wakes one thread that waits.
    pub fn notify_one(&self) {
        if self.is_heard() {
            F::wake_one(&self.turn);
        }
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        if self.is_heard() {
            if is_seeded(Fault::NotifyAllWakesOne) {
                return F::wake_one(&self.turn);
            }
            F::wake_all(&self.turn);
        }
    }

    /// Gives notice to those awake. Returns whether somebody may sleep.
    fn is_heard(&self) -> bool {
        self.turn.fetch_add(1, Ordering::Release);
        // Pairs with the fence in block: either the sleeper is counted here, or it
        // sees the new turn there.
        if !is_seeded(Fault::CondvarWithoutFence) {
            fence(Ordering::SeqCst);
        }
        self.sleepers.load(Ordering::Relaxed) != 0
    }

    /// Waits for a notice since `seen`.
    fn block(&self, seen: u32, deadline_ns: Option<u64>) -> Waited {
        let is_there = || self.turn.load(Ordering::Relaxed) != seen;
        if spin::<S, F>(is_there) {
            return Waited::Woken;
        }
        let looks_again = S::IS_SHARED && !is_seeded(Fault::CondvarNeverLooksAgain);
        let slice_ns = if looks_again { Some(RECHECK_NS) } else { None };
        let mut patience = Patience::<S, F>::in_slices(deadline_ns, slice_ns);
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in is_heard.
        if !is_seeded(Fault::CondvarWithoutFence) {
            fence(Ordering::SeqCst);
        }
        patience.sleep(&self.turn, seen);
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        if patience.is_over() && !is_there() { Waited::TimedOut } else { Waited::Woken }
    }

    /// The turn to wait from. Read while the mutex is held, so that every notice
    /// about data changed after it was given up is a later one.
    fn turn(&self) -> u32 {
        self.turn.load(Ordering::Relaxed)
    }
}

impl<F: Futex<Private>> Condvar<Private, F> {
    /// Gives the mutex up, waits for a notice and takes the mutex again.
    pub fn wait<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T, Private, F>,
    ) -> MutexGuard<'a, T, Private, F> {
        self.wait_private(guard, None).0
    }

    /// Waits as [`wait`](Self::wait) while `condition` holds.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T, Private, F>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T, Private, F> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// Waits as [`wait`](Self::wait), at most for `timeout`, and says whether
    /// the time is past. The mutex is taken again in any case, however long that
    /// lasts.
    pub fn wait_for<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T, Private, F>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T, Private, F>, Waited) {
        self.wait_private(guard, end_after::<F>(timeout))
    }

    /// Waits as [`wait_for`](Self::wait_for), until `deadline`.
    pub fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T, Private, F>,
        deadline: Deadline<F>,
    ) -> (MutexGuard<'a, T, Private, F>, Waited) {
        self.wait_private(guard, end_at(deadline))
    }

    /// Waits as [`wait_while`](Self::wait_while), at most for `timeout`, and says whether
    /// the condition still holds then: [`Waited::TimedOut`].
    pub fn wait_while_for<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T, Private, F>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T, Private, F>, Waited) {
        self.wait_while_until(guard, Deadline::after(timeout), condition)
    }

    /// Waits as [`wait_while_for`](Self::wait_while_for), until `deadline`.
    pub fn wait_while_until<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T, Private, F>,
        deadline: Deadline<F>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T, Private, F>, Waited) {
        let mut waited = Waited::Woken;
        while condition(&mut guard) {
            if waited == Waited::TimedOut {
                return (guard, waited);
            }
            (guard, waited) = self.wait_until(guard, deadline);
        }
        (guard, Waited::Woken)
    }

    fn wait_private<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T, Private, F>,
        deadline_ns: Option<u64>,
    ) -> (MutexGuard<'a, T, Private, F>, Waited) {
        let mutex = MutexGuard::mutex(&guard);
        let early = self.turn();
        drop(guard);
        let seen = if is_seeded(Fault::CondvarLooksLate) { self.turn() } else { early };
        let waited = self.block(seen, deadline_ns);
        (mutex.lock(), waited)
    }
}

impl<F: Owners> Condvar<Shared, F> {
    /// Gives the mutex up, waits for a notice and takes the mutex again.
    ///
    /// # Errors
    /// As [`Mutex::lock`](Mutex#method.lock-1).
    pub fn wait<'a, T: FromBytes>(
        &self,
        guard: MutexGuard<'a, T, Shared, F>,
    ) -> Relocked<'a, T, F> {
        self.wait_shared(guard, None).map(|(guard, _)| guard)
    }

    /// Waits as [`wait`](Self::wait) while `condition` holds.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while<'a, T: FromBytes>(
        &self,
        mut guard: MutexGuard<'a, T, Shared, F>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Relocked<'a, T, F> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits as [`wait`](Self::wait), at most for `timeout`, and says whether
    /// the time is past. The mutex is taken again in any case, however long that
    /// lasts.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_for<'a, T: FromBytes>(
        &self,
        guard: MutexGuard<'a, T, Shared, F>,
        timeout: Duration,
    ) -> SharedWait<'a, T, F> {
        self.wait_shared(guard, end_after::<F>(timeout))
    }

    /// Waits as [`wait_for`](Self::wait_for), until `deadline`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_until<'a, T: FromBytes>(
        &self,
        guard: MutexGuard<'a, T, Shared, F>,
        deadline: Deadline<F>,
    ) -> SharedWait<'a, T, F> {
        self.wait_shared(guard, end_at(deadline))
    }

    /// Waits as [`wait_while`](Self::wait_while), at most for `timeout`, and says whether
    /// the condition still holds then: [`Waited::TimedOut`].
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while_for<'a, T: FromBytes>(
        &self,
        guard: MutexGuard<'a, T, Shared, F>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> SharedWait<'a, T, F> {
        self.wait_while_until(guard, Deadline::after(timeout), condition)
    }

    /// Waits as [`wait_while_for`](Self::wait_while_for), until `deadline`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while_until<'a, T: FromBytes>(
        &self,
        mut guard: MutexGuard<'a, T, Shared, F>,
        deadline: Deadline<F>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> SharedWait<'a, T, F> {
        let mut waited = Waited::Woken;
        while condition(&mut guard) {
            if waited == Waited::TimedOut {
                return Ok((guard, waited));
            }
            (guard, waited) = self.wait_until(guard, deadline)?;
        }
        Ok((guard, Waited::Woken))
    }

    /// Gives up a mutex without data, which the calling thread holds; waits for a notice, at
    /// most until `deadline`, and takes the mutex again, however long that lasts.
    ///
    /// # Errors
    /// As [`RawShared::lock`]; [`Refused::NotOwner`] if the calling thread does not hold it.
    pub fn wait_raw(
        &self,
        mutex: &RawShared<F>,
        deadline: Deadline<F>,
    ) -> Result<(Taken, Waited), Refused> {
        let seen = self.turn();
        mutex.unlock().map_err(|_| Refused::NotOwner)?;
        let waited = self.block(seen, end_at(deadline));
        mutex.lock().map(|taken| (taken, waited))
    }

    fn wait_shared<'a, T: FromBytes>(
        &self,
        guard: MutexGuard<'a, T, Shared, F>,
        deadline_ns: Option<u64>,
    ) -> SharedWait<'a, T, F> {
        let mutex: &'a Mutex<T, Shared, F> = MutexGuard::mutex(&guard);
        let seen = self.turn();
        // A process that forked while it held the mutex would not give it up here.
        if MutexGuard::unlock(guard).is_err() {
            return Err(LockError::Refused(Refused::NotOwner));
        }
        let waited = self.block(seen, deadline_ns);
        mutex.lock().map(|guard| (guard, waited))
    }
}

impl<S: Scope, F: Futex<S>> Default for Condvar<S, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, F> fmt::Debug for Condvar<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sleepers = self.sleepers.load(Ordering::Relaxed);
        formatter.debug_struct("Condvar").field("sleepers", &sleepers).finish_non_exhaustive()
    }
}
