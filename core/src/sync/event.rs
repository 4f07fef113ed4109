//! An event: set until it is reset.

use core::{fmt, marker::PhantomData, time::Duration};

use super::{
    deadline::Deadline,
    error::TimedOut,
    futex::{Futex, Scope},
    patience::{Patience, end_after, end_at, spin},
    primitive::{AtomicU32, Ordering, const_unless_modelled},
    seeded::{Fault, is_seeded},
};

/// The event is set.
const SET: u32 = 1;
/// Somebody may sleep until it is set.
const SLEEPERS: u32 = 2;
/// How often it was set, above the two flags; goes round after 2^30 times.
const GENERATION: u32 = 4;

/// In shared memory, sleepers look again after this time: a process that is killed
/// between setting the event and waking them would leave them asleep beside an event
/// that is set.
const RECHECK_NS: u64 = 100_000_000;

/// Something that has happened or has not: threads wait until it has.
///
/// Set until somebody resets it. Whoever waits when it is set is released, even
/// if it is reset at once; whoever comes after the reset waits for the next time.
/// So of two waiters both are released, and a third that comes late is not.
///
/// What a thread did before [`set`](Self::set) is seen by whoever `set` releases.
///
/// Four bytes; all-zero is an event that is not set. In the shared scope, a process
/// that dies while it waits is missed by nobody; one that dies while it sets the
/// event has set it or not, and may delay those who wait by 0.1 s.
#[repr(transparent)]
pub struct Event<S, F> {
    word: AtomicU32,
    backend: PhantomData<fn() -> (S, F)>,
}

impl<S: Scope, F: Futex<S>> Event<S, F> {
    const_unless_modelled! {
        /// Makes an event that is not set.
        pub fn new() -> Self {
            Self { word: AtomicU32::new(0), backend: PhantomData }
        }
    }

    /// Whether the event is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        // Acquire: pairs with set's Release.
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Sets the event and releases all who wait.
    ///
    /// Asks the system only if somebody sleeps.
    pub fn set(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let set = if word & SET == 0 {
                (word & !SLEEPERS).wrapping_add(GENERATION) | SET
            } else {
                word
            };
            // Release: pairs with the Acquire of is_set and wait. Stored even if
            // the event is set already: this thread's past counts too.
            match self.word.compare_exchange_weak(word, set, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & SLEEPERS != 0 && !is_seeded(Fault::EventForgetsSleepers) {
            if is_seeded(Fault::EventWakesOne) {
                return F::wake_one(&self.word);
            }
            F::wake_all(&self.word);
        }
    }

    /// Resets the event, so that whoever comes now waits. Returns whether it was
    /// set.
    pub fn reset(&self) -> bool {
        // Acquire: whoever resets has seen what the setter did. A read-modify-write,
        // so that a waiter released by an earlier set still synchronises with it.
        self.word.fetch_and(!SET, Ordering::Acquire) & SET != 0
    }

    /// Waits until the event is set.
    #[inline]
    pub fn wait(&self) {
        // Without a deadline it cannot time out.
        let _released = self.wait_with(|| None);
    }

    /// Waits until the event is set, at most for `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if it was not set in this time.
    #[inline]
    pub fn wait_for(&self, timeout: Duration) -> Result<(), TimedOut> {
        self.wait_with(|| end_after::<F>(timeout))
    }

    /// Waits until the event is set, at most until `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`] if it was not set by then.
    #[inline]
    pub fn wait_until(&self, deadline: Deadline<F>) -> Result<(), TimedOut> {
        self.wait_with(|| end_at(deadline))
    }

    #[inline]
    fn wait_with(&self, deadline_ns: impl FnOnce() -> Option<u64>) -> Result<(), TimedOut> {
        // Acquire, here and below: pairs with set's Release.
        let first = self.word.load(Ordering::Acquire);
        if first & SET != 0 { Ok(()) } else { self.wait_slow(first, deadline_ns()) }
    }

    #[cold]
    fn wait_slow(&self, first: u32, deadline_ns: Option<u64>) -> Result<(), TimedOut> {
        let is_over = |word: u32| word & SET != 0 || (word ^ first) >= GENERATION;
        if spin::<S, F>(|| is_over(self.word.load(Ordering::Acquire))) {
            return Ok(());
        }
        let looks_again = S::IS_SHARED && !is_seeded(Fault::EventNeverLooksAgain);
        let slice_ns = if looks_again { Some(RECHECK_NS) } else { None };
        let mut patience = Patience::<S, F>::in_slices(deadline_ns, slice_ns);
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if is_over(word) {
                return Ok(());
            }
            let asleep = word | SLEEPERS;
            if word != asleep {
                let marked = self.word.compare_exchange_weak(
                    word,
                    asleep,
                    Ordering::Relaxed,
                    Ordering::Acquire,
                );
                if let Err(now) = marked {
                    word = now;
                    continue;
                }
            }
            if patience.is_over() {
                return Err(TimedOut);
            }
            patience.sleep(&self.word, asleep);
            word = self.word.load(Ordering::Acquire);
        }
    }
}

impl<S: Scope, F: Futex<S>> Default for Event<S, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, F> fmt::Debug for Event<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = self.word.load(Ordering::Relaxed) & SET != 0;
        formatter.debug_struct("Event").field("is_set", &is_set).finish_non_exhaustive()
    }
}
