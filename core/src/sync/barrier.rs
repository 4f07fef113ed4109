//! A barrier: all wait until all have come.

use core::{fmt, marker::PhantomData, time::Duration};

use super::{
    deadline::Deadline,
    error::{Overflow, TimedOut},
    futex::{Futex, Scope},
    patience::{Patience, end_after, end_at, spin},
    primitive::{AtomicU32, Ordering, const_unless_modelled},
    seeded::{Fault, is_seeded},
};

/// How many have come in this turn.
const ARRIVED: u32 = 0x0000_7FFF;
/// Somebody may sleep until the turn ends.
const SLEEPERS: u32 = 0x0000_8000;
/// How many turns have ended; goes round after 2^16.
const TURN: u32 = 0xFFFF_0000;
const ONE_TURN: u32 = 0x0001_0000;

/// In shared memory, sleepers look again after this time: a process that is killed between
/// ending the turn and waking them would leave them asleep.
const RECHECK_NS: u64 = 100_000_000;

/// Lets a number of threads go on together, again and again.
///
/// What each of them did before it came is seen by all who go on. In the shared scope, one
/// that dies before it came is missed by the others, who wait for it until their deadline;
/// one that dies while it waits has come.
///
/// Eight bytes; all-zero is a barrier for one, which stops nobody, until
/// [`set_parties`](Self::set_parties).
#[repr(C)]
pub struct Barrier<S, F> {
    word: AtomicU32,
    parties: AtomicU32,
    backend: PhantomData<fn() -> (S, F)>,
}

impl<S: Scope, F: Futex<S>> Barrier<S, F> {
    /// The most that a barrier can be for.
    pub const PARTIES_MAX: u32 = ARRIVED;

    const_unless_modelled! {
        /// Makes a barrier for one.
        pub fn for_one() -> Self {
            Self { word: AtomicU32::new(0), parties: AtomicU32::new(0), backend: PhantomData }
        }
    }

    /// Makes a barrier for so many; 0 is as good as 1.
    ///
    /// # Errors
    /// [`Overflow`] for more than [`PARTIES_MAX`](Self::PARTIES_MAX).
    pub fn new(parties: u32) -> Result<Self, Overflow> {
        let barrier = Self::for_one();
        barrier.set_parties(parties).map(|()| barrier)
    }

    /// Says for how many the barrier is, before anybody comes.
    ///
    /// # Errors
    /// [`Overflow`] for more than [`PARTIES_MAX`](Self::PARTIES_MAX).
    pub fn set_parties(&self, parties: u32) -> Result<(), Overflow> {
        if parties > Self::PARTIES_MAX {
            return Err(Overflow);
        }
        self.parties.store(parties, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until as many have come as the barrier is for. `true` for one of them, the
    /// last.
    pub fn wait(&self) -> bool {
        // Without a deadline it cannot time out.
        self.arrive(|| None).unwrap_or(false)
    }

    /// Waits until all have come, at most for `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] if they have not: this one has not come then.
    pub fn wait_for(&self, timeout: Duration) -> Result<bool, TimedOut> {
        self.arrive(|| end_after::<F>(timeout))
    }

    /// Waits until all have come, at most until `deadline`.
    ///
    /// # Errors
    /// [`TimedOut`] if they have not: this one has not come then.
    pub fn wait_until(&self, deadline: Deadline<F>) -> Result<bool, TimedOut> {
        self.arrive(|| end_at(deadline))
    }

    fn arrive(&self, deadline_ns: impl FnOnce() -> Option<u64>) -> Result<bool, TimedOut> {
        let parties = self.parties.load(Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let is_last = (word & ARRIVED).wrapping_add(1) >= parties;
            let next =
                if is_last { (word & TURN).wrapping_add(ONE_TURN) } else { word.wrapping_add(1) };
            // AcqRel: Release for who goes on, Acquire of those who came before.
            let arrived =
                self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed);
            match arrived {
                Ok(_) if is_last => {
                    if word & SLEEPERS != 0 && !is_seeded(Fault::BarrierForgetsSleepers) {
                        F::wake_all(&self.word);
                    }
                    return Ok(true);
                }
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        self.sleep(word & TURN, deadline_ns()).map(|()| false)
    }

    /// Waits until the turn is another one.
    #[cold]
    fn sleep(&self, turn: u32, deadline_ns: Option<u64>) -> Result<(), TimedOut> {
        // Acquire, here and below: pairs with the Release of the last one.
        if spin::<S, F>(|| self.word.load(Ordering::Acquire) & TURN != turn) {
            return Ok(());
        }
        let slice_ns = if S::IS_SHARED { Some(RECHECK_NS) } else { None };
        let mut patience = Patience::<S, F>::in_slices(deadline_ns, slice_ns);
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & TURN != turn {
                return Ok(());
            }
            let is_over = patience.is_over();
            let asleep = if is_over { word.wrapping_sub(1) } else { word | SLEEPERS };
            let is_left_behind = is_over && is_seeded(Fault::BarrierKeepsTheLate);
            if word != asleep && !is_left_behind {
                let (success, failure) = (Ordering::Relaxed, Ordering::Acquire);
                if let Err(now) = self.word.compare_exchange_weak(word, asleep, success, failure) {
                    word = now;
                    continue;
                }
            }
            if is_over {
                return Err(TimedOut);
            }
            patience.sleep(&self.word, asleep);
            word = self.word.load(Ordering::Acquire);
        }
    }
}

impl<S: Scope, F: Futex<S>> Default for Barrier<S, F> {
    fn default() -> Self {
        Self::for_one()
    }
}

impl<S, F> fmt::Debug for Barrier<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrived = self.word.load(Ordering::Relaxed) & ARRIVED;
        let parties = self.parties.load(Ordering::Relaxed);
        formatter
            .debug_struct("Barrier")
            .field("parties", &parties)
            .field("arrived", &arrived)
            .finish_non_exhaustive()
    }
}
