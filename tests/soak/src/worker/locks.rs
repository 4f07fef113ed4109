//! Every lock and signal, in a random order.

use std::{ops::DerefMut, sync::atomic::Ordering, thread, time::Duration};

use anyhow::{Result, bail, ensure};
use farend_core::sync::{LockError, MutexGuard, NotOwner, Refused, Shared, WriteGuard};
use farend_futex::Default as System;

use super::Worker;

/// The guard of the number of turns.
type Turns<'a> = MutexGuard<'a, u64, Shared, System>;

/// Longest wait, in nanoseconds.
const WAIT_NS_MAX: u64 = 200_000;
/// Longest time that a lock is held, in microseconds.
const HOLD_US_MAX: u64 = 300;
/// Units of the semaphore, at most about so many.
const TOKENS_MAX: u32 = 8;

impl Worker {
    /// Locks, signals and waits.
    pub(super) fn lock(&mut self) -> Result<()> {
        loop {
            match self.numbers.below(8) {
                0 | 1 => self.mutex()?,
                2 | 3 => self.read()?,
                4 => self.write()?,
                5 => self.turn()?,
                6 => self.tokens(),
                _ => self.event(),
            }
        }
    }

    fn done(&self) {
        self.seat.operations.fetch_add(1, Ordering::Relaxed);
    }

    fn took_over(&self) {
        self.seat.owners_died.fetch_add(1, Ordering::Relaxed);
    }

    /// Holds a lock for long, at times: to be killed with it, and to be waited
    /// for asleep.
    fn dawdle(&mut self) {
        if self.numbers.below(16) == 0 {
            thread::sleep(Duration::from_micros(self.numbers.below(HOLD_US_MAX)));
        }
    }

    fn wait_ns(&mut self) -> u64 {
        self.numbers.below(WAIT_NS_MAX)
    }

    fn mutex(&mut self) -> Result<()> {
        let mutex = &self.world.mutex;
        let locked = match self.numbers.below(3) {
            0 => mutex.try_lock(),
            1 => mutex.lock_for(Duration::from_nanos(self.wait_ns())),
            _ => mutex.lock(),
        };
        self.change("mutex", locked, MutexGuard::make_consistent)
    }

    fn read(&mut self) -> Result<()> {
        let wait_ns = self.wait_ns();
        match self.world.rwlock.read_for(Duration::from_nanos(wait_ns)) {
            Ok(both) => ensure!(both[0] == both[1], "rwlock: {both:?} without a death"),
            // Only a writer can repair it.
            Err(LockError::OwnerDied(both)) => {
                ensure!(both[0].abs_diff(both[1]) <= 1, "rwlock: {both:?} after a death");
                self.took_over();
            }
            Err(LockError::Refused(
                Refused::Busy | Refused::TimedOut | Refused::TooManyReaders,
            )) => return Ok(()),
            Err(LockError::Refused(refused)) => bail!("rwlock, read: {refused}"),
        }
        self.done();
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        let rwlock = &self.world.rwlock;
        let locked = match self.numbers.below(3) {
            0 => rwlock.try_write(),
            1 => rwlock.write_for(Duration::from_nanos(self.wait_ns())),
            _ => rwlock.write(),
        };
        self.change("rwlock, write", locked, WriteGuard::make_consistent)
    }

    /// Changes a pair in two steps, between which it may be killed; before that,
    /// repairs it if the last one was.
    fn change<G: DerefMut<Target = [u64; 2]>>(
        &mut self,
        lock: &str,
        locked: Result<G, LockError<G>>,
        make_consistent: impl FnOnce(&G) -> Result<(), NotOwner>,
    ) -> Result<()> {
        let mut both = match locked {
            Ok(both) => {
                ensure!(both[0] == both[1], "{lock}: {:?} without a death", *both);
                both
            }
            Err(LockError::OwnerDied(mut both)) => {
                ensure!(both[0].abs_diff(both[1]) <= 1, "{lock}: {:?} after a death", *both);
                both[1] = both[0];
                make_consistent(&both)?;
                self.took_over();
                both
            }
            Err(LockError::Refused(Refused::Busy | Refused::TimedOut)) => return Ok(()),
            Err(LockError::Refused(refused)) => bail!("{lock}: {refused}"),
        };
        both[0] += 1;
        self.dawdle();
        both[1] += 1;
        drop(both);
        self.done();
        Ok(())
    }

    /// Waits for a turn of others, or turns.
    fn turn(&mut self) -> Result<()> {
        let wait_ns = self.wait_ns();
        let is_waiting = self.numbers.below(4) == 0;
        let locked = self.world.turns.lock();
        let mut turns = self.sound(locked)?;
        if is_waiting {
            let seen = *turns;
            match self.world.turned.wait_for(turns, Duration::from_nanos(wait_ns)) {
                Ok((again, _waited)) => turns = again,
                Err(LockError::OwnerDied(again)) => {
                    MutexGuard::make_consistent(&again)?;
                    self.took_over();
                    turns = again;
                }
                Err(LockError::Refused(refused)) => bail!("condvar: {refused}"),
            }
            ensure!(*turns >= seen, "condvar: turns went from {seen} back to {}", *turns);
        } else {
            self.dawdle();
            *turns += 1;
            drop(turns);
            if wait_ns.is_multiple_of(2) {
                self.world.turned.notify_one();
            } else {
                self.world.turned.notify_all();
            }
        }
        self.done();
        Ok(())
    }

    /// One number cannot be half changed: it is sound after a death.
    fn sound<'a>(&self, locked: Result<Turns<'a>, LockError<Turns<'a>>>) -> Result<Turns<'a>> {
        match locked {
            Ok(guard) => Ok(guard),
            Err(LockError::OwnerDied(guard)) => {
                MutexGuard::make_consistent(&guard)?;
                self.took_over();
                Ok(guard)
            }
            Err(LockError::Refused(refused)) => bail!("mutex of turns: {refused}"),
        }
    }

    fn tokens(&mut self) {
        let tokens = &self.world.tokens;
        if tokens.count() < TOKENS_MAX && tokens.post().is_err() {
            return;
        }
        let wait_ns = self.wait_ns();
        if tokens.acquire_for(Duration::from_nanos(wait_ns)).is_ok() {
            self.done();
        }
    }

    fn event(&mut self) {
        let event = &self.world.event;
        if self.numbers.below(2) == 0 {
            event.set();
        } else if event.wait_for(Duration::from_nanos(self.wait_ns())).is_ok() {
            event.reset();
        }
        self.done();
    }
}
