//! A counting semaphore.

use core::{fmt, marker::PhantomData, time::Duration};

use super::{
    deadline::Deadline,
    error::{Overflow, Refused, TimedOut},
    futex::{Futex, Scope},
    patience::{Patience, end_after, end_at, spin},
    primitive::{AtomicU32, Ordering, const_unless_modelled},
    seeded::{Fault, is_seeded},
};

/// Bit of the word: somebody may sleep. The other bits are the count.
const SLEEPERS: u32 = 0x8000_0000;
const COUNT: u32 = !SLEEPERS;

/// In shared memory, sleepers look again after this time: a process that was woken
/// and killed before it could take its unit would leave the others asleep beside
/// it.
const RECHECK_NS: u64 = 100_000_000;

/// Counts units: posting adds one, acquiring takes one or waits for it.
///
/// What a thread did before [`post`](Self::post) is seen by whoever takes the
/// unit. Any thread or process may post. A unit that a process took is gone if the
/// process dies; use a mutex where that matters.
///
/// Four bytes; all-zero is a count of 0.
#[repr(transparent)]
pub struct Semaphore<S, F> {
    word: AtomicU32,
    backend: PhantomData<fn() -> (S, F)>,
}

impl<S: Scope, F: Futex<S>> Semaphore<S, F> {
    /// The largest count.
    pub const COUNT_MAX: u32 = COUNT;

    const_unless_modelled! {
        /// Makes a semaphore without units.
        pub fn empty() -> Self {
            Self { word: AtomicU32::new(0), backend: PhantomData }
        }
    }

    /// Makes a semaphore of `count` units.
    ///
    /// # Errors
    /// [`Overflow`] if that is more than [`COUNT_MAX`](Self::COUNT_MAX).
    pub fn new(count: u32) -> Result<Self, Overflow> {
        if count > Self::COUNT_MAX {
            return Err(Overflow);
        }
        Ok(Self { word: AtomicU32::new(count), backend: PhantomData })
    }

    /// The units there are at this moment.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.word.load(Ordering::Relaxed) & COUNT
    }

    /// Adds a unit, and wakes a thread that waits for one.
    ///
    /// Asks the system only if somebody sleeps, or did when it was last asked.
    ///
    /// # Errors
    /// [`Overflow`] if the count is at its largest; nothing is changed.
    #[inline]
    pub fn post(&self) -> Result<(), Overflow> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let count = word & COUNT;
            if count == COUNT {
                return Err(Overflow);
            }
            // Release: pairs with the Acquire of whoever takes the unit. Takes the
            // bit away: the woken one sets it again for those behind it.
            match self.word.compare_exchange_weak(
                word,
                count.wrapping_add(1),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & SLEEPERS != 0 && !is_seeded(Fault::PostNeverWakes) {
            F::wake_one(&self.word);
        }
        Ok(())
    }

    /// Adds `units` units, and wakes as many threads as wait for them.
    ///
    /// # Errors
    /// [`Overflow`] if there is no room for all of them; nothing is changed.
    pub fn post_many(&self, units: u32) -> Result<(), Overflow> {
        if units == 0 {
            return Ok(());
        }
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let count = (word & COUNT).checked_add(units).filter(|count| *count <= COUNT);
            let count = count.ok_or(Overflow)?;
            // Release, and without the bit: as in `post`.
            match self.word.compare_exchange_weak(word, count, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        // One, who wakes the next if units are left.
        if word & SLEEPERS != 0 {
            F::wake_one(&self.word);
        }
        Ok(())
    }

    /// Adds a unit if there is none, and wakes a thread that waits for one.
    pub(super) fn post_once(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let is_set = word & COUNT != 0 && !is_seeded(Fault::SetTwiceIsTwo);
            let set = if is_set { word } else { (word & COUNT).wrapping_add(1) };
            // Release: as in `post`. Stored even if there is a unit already: this thread's
            // past counts too.
            match self.word.compare_exchange_weak(word, set, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & COUNT == 0 && word & SLEEPERS != 0 && !is_seeded(Fault::SetNeverWakes) {
            F::wake_one(&self.word);
        }
    }

    /// Takes a unit if there is one.
    ///
    /// # Errors
    /// [`Refused::Busy`] if there is none.
    #[inline]
    pub fn try_acquire(&self) -> Result<(), Refused> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & COUNT != 0 {
            // Acquire: pairs with post's Release.
            match self.word.compare_exchange_weak(
                word,
                word.wrapping_sub(1),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        Err(Refused::Busy)
    }

    /// Takes a unit; waits for one if there is none.
    #[inline]
    pub fn acquire(&self) {
        if self.try_acquire().is_err() {
            // Without a deadline it cannot time out.
            let _taken = self.acquire_slow(None);
        }
    }

    /// Takes a unit; waits for one at most for `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if there was none in this time.
    #[inline]
    pub fn acquire_for(&self, timeout: Duration) -> Result<(), TimedOut> {
        if self.try_acquire().is_ok() {
            return Ok(());
        }
        self.acquire_slow(end_after::<F>(timeout))
    }

    /// Takes a unit; waits for one at most until `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`] if there was none by then.
    #[inline]
    pub fn acquire_until(&self, deadline: Deadline<F>) -> Result<(), TimedOut> {
        if self.try_acquire().is_ok() {
            return Ok(());
        }
        self.acquire_slow(end_at(deadline))
    }

    #[cold]
    fn acquire_slow(&self, deadline_ns: Option<u64>) -> Result<(), TimedOut> {
        if spin::<S, F>(|| self.try_acquire().is_ok()) {
            return Ok(());
        }
        let looks_again = S::IS_SHARED && !is_seeded(Fault::SemaphoreNeverLooksAgain);
        let slice_ns = if looks_again { Some(RECHECK_NS) } else { None };
        let mut patience = Patience::<S, F>::in_slices(deadline_ns, slice_ns);
        // Whoever has slept may have taken the bit of others with it.
        let mut others = 0;
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & COUNT != 0 {
                let taken = word.wrapping_sub(1) | others;
                // Acquire: pairs with post's Release.
                match self.word.compare_exchange_weak(
                    word,
                    taken,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        self.hand_on(others != 0 && taken & COUNT != 0);
                        return Ok(());
                    }
                    Err(now) => word = now,
                }
                continue;
            }
            if word & SLEEPERS == 0 {
                let marked = self.word.compare_exchange_weak(
                    word,
                    SLEEPERS,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                if let Err(now) = marked {
                    word = now;
                    continue;
                }
            }
            if patience.is_over() {
                return Err(TimedOut);
            }
            patience.sleep(&self.word, SLEEPERS);
            others = if is_seeded(Fault::SemaphoreForgetsOthers) { 0 } else { SLEEPERS };
            word = self.word.load(Ordering::Relaxed);
        }
    }

    /// Units that were posted while this thread woke up had no bit to see: it
    /// wakes the next sleeper in their place.
    fn hand_on(&self, is_more_left: bool) {
        if is_more_left && !is_seeded(Fault::SemaphoreKeepsTheWake) {
            F::wake_one(&self.word);
        }
    }
}

impl<S: Scope, F: Futex<S>> Default for Semaphore<S, F> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<S, F> fmt::Debug for Semaphore<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.word.load(Ordering::Relaxed) & COUNT;
        formatter.debug_struct("Semaphore").field("count", &count).finish_non_exhaustive()
    }
}
