//! The mutex of one process: four bytes.
//!
//! | word | state |
//! |---|---|
//! | 0 | free |
//! | id | held by thread id, nobody sleeps |
//! | id, `WAITERS` | held by thread id, somebody may sleep |
//! | id, `WAITERS`, `HAND_OVER` | the same, and somebody sleeps for too long |
//! | 0, `WAITERS` | given up; whoever did so is about to let a sleeper in |
//! | 0, `WAITERS`, `HAND_OVER` | given up for those who have waited, to take from there |

use core::{fmt, marker::PhantomData, time::Duration};

use super::{
    super::{
        deadline::Deadline,
        error::{NotOwner, Refused},
        futex::{Futex, Private},
        owners::{OWNER_DIED, OWNER_ID_MASK, Permit, WAITERS},
        patience::{Patience, end_after, end_at, spin_for_lock},
        primitive::{AtomicU32, Ordering, const_unless_modelled},
        seeded::{Fault, is_seeded},
    },
    Unlock,
};

/// Bit of the word: the next time that the lock is given up, those who sleep have it
/// before those who come.
const HAND_OVER: u32 = OWNER_DIED;

/// How long a thread waits before it asks for that. Seldom enough that a lock which
/// goes from one running thread to the next is not slowed down.
const HAND_OVER_NS: u64 = if cfg!(any(farend_loom, farend_shuttle)) { 0 } else { 500_000 };

/// A lock for threads of one process.
///
/// A thread that comes while the lock is free has it, even if others sleep: waking them
/// takes longer. One that has waited for half a millisecond is handed the lock, unless
/// others wait for longer.
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
        // A lock left to sleepers is had, too: there may be none any more.
        if self.take_free(me) || self.take_if_seen_free(me, true) {
            Ok(())
        } else if self.is_mine(me) {
            Err(Refused::Reentrant)
        } else {
            Err(Refused::Busy)
        }
    }

    /// Takes the lock; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], [`Refused::Reentrant`].
    #[inline]
    pub fn lock_for(&self, timeout: Duration) -> Result<(), Refused> {
        let me = F::thread_id().get();
        if self.take_free(me) {
            return Ok(());
        }
        self.lock_slow(me, end_after::<F>(timeout))
    }

    /// Takes the lock; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], [`Refused::Reentrant`].
    #[inline]
    pub fn lock_until(&self, deadline: Deadline<F>) -> Result<(), Refused> {
        let me = F::thread_id().get();
        if self.take_free(me) { Ok(()) } else { self.lock_slow(me, end_at(deadline)) }
    }

    /// Whether anybody holds the lock at this moment.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & OWNER_ID_MASK != 0
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
        if self.is_mine(me) { Err(Refused::Reentrant) } else { self.wait(me, deadline_ns) }
    }

    /// Waits for the lock, be it for ever because this thread holds it.
    #[cold]
    fn wait(&self, me: u32, deadline_ns: Option<u64>) -> Result<(), Refused> {
        let mut patience = Patience::<Private, F>::until(deadline_ns);
        // Whoever has slept cannot know whether others still do.
        let mut taken = me;
        let mut hand_over_ns = None;
        loop {
            let may_have = taken != me;
            if spin_for_lock::<Private, F>(|| self.take_if_seen_free(taken, may_have)) {
                return Ok(());
            }
            let now_ns = F::now_ns();
            let hand_over_ns = *hand_over_ns.get_or_insert(now_ns.saturating_add(HAND_OVER_NS));
            let is_late = may_have && now_ns >= hand_over_ns;
            let mark = if is_late { WAITERS | HAND_OVER } else { WAITERS };
            if self.fall_asleep(&mut patience, taken, mark)? {
                return Ok(());
            }
            taken = if is_seeded(Fault::MutexForgetsOthers) { me } else { me | WAITERS };
        }
    }

    /// Takes the lock as `taken` or sleeps once, having told the holder so by `mark`.
    /// Returns whether it was taken.
    fn fall_asleep(
        &self,
        patience: &mut Patience<Private, F>,
        taken: u32,
        mark: u32,
    ) -> Result<bool, Refused> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if let Some(flags) = free(word, true) {
                // Acquire: pairs with the Release of give_up.
                match self.word.compare_exchange_weak(
                    word,
                    taken | flags,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Ok(true),
                    Err(now) => word = now,
                }
                continue;
            }
            // Not while it is being given up: the bits would be stored over.
            if word & OWNER_ID_MASK != 0 && word & mark != mark {
                let marked = self.word.compare_exchange_weak(
                    word,
                    word | mark,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                if let Err(now) = marked {
                    word = now;
                    continue;
                }
                word |= mark;
            }
            if patience.is_over() {
                return Err(Refused::TimedOut);
            }
            patience.sleep(&self.word, word);
            return Ok(false);
        }
    }

    /// Takes the lock without asking who holds it: a thread that does so itself waits
    /// for ever.
    #[inline]
    pub(in super::super) fn lock_unchecked(&self) {
        let me = F::thread_id().get();
        if !self.take_free(me) {
            // Without a deadline nothing times out, whatever a backend says: a guard is
            // made after this, and only the one that has the lock may have it.
            while self.wait(me, None).is_err() {}
        }
    }

    #[inline]
    fn take_if_seen_free(&self, taken: u32, may_have: bool) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let Some(flags) = free(word, may_have) else { return false };
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        // Acquire: pairs with the Release of give_up.
        self.word.compare_exchange(word, taken | flags, success, failure).is_ok()
    }

    /// Gives up a lock that is held by `me`.
    #[inline]
    fn release(&self, me: u32) {
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
        // Only compared, so that it is one instruction which loads nothing: `lock sub`,
        // with the answer in the flags.
        if self.word.fetch_sub(me, ordering) != me {
            self.let_in();
        }
    }

    /// Lets a sleeper in, after the owner's id was taken out of the word. While
    /// [`WAITERS`] alone is there, nobody can take the lock; beside [`HAND_OVER`], who
    /// has waited takes it from there.
    #[cold]
    fn let_in(&self) {
        let left = if is_seeded(Fault::NeverHandsOver) {
            self.word.fetch_and(!HAND_OVER, Ordering::Relaxed) & !HAND_OVER
        } else {
            WAITERS
        };
        // Compared, because whoever had the lock handed may have given it up meanwhile:
        // then it has done this, or is about to.
        // Release: pairs with the Acquire of whoever takes the lock next.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let _freed = self.word.compare_exchange(left, 0, success, failure);
        if !is_seeded(Fault::UnlockNeverWakes) {
            F::wake_one(&self.word);
        }
    }
}

/// Whether a lock seen as `word` is free for a thread that has waited, or has not; and
/// what stays in the word beside its id.
#[inline]
const fn free(word: u32, may_have: bool) -> Option<u32> {
    match word {
        0 => Some(0),
        // Who has not slept leaves it to the others behind it, too.
        HANDED if may_have => Some(WAITERS),
        _ => None,
    }
}

/// Given up for those who have waited.
const HANDED: u32 = WAITERS | HAND_OVER;

impl<F: Futex<Private>> Unlock for RawPrivate<F> {
    #[inline]
    fn unlock(&self) -> Result<(), NotOwner> {
        let me = F::thread_id().get();
        if !self.is_mine(me) {
            return Err(NotOwner);
        }
        self.release(me);
        Ok(())
    }

    #[inline]
    fn give_up(&self, _permit: Permit) {
        self.release(F::thread_id().get());
    }
}

#[cfg(all(test, any(farend_loom, farend_shuttle)))]
impl<F: Futex<Private>> RawPrivate<F> {
    /// Whether the lock is to be handed to who waits, or left to them.
    pub(crate) fn is_wanted(&self) -> bool {
        self.word.load(Ordering::Relaxed) & HAND_OVER != 0
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

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    extern crate std;

    use core::{
        num::NonZeroU32,
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };
    use std::thread;

    use super::{
        super::super::futex::{Clock, Futex, Scope, Waited},
        RawPrivate, Unlock as _,
    };
    use crate::sync::primitive::AtomicU32;

    /// Says that a time is over which was not limited.
    enum Hasty {}

    std::thread_local! {
        static ID: NonZeroU32 = {
            static THREADS: AtomicU32 = AtomicU32::new(1);
            NonZeroU32::new(THREADS.fetch_add(1, Ordering::Relaxed)).unwrap()
        };
    }

    impl Clock for Hasty {
        fn now_ns() -> u64 {
            0
        }
    }

    impl<S: Scope> Futex<S> for Hasty {
        fn wait(_: &AtomicU32, _: u32, _: Option<u64>) -> Waited {
            thread::yield_now();
            Waited::TimedOut
        }

        fn wake_one(_: &AtomicU32) {}

        fn wake_all(_: &AtomicU32) {}

        fn thread_id() -> NonZeroU32 {
            ID.with(|id| *id)
        }
    }

    #[test]
    fn a_lock_that_must_be_had_is_had_whatever_the_backend_answers() {
        static LOCK: RawPrivate<Hasty> = RawPrivate::new();
        static IS_HELD: AtomicBool = AtomicBool::new(true);
        LOCK.lock().unwrap();
        let other = thread::spawn(|| {
            LOCK.lock_unchecked();
            assert!(!IS_HELD.load(Ordering::SeqCst), "two have the lock");
            LOCK.unlock().unwrap();
        });
        thread::sleep(Duration::from_millis(50));
        IS_HELD.store(false, Ordering::SeqCst);
        LOCK.unlock().unwrap();
        other.join().unwrap();
    }
}
