//! The mutex that processes share, and that survives their death.
//!
//! | word | state |
//! |---|---|
//! | 0 | free |
//! | id | held by owner id |
//! | `OWNER_DIED` | free, its last owner died with it |
//! | id, `OWNER_DIED` | held by owner id, who has not made the data consistent |
//! | all bits of the id | given up without that: lost |
//! | …, `WAITERS` | the same, and somebody may sleep |

use core::{fmt, marker::PhantomData, mem::offset_of, time::Duration};

use super::{
    super::{
        deadline::Deadline,
        error::{NotOwner, Refused},
        futex::Shared,
        owners::{OWNER_DIED, OWNER_ID_MASK, Owners, Permit, WAITERS},
        patience::{Patience, Slept, end_after, end_at, spin_for_lock},
        primitive::{AtomicU32, Ordering, const_unless_modelled},
        seeded::{Fault, is_seeded},
    },
    Unlock,
};

/// An id that no owner has: the lock is not recoverable.
const LOST: u32 = OWNER_ID_MASK;

/// A waiter looks again after this time if the backend does not say sooner. No
/// system tells of this: a waiter is woken, another takes the lock before it can,
/// without knowing of further sleepers, and the woken one is killed.
const RECHECK_NS: u64 = 100_000_000;

/// How a process-shared lock was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// From an owner who gave it up.
    Clean,
    /// From an owner who died: the data is as that one left it.
    OwnerDied,
}

/// A lock for several processes.
///
/// If its owner dies, however, the next one takes it and is told. All users must
/// see the same ids: with a backend whose ids are thread ids, they must be in one
/// pid namespace. They trust each other with the lock's memory: whoever can write
/// it can break every user.
#[repr(C)]
pub struct RawShared<F: Owners> {
    word: AtomicU32,
    /// Keeps the node in its place; always 0.
    _reserved: AtomicU32,
    node: F::Node,
    backend: PhantomData<fn() -> F>,
}

impl<F: Owners> RawShared<F> {
    /// Where the word is: octets from the lock's start.
    pub const WORD_AT: usize = offset_of!(Self, word);
    /// Where the backend's node is: octets from the lock's start.
    pub const NODE_AT: usize = offset_of!(Self, node);

    const_unless_modelled! {
        /// A free lock, for [`new`](Self::new)s that pass the duty on.
        pub(in super::super) fn free() -> Self {
            Self {
                word: AtomicU32::new(0),
                _reserved: AtomicU32::new(0),
                node: F::UNUSED,
                backend: PhantomData,
            }
        }
    }

    /// Takes the lock; waits for it if another holds it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`], [`Refused::NotRecoverable`], [`Refused::NoOwner`].
    #[inline]
    pub fn lock(&self) -> Result<Taken, Refused> {
        self.take((), |lock, me, ()| lock.lock_slow(me, None))
    }

    /// Takes the lock if it is free, or its owner is known to be dead.
    ///
    /// # Errors
    /// [`Refused::Busy`], and as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<Taken, Refused> {
        self.take((), |lock, me, ()| {
            lock.look(me, 0).or_else(|| lock.recover(me)).unwrap_or(Err(Refused::Busy))
        })
    }

    /// Takes the lock; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`lock`](Self::lock).
    #[inline]
    pub fn lock_for(&self, timeout: Duration) -> Result<Taken, Refused> {
        self.take(timeout, |lock, me, timeout| lock.lock_slow(me, end_after::<F>(timeout)))
    }

    /// Takes the lock; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`lock`](Self::lock).
    #[inline]
    pub fn lock_until(&self, deadline: Deadline<F>) -> Result<Taken, Refused> {
        self.take(deadline, |lock, me, deadline| lock.lock_slow(me, end_at(deadline)))
    }

    /// Says that the data is sound again after [`Taken::OwnerDied`].
    ///
    /// # Errors
    /// [`NotOwner`] if the calling thread does not hold the lock.
    pub fn make_consistent(&self) -> Result<(), NotOwner> {
        let caller = F::caller().map_err(|_| NotOwner)?;
        if !self.is_held_by(F::id(caller)) {
            return Err(NotOwner);
        }
        // Relaxed: given up with Release later, by this thread.
        self.word.fetch_and(!OWNER_DIED, Ordering::Relaxed);
        Ok(())
    }

    /// Whether anybody holds the lock at this moment.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & OWNER_ID_MASK != 0
    }

    #[inline]
    fn take<A>(
        &self,
        argument: A,
        slow: impl FnOnce(&Self, u32, A) -> Result<Taken, Refused>,
    ) -> Result<Taken, Refused> {
        let caller = F::caller()?;
        let me = F::id(caller);
        F::has_room(caller)?;
        if !is_seeded(Fault::NotAnnounced) {
            F::begin(caller, &self.node, Permit::GRANTED);
        }
        // Acquire: pairs with the Release of unlock.
        let taken = match self.word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Taken::Clean),
            Err(_) => slow(self, me, argument),
        };
        if taken.is_ok() {
            F::link(caller, &self.node, Permit::GRANTED);
        }
        F::end(caller, Permit::GRANTED);
        taken
    }

    /// Takes the lock if it can be had or never will; `None` if another holds it.
    /// `others` is the bit to set for those who may sleep.
    #[cold]
    fn look(&self, me: u32, others: u32) -> Option<Result<Taken, Refused>> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            match word & OWNER_ID_MASK {
                0 => match self.take_from(word, me | others) {
                    Ok(taken) => return Some(Ok(taken)),
                    Err(now) => word = now,
                },
                LOST => return Some(Err(Refused::NotRecoverable)),
                id if id == me => return Some(Err(Refused::Reentrant)),
                _ => return None,
            }
        }
    }

    /// Takes the lock if its owner is known to be dead.
    #[cold]
    fn recover(&self, me: u32) -> Option<Result<Taken, Refused>> {
        self.recover_if(me, |id| !is_seeded(Fault::TrierNeverLooks) && F::is_known_dead(id))
    }

    /// Takes the lock if that is true of its owner.
    fn recover_if(
        &self,
        me: u32,
        is_dead: impl FnOnce(u32) -> bool,
    ) -> Option<Result<Taken, Refused>> {
        let word = self.word.load(Ordering::Relaxed);
        let id = word & OWNER_ID_MASK;
        let is_owned = id != 0 && id != LOST && id != me;
        if is_owned && is_dead(id) { self.take_over(word, me) } else { None }
    }

    /// Takes a lock that was seen as `word`, without an owner.
    fn take_from(&self, word: u32, me: u32) -> Result<Taken, u32> {
        let taken = word | me;
        // Acquire: pairs with the Release of unlock; the system's own change of a
        // dead owner's word leaves that owner's stores before it.
        self.word.compare_exchange(word, taken, Ordering::Acquire, Ordering::Relaxed)?;
        Ok(Self::how(word))
    }

    fn how(word: u32) -> Taken {
        if word & OWNER_DIED == 0 || is_seeded(Fault::DeathUnnoticed) {
            Taken::Clean
        } else {
            Taken::OwnerDied
        }
    }

    #[cold]
    fn lock_slow(&self, me: u32, deadline_ns: Option<u64>) -> Result<Taken, Refused> {
        if let Some(result) = self.look(me, 0) {
            return result;
        }
        let slice_ns = F::LIVENESS_SLICE_NS.unwrap_or(RECHECK_NS);
        let mut patience = Patience::<Shared, F>::in_slices(deadline_ns, Some(slice_ns));
        // Whoever has slept cannot know whether others still do.
        let mut others = 0;
        loop {
            let mut result = None;
            spin_for_lock::<Shared, F>(|| {
                if self.word.load(Ordering::Relaxed) & OWNER_ID_MASK == 0 {
                    result = self.look(me, others);
                }
                result.is_some()
            });
            let result = result.or_else(|| self.recover(me));
            if let Some(result) = result.or_else(|| self.fall_asleep(&mut patience, me, others)) {
                return result;
            }
            others = WAITERS;
        }
    }

    /// Takes the lock or sleeps once, having told the holder so; `None` if another
    /// may still hold it.
    fn fall_asleep(
        &self,
        patience: &mut Patience<Shared, F>,
        me: u32,
        others: u32,
    ) -> Option<Result<Taken, Refused>> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let id = word & OWNER_ID_MASK;
            if id == 0 || id == LOST {
                return self.look(me, others);
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
                word |= WAITERS;
            }
            if patience.is_over() {
                return Some(Err(Refused::TimedOut));
            }
            let slept = patience.sleep(&self.word, word);
            // Of whoever holds the lock by now.
            if slept == Slept::Slice && !is_seeded(Fault::WaiterTrustsTheSystem) {
                return self.recover_if(me, |id| !F::is_alive(id));
            }
            return None;
        }
    }

    /// Takes the lock from a dead owner, from exactly the word in which it was
    /// found dead: of several who find it, one succeeds.
    fn take_over(&self, dead: u32, me: u32) -> Option<Result<Taken, Refused>> {
        let taken = me | OWNER_DIED | WAITERS;
        if is_seeded(Fault::DoubleRecovery) {
            self.word.store(taken, Ordering::Release);
            return Some(Ok(Taken::OwnerDied));
        }
        // Acquire: orders this owner's loads after the decision. What the dead one
        // stored is seen as far as it was stored.
        self.word.compare_exchange(dead, taken, Ordering::Acquire, Ordering::Relaxed).ok()?;
        F::recovered(&self.word, dead & OWNER_ID_MASK);
        Some(Ok(Taken::OwnerDied))
    }

    /// Whether the calling thread, whose id is `me`, holds the lock.
    pub(in super::super) fn is_held_by(&self, me: u32) -> bool {
        // Relaxed: only this thread writes or removes its own id.
        self.word.load(Ordering::Relaxed) & OWNER_ID_MASK == me
    }

    /// Gives the lock up for ever: the data was not made consistent.
    #[cold]
    fn lose(&self) {
        // Release: as in unlock.
        let left = self.word.swap(LOST, Ordering::Release);
        if left & WAITERS != 0 {
            F::wake_all(&self.word);
        }
    }

    #[cold]
    fn wake(&self) {
        F::wake_one(&self.word);
    }
}

impl<F: Owners> Unlock for RawShared<F> {
    #[inline]
    fn unlock(&self) -> Result<(), NotOwner> {
        let Ok(caller) = F::caller() else { return Err(NotOwner) };
        let word = self.word.load(Ordering::Relaxed);
        if word & OWNER_ID_MASK != F::id(caller) {
            return Err(NotOwner);
        }
        if !is_seeded(Fault::NotAnnouncedAtUnlock) {
            F::begin(caller, &self.node, Permit::GRANTED);
        }
        F::unlink(caller, &self.node, Permit::GRANTED);
        // A branch, because what is swapped in must not wait for the word's load.
        if word & OWNER_DIED != 0 {
            self.lose();
        } else {
            // Release: pairs with the Acquire of whoever takes the lock next.
            let left = self.word.swap(0, Ordering::Release);
            if left & WAITERS != 0 {
                self.wake();
            }
        }
        F::end(caller, Permit::GRANTED);
        Ok(())
    }

    #[inline]
    fn give_up(&self, _permit: Permit) {
        // Not the owner is only the child of a fork: the parent still holds it.
        let _given_up = self.unlock();
    }
}

impl<F: Owners> fmt::Debug for RawShared<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        formatter
            .debug_struct("RawShared")
            .field("owner", &(word & OWNER_ID_MASK))
            .field("has_owner_died", &(word & OWNER_DIED != 0))
            .finish_non_exhaustive()
    }
}

#[cfg(any(farend_loom, farend_shuttle))]
impl<F: Owners> RawShared<F> {
    /// What a model of the system's clean-up needs.
    pub(crate) fn parts(&self) -> (&AtomicU32, &F::Node) {
        (&self.word, &self.node)
    }
}
