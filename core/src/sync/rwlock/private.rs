//! The reader-writer lock of one process: twelve bytes.
//!
//! | state | meaning |
//! |---|---|
//! | 0 | free |
//! | n | held by n readers |
//! | `WRITER` | held by a writer |
//! | …, `WRITERS_ASLEEP` | a writer may sleep on `turn`; new readers wait |
//! | …, `READERS_ASLEEP` | readers may sleep on `state` |
//!
//! A free lock has neither of the last two for longer than the thread that freed
//! it takes to wake somebody: so whoever is about to sleep marks a held lock.

use core::{fmt, marker::PhantomData, time::Duration};

use super::{
    super::{
        deadline::Deadline,
        error::Refused,
        futex::{Futex, Private},
        patience::{Patience, end_after, end_at, spin_for_lock},
        primitive::{AtomicU32, Ordering, const_unless_modelled},
        seeded::{Fault, is_seeded},
    },
    PRIVATE_TICKET, RwUnlock, Ticket,
};

const WRITER: u32 = 0x8000_0000;
const WRITERS_ASLEEP: u32 = 0x4000_0000;
const READERS_ASLEEP: u32 = 0x2000_0000;
const READERS: u32 = 0x1FFF_FFFF;

/// Between two looks of a thread that waits for itself, or for one of 2^29 readers.
const STAY_AWAY_NS: u64 = 100_000_000;

/// How long a thread is ready to wait.
#[derive(Clone, Copy)]
enum Wait {
    Not,
    Until(Option<u64>),
}

/// A reader-writer lock for threads of one process.
///
/// *Who waits for whom.* Once a writer sleeps, new readers wait, so readers that
/// come without end do not keep a writer out. When a writer is done, all readers
/// that sleep are woken, and may enter even if another writer sleeps, so writers
/// that come without end keep a reader out only if each of them is faster than a
/// reader's waking up; the same goes for writers among themselves. A thread that
/// reads must not read again before it is done: if a writer comes in between, both
/// wait for ever. A writer that locks again is refused.
#[repr(C)]
pub struct RawRwPrivate<F> {
    state: AtomicU32,
    /// Counts wakes of writers: one goes to sleep only if none came since it looked.
    turn: AtomicU32,
    /// The writer's thread, to tell it if it locks again; 0 if there is none.
    writer: AtomicU32,
    backend: PhantomData<fn() -> F>,
}

impl<F: Futex<Private>> RawRwPrivate<F> {
    const_unless_modelled! {
        /// Makes a free lock.
        pub fn new() -> Self {
            Self {
                state: AtomicU32::new(0),
                turn: AtomicU32::new(0),
                writer: AtomicU32::new(0),
                backend: PhantomData,
            }
        }
    }

    /// Takes the lock to read; waits while a writer holds it or sleeps for it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`] if the calling thread holds it to write,
    /// [`Refused::TooManyReaders`].
    #[inline]
    pub fn read_checked(&self) -> Result<Ticket, Refused> {
        self.read_with(|| Wait::Until(None))
    }

    /// Takes the lock to read; waits while a writer holds it or sleeps for it, be it for
    /// ever because this thread holds it to write.
    #[inline]
    pub fn read(&self) -> Ticket {
        loop {
            match self.read_checked() {
                Ok(ticket) => return ticket,
                Err(_) => self.stay_away(),
            }
        }
    }

    /// Takes the lock to write; waits until nobody holds it, be it for ever because this
    /// thread does.
    #[inline]
    pub fn write(&self) {
        while self.write_checked().is_err() {
            self.stay_away();
        }
    }

    /// Waits for what only this thread itself, or one of very many readers, could change.
    #[cold]
    fn stay_away(&self) {
        let end_ns = F::now_ns().saturating_add(STAY_AWAY_NS);
        F::wait(&self.state, self.state.load(Ordering::Relaxed), Some(end_ns));
    }

    /// Takes the lock to read if that needs no waiting.
    ///
    /// # Errors
    /// [`Refused::Busy`], and as [`read_checked`](Self::read_checked).
    #[inline]
    pub fn try_read(&self) -> Result<Ticket, Refused> {
        self.read_with(|| Wait::Not)
    }

    /// Takes the lock to read; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`read_checked`](Self::read_checked).
    #[inline]
    pub fn read_for(&self, timeout: Duration) -> Result<Ticket, Refused> {
        self.read_with(|| Wait::Until(end_after::<F>(timeout)))
    }

    /// Takes the lock to read; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`read_checked`](Self::read_checked).
    #[inline]
    pub fn read_until(&self, deadline: Deadline<F>) -> Result<Ticket, Refused> {
        self.read_with(|| Wait::Until(end_at(deadline)))
    }

    /// Takes the lock to write; waits until nobody holds it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`] if the calling thread holds it to write.
    #[inline]
    pub fn write_checked(&self) -> Result<(), Refused> {
        self.write_with(|| Wait::Until(None))
    }

    /// Takes the lock to write if nobody holds it.
    ///
    /// # Errors
    /// [`Refused::Busy`], and as [`write_checked`](Self::write_checked).
    #[inline]
    pub fn try_write(&self) -> Result<(), Refused> {
        self.write_with(|| Wait::Not)
    }

    /// Takes the lock to write; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`write_checked`](Self::write_checked).
    #[inline]
    pub fn write_for(&self, timeout: Duration) -> Result<(), Refused> {
        self.write_with(|| Wait::Until(end_after::<F>(timeout)))
    }

    /// Takes the lock to write; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`write_checked`](Self::write_checked).
    #[inline]
    pub fn write_until(&self, deadline: Deadline<F>) -> Result<(), Refused> {
        self.write_with(|| Wait::Until(end_at(deadline)))
    }

    /// Whether anybody holds the lock at this moment.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (WRITER | READERS) != 0
    }

    /// Makes the one writer a reader, and lets other readers in.
    pub(in super::super) fn downgrade(&self) -> Ticket {
        self.writer.store(0, Ordering::Relaxed);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let left = state & WRITERS_ASLEEP | 1;
            // Release: pairs with the Acquire of the readers that come now.
            match self.state.compare_exchange_weak(
                state,
                left,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & READERS_ASLEEP != 0 && !is_seeded(Fault::DowngradeWakesNobody) {
            F::wake_all(&self.state);
        }
        PRIVATE_TICKET
    }

    #[inline]
    fn read_with(&self, wait: impl FnOnce() -> Wait) -> Result<Ticket, Refused> {
        let state = self.state.load(Ordering::Relaxed);
        // Acquire: pairs with the Release of unlock_write.
        if state < READERS
            && self
                .state
                .compare_exchange_weak(
                    state,
                    state.wrapping_add(1),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_ok()
        {
            return Ok(PRIVATE_TICKET);
        }
        self.read_slow(wait()).map(|()| PRIVATE_TICKET)
    }

    /// Takes the lock to read while it may be had. `Err` is the state in which it
    /// may not, or that there is no room.
    fn enter(&self, has_slept: bool) -> Result<(), Result<u32, Refused>> {
        let barrier = if has_slept { WRITER } else { WRITER | WRITERS_ASLEEP };
        let mut state = self.state.load(Ordering::Relaxed);
        while state & barrier == 0 {
            if state & READERS == READERS {
                return Err(Err(Refused::TooManyReaders));
            }
            // Acquire: pairs with the Release of unlock_write.
            match self.state.compare_exchange_weak(
                state,
                state.wrapping_add(1),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
        Err(Ok(state))
    }

    #[cold]
    fn read_slow(&self, wait: Wait) -> Result<(), Refused> {
        let mut has_slept = false;
        let mut state = match self.enter(has_slept) {
            Ok(()) => return Ok(()),
            Err(state) => state?,
        };
        if self.writer.load(Ordering::Relaxed) == F::thread_id().get() {
            return Err(Refused::Reentrant);
        }
        let Wait::Until(deadline_ns) = wait else { return Err(Refused::Busy) };
        if spin_for_lock::<Private, F>(|| self.enter(false).is_ok()) {
            return Ok(());
        }
        let mut patience = Patience::<Private, F>::until(deadline_ns);
        loop {
            let asleep = state | READERS_ASLEEP;
            let is_marked = state == asleep
                || self
                    .state
                    .compare_exchange(state, asleep, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if is_marked {
                if patience.is_over() {
                    return Err(Refused::TimedOut);
                }
                patience.sleep(&self.state, asleep);
                has_slept = true;
            }
            state = match self.enter(has_slept) {
                Ok(()) => return Ok(()),
                Err(state) => state?,
            };
        }
    }

    #[inline]
    fn write_with(&self, wait: impl FnOnce() -> Wait) -> Result<(), Refused> {
        let me = F::thread_id().get();
        // Acquire: pairs with the Release of both unlocks.
        if self.state.compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.write_slow(me, wait())?;
        }
        self.writer.store(me, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the lock to write if nobody holds it; `Err` is the state in which
    /// somebody does.
    fn seize(&self, others: u32) -> Result<(), u32> {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & (WRITER | READERS) == 0 {
            // Acquire: pairs with the Release of both unlocks.
            match self.state.compare_exchange_weak(
                state,
                state | WRITER | others,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
        Err(state)
    }

    #[cold]
    fn write_slow(&self, me: u32, wait: Wait) -> Result<(), Refused> {
        if self.writer.load(Ordering::Relaxed) == me {
            return Err(Refused::Reentrant);
        }
        if self.seize(0).is_ok() {
            return Ok(());
        }
        let Wait::Until(deadline_ns) = wait else { return Err(Refused::Busy) };
        if spin_for_lock::<Private, F>(|| self.seize(0).is_ok()) {
            return Ok(());
        }
        let mut patience = Patience::<Private, F>::until(deadline_ns);
        // Whoever has slept cannot know whether others still do.
        let mut others = 0;
        loop {
            // Acquire: pairs with wake_writer's Release. If this turn is already
            // that of a wake, the state it was made in is seen below.
            let turn = self.turn.load(Ordering::Acquire);
            let Err(state) = self.seize(others) else { return Ok(()) };
            if state & WRITERS_ASLEEP == 0
                && self
                    .state
                    .compare_exchange(
                        state,
                        state | WRITERS_ASLEEP,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    )
                    .is_err()
            {
                continue;
            }
            if patience.is_over() {
                self.leave();
                return Err(Refused::TimedOut);
            }
            let turn = if is_seeded(Fault::WriterReadsTurnLate) {
                self.turn.load(Ordering::Acquire)
            } else {
                turn
            };
            patience.sleep(&self.turn, turn);
            others = WRITERS_ASLEEP;
        }
    }

    /// Leaves the lock to others after a time-out. Readers that this writer kept
    /// out, and writers whose wake it may have had, look again.
    #[cold]
    fn leave(&self) {
        if is_seeded(Fault::WriterLeavesSilently) {
            return;
        }
        self.state.fetch_and(!(WRITERS_ASLEEP | READERS_ASLEEP), Ordering::Relaxed);
        F::wake_all(&self.state);
        self.turn.fetch_add(1, Ordering::Release);
        F::wake_all(&self.turn);
    }

    /// The last reader lets a writer in.
    #[cold]
    fn wake_writer(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & (WRITER | READERS) == 0 && state & WRITERS_ASLEEP != 0 {
            match self.state.compare_exchange_weak(
                state,
                state & !WRITERS_ASLEEP,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return self.give_turn(),
                Err(now) => state = now,
            }
        }
    }

    fn give_turn(&self) {
        // Release: pairs with the Acquire in write_slow.
        self.turn.fetch_add(1, Ordering::Release);
        F::wake_one(&self.turn);
    }

    #[cold]
    fn wake(&self, left: u32) {
        if left & READERS_ASLEEP != 0 {
            F::wake_all(&self.state);
        }
        if left & WRITERS_ASLEEP != 0 {
            self.give_turn();
        }
    }
}

impl<F: Futex<Private>> RwUnlock for RawRwPrivate<F> {
    #[inline]
    fn unlock_read(&self, _ticket: Ticket) {
        // Release: pairs with the Acquire of the next writer.
        let left = self.state.fetch_sub(1, Ordering::Release);
        if left & READERS == 1
            && left & WRITERS_ASLEEP != 0
            && !is_seeded(Fault::LastReaderLeavesSilently)
        {
            self.wake_writer();
        }
    }

    #[inline]
    fn unlock_write(&self) {
        self.writer.store(0, Ordering::Relaxed);
        // Release: pairs with the Acquire of whoever comes next.
        let left = self.state.swap(0, Ordering::Release);
        if left != WRITER {
            self.wake(left);
        }
    }
}

impl<F: Futex<Private>> Default for RawRwPrivate<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for RawRwPrivate<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        formatter
            .debug_struct("RawRwPrivate")
            .field("readers", &(state & READERS))
            .field("has_writer", &(state & WRITER != 0))
            .finish_non_exhaustive()
    }
}
