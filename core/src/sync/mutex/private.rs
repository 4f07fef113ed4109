//! The mutex of one process: four bytes.
//!
//! | word | state |
//! |---|---|
//! | 0 | free |
//! | id | held by thread id, nobody sleeps |
//! | id, `WAITERS` | held by thread id, somebody may sleep |
//! | 0, `WAITERS` | given up; whoever did so is about to let a sleeper in |

use core::{fmt, marker::PhantomData};

use super::{
    super::{
        error::{NotOwner, Refused},
        futex::{Futex, Private},
        owners::{OWNER_ID_MASK, WAITERS},
        patience::{Patience, deadline, deadline_after, spin_for_lock},
        primitive::{AtomicU32, Ordering, const_unless_modelled},
        seeded::{Fault, is_seeded},
    },
    Unlock,
};

/// A lock for threads of one process.
///
/// It knows its owner, at no further cost: the id goes into the word by the one
/// compare-and-swap that takes the lock. A thread that panics while it holds the
/// lock gives it up as usual: there is no poison.
#[repr(transparent)]
pub struct RawPrivate<F> {
    word: AtomicU32,
    backend: PhantomData<fn() -> F>,
}

impl<F: Futex<Private>> RawPrivate<F> {
    const_unless_modelled! {
        /// Makes a free lock.
        pub fn new() -> Self {
            Self { word: AtomicU32::new(0), backend: PhantomData }
        }
    }

    /// Takes the lock; waits for it if another thread holds it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`] if the calling thread holds it.
    #[inline]
    pub fn lock(&self) -> Result<(), Refused> {
        let me = F::thread_id().get();
        if self.take_free(me) { Ok(()) } else { self.lock_slow(me, None) }
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::Reentrant`].
    #[inline]
    pub fn try_lock(&self) -> Result<(), Refused> {
        let me = F::thread_id().get();
        if self.take_free(me) {
            Ok(())
        } else if self.is_mine(me) {
            Err(Refused::Reentrant)
        } else {
            Err(Refused::Busy)
        }
    }

    /// Takes the lock; waits for it at most for `timeout_ns`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], [`Refused::Reentrant`].
    #[inline]
    pub fn lock_for(&self, timeout_ns: u64) -> Result<(), Refused> {
        let me = F::thread_id().get();
        if self.take_free(me) {
            return Ok(());
        }
        self.lock_slow(me, deadline_after::<F>(timeout_ns))
    }

    /// Takes the lock; waits for it at most until `deadline_ns` of the backend's
    /// clock.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], [`Refused::Reentrant`].
    #[inline]
    pub fn lock_until(&self, deadline_ns: u64) -> Result<(), Refused> {
        let me = F::thread_id().get();
        if self.take_free(me) { Ok(()) } else { self.lock_slow(me, deadline(deadline_ns)) }
    }

    /// Whether anybody holds the lock at this moment.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) != 0
    }

    #[inline]
    fn take_free(&self, me: u32) -> bool {
        // Acquire: pairs with the Release of give_up.
        self.word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn is_mine(&self, me: u32) -> bool {
        // Relaxed: only this thread writes or removes its own id.
        self.word.load(Ordering::Relaxed) & OWNER_ID_MASK == me
    }

    #[cold]
    fn lock_slow(&self, me: u32, deadline_ns: Option<u64>) -> Result<(), Refused> {
        if self.is_mine(me) {
            return Err(Refused::Reentrant);
        }
        let mut patience = Patience::<Private, F>::until(deadline_ns);
        // Whoever has slept cannot know whether others still do.
        let mut taken = me;
        loop {
            if spin_for_lock::<Private, F>(|| self.take_if_seen_free(taken)) {
                return Ok(());
            }
            if self.fall_asleep(&mut patience, taken)? {
                return Ok(());
            }
            taken = if is_seeded(Fault::MutexForgetsOthers) { me } else { me | WAITERS };
        }
    }

    /// Takes the lock as `taken` or sleeps once, having told the holder so. Returns
    /// whether it was taken.
    fn fall_asleep(
        &self,
        patience: &mut Patience<Private, F>,
        taken: u32,
    ) -> Result<bool, Refused> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word == 0 {
                // Acquire: pairs with the Release of give_up.
                match self.word.compare_exchange_weak(
                    0,
                    taken,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Ok(true),
                    Err(now) => word = now,
                }
                continue;
            }
            if word & WAITERS == 0 {
                let marked = self.word.compare_exchange_weak(
                    word,
                    word | WAITERS,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                if let Err(now) = marked {
                    word = now;
                    continue;
                }
            }
            if patience.is_over() {
                return Err(Refused::TimedOut);
            }
            patience.sleep(&self.word, word | WAITERS);
            return Ok(false);
        }
    }

    /// Takes the lock without asking who holds it, after a wait that gave it up.
    pub(in super::super) fn lock_again(&self) {
        let me = F::thread_id().get();
        while !self.take_free(me) && self.lock_slow(me, None).is_err() {}
    }

    #[inline]
    fn take_if_seen_free(&self, me: u32) -> bool {
        self.word.load(Ordering::Relaxed) == 0 && self.take_free(me)
    }

    /// Frees the lock, which nobody can take while [`WAITERS`] alone is there, and
    /// wakes a sleeper.
    #[cold]
    fn free_and_wake(&self) {
        // Release: pairs with the Acquire of whoever takes the lock next.
        self.word.store(0, Ordering::Release);
        if !is_seeded(Fault::UnlockNeverWakes) {
            F::wake_one(&self.word);
        }
    }
}

impl<F: Futex<Private>> Unlock for RawPrivate<F> {
    #[inline]
    fn unlock(&self) -> Result<(), NotOwner> {
        if !self.is_mine(F::thread_id().get()) {
            return Err(NotOwner);
        }
        self.give_up();
        Ok(())
    }

    #[inline]
    fn give_up(&self) {
        if is_seeded(Fault::WakeBeforeStore) {
            if self.word.load(Ordering::Relaxed) & WAITERS != 0 {
                F::wake_one(&self.word);
            }
            self.word.store(0, Ordering::Release);
            return;
        }
        let ordering = if is_seeded(Fault::UnlockWithoutRelease) {
            Ordering::Relaxed
        } else {
            // Release: pairs with the Acquire of whoever takes the lock next.
            Ordering::Release
        };
        // Relaxed: only the owner, who calls this, changes the id. Taking it away is a
        // cycle of 40 cheaper on x86 than storing 0 in its place, over lock and unlock.
        let owner = self.word.load(Ordering::Relaxed) & OWNER_ID_MASK;
        if self.word.fetch_sub(owner, ordering) & WAITERS != 0 {
            self.free_and_wake();
        }
    }
}

impl<F: Futex<Private>> Default for RawPrivate<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for RawPrivate<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.word.load(Ordering::Relaxed) & OWNER_ID_MASK;
        formatter.debug_struct("RawPrivate").field("owner", &owner).finish_non_exhaustive()
    }
}
