//! Every entry of the core's locks and signals.
#![expect(unsafe_code, reason = "exports, and locks that stay where the caller has them")]

use core::time::Duration;

use core::num::NonZeroU32;

use farend_core::sync::{
    AutoResetEvent, Barrier, Clock, Condvar, Deadline, Event, Futex, LockError, Mutex, MutexGuard,
    NoOwner, Once, Overflow, Owners, Permit, Private, RawMutex, RawShared, Refused, RwLock, Scope,
    Semaphore, Shared, Taken, TimedOut, Unlock, Waited, WriteGuard,
    primitive::{AtomicU32, AtomicU64, Ordering},
};

/// A system that never blocks.
pub enum Restless {}

static NOW_NS: AtomicU64 = AtomicU64::new(0);
static THREAD: AtomicU32 = AtomicU32::new(1);

impl Clock for Restless {
    fn now_ns() -> u64 {
        NOW_NS.load(Ordering::Relaxed)
    }
}

impl<S: Scope> Futex<S> for Restless {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        let is_over = deadline_ns.is_some_and(|deadline_ns| deadline_ns <= Self::now_ns());
        if is_over && word.load(Ordering::Relaxed) == expected {
            Waited::TimedOut
        } else {
            Waited::Woken
        }
    }

    fn wake_one(word: &AtomicU32) {
        word.load(Ordering::Relaxed);
    }

    fn wake_all(word: &AtomicU32) {
        word.load(Ordering::Relaxed);
    }

    fn thread_id() -> NonZeroU32 {
        NonZeroU32::new(THREAD.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }
}

// SAFETY: nothing runs; the probe is only linked.
unsafe impl Owners for Restless {
    type Node = [u64; 4];
    type Caller = u32;

    const LIVENESS_SLICE_NS: Option<u64> = Some(1_000_000);
    const UNUSED: [u64; 4] = [0; 4];

    fn caller() -> Result<u32, NoOwner> {
        match THREAD.load(Ordering::Relaxed) {
            0 => Err(NoOwner::NotJoined),
            id => Ok(id),
        }
    }

    fn id(caller: u32) -> u32 {
        caller
    }

    fn begin(_caller: u32, _node: &[u64; 4], _permit: Permit) {}
    fn link(_caller: u32, _node: &[u64; 4], _permit: Permit) {}
    fn unlink(_caller: u32, _node: &[u64; 4], _permit: Permit) {}
    fn end(_caller: u32, _permit: Permit) {}

    fn is_alive(id: u32) -> bool {
        id == THREAD.load(Ordering::Relaxed)
    }
}

type PrivateMutex = Mutex<u64, Private, Restless>;
type SharedMutex = Mutex<u64, Shared, Restless>;
type PrivateRwLock = RwLock<u64, Private, Restless>;
type SharedRwLock = RwLock<u64, Shared, Restless>;

entries! {
    fn entry_private_mutex(mutex: &PrivateMutex, limit_ns: u64) -> Result<u64, Refused> {
        *mutex.lock() ^= 1;
        *mutex.lock_checked()? ^= 1;
        *mutex.try_lock()? ^= 1;
        *mutex.lock_for(Duration::from_nanos(limit_ns))? ^= 1;
        Ok(*mutex.lock_until(Deadline::at_ns(limit_ns))?)
    }

    fn entry_private_lock(lock: &RawMutex<Private, Restless>) -> bool {
        lock.lock().is_ok() && lock.is_locked() && lock.unlock().is_ok()
    }

    fn entry_shared_mutex(mutex: &SharedMutex, limit_ns: u64) -> Result<u64, Refused> {
        for guard in [
            mutex.lock(),
            mutex.try_lock(),
            mutex.lock_for(Duration::from_nanos(limit_ns)),
            mutex.lock_until(Deadline::at_ns(limit_ns)),
        ] {
            match guard {
                Ok(mut guard) => *guard ^= 1,
                Err(LockError::OwnerDied(guard)) => {
                    let _consistent = MutexGuard::make_consistent(&guard);
                    let _unlocked = MutexGuard::unlock(guard);
                }
                Err(LockError::Refused(refused)) => return Err(refused),
            }
        }
        Ok(0)
    }

    fn entry_shared_lock(lock: &RawShared<Restless>) -> bool {
        lock.lock() == Ok(Taken::Clean) && lock.is_locked() && lock.unlock().is_ok()
    }

    fn entry_private_rwlock(lock: &PrivateRwLock, limit_ns: u64) -> Result<u64, Refused> {
        let mut sum = *lock.read() ^ *lock.read_checked()? ^ *lock.try_read()?;
        sum ^= *lock.read_for(Duration::from_nanos(limit_ns))? ^ *lock.read_until(Deadline::at_ns(limit_ns))?;
        *lock.write() = sum;
        *lock.write_checked()? = sum;
        *lock.try_write()? = sum;
        *lock.write_for(Duration::from_nanos(limit_ns))? = sum;
        *lock.write_until(Deadline::at_ns(limit_ns))? = sum;
        Ok(sum)
    }

    fn entry_barrier(barrier: &Barrier<Shared, Restless>, limit_ns: u64) -> Result<bool, TimedOut> {
        let _too_many = barrier.set_parties(2);
        barrier.wait();
        barrier.wait_for(Duration::from_nanos(limit_ns))?;
        barrier.wait_until(Deadline::at_ns(limit_ns))
    }

    fn entry_auto_reset(
        event: &AutoResetEvent<Shared, Restless>, limit_ns: u64
    ) -> Result<bool, TimedOut> {
        event.set();
        event.wait();
        event.wait_for(Duration::from_nanos(limit_ns))?;
        event.wait_until(Deadline::at_ns(limit_ns))?;
        Ok(event.reset())
    }

    fn entry_once(once: &Once<Private, Restless>, done: &mut u32) -> bool {
        once.call_once(|| *done ^= 1);
        once.is_done()
    }

    fn entry_shared_once(once: &Once<Shared, Restless>, done: &mut u32) -> Result<(), Refused> {
        once.call_once(|_taken| *done ^= 1)
    }

    fn entry_semaphore_post_many(
        units: &Semaphore<Shared, Restless>, count: u32
    ) -> Result<(), Overflow> {
        units.post_many(count)
    }

    fn entry_shared_downgrade(lock: &SharedRwLock) -> Result<u64, Refused> {
        let Ok(guard) = lock.try_write() else { return Err(Refused::Busy) };
        WriteGuard::downgrade_checked(guard).map(|guard| *guard).map_err(|_| Refused::NotOwner)
    }

    fn entry_shared_rwlock_read(lock: &SharedRwLock, limit_ns: u64) -> Result<u64, Refused> {
        let mut sum = 0;
        for guard in [
            lock.read(),
            lock.try_read(),
            lock.read_for(Duration::from_nanos(limit_ns)),
            lock.read_until(Deadline::at_ns(limit_ns)),
        ] {
            match guard {
                Ok(guard) | Err(LockError::OwnerDied(guard)) => sum ^= *guard,
                Err(LockError::Refused(refused)) => return Err(refused),
            }
        }
        Ok(sum)
    }

    fn entry_shared_rwlock_write(lock: &SharedRwLock, limit_ns: u64) -> Result<(), Refused> {
        for guard in [
            lock.write(),
            lock.try_write(),
            lock.write_for(Duration::from_nanos(limit_ns)),
            lock.write_until(Deadline::at_ns(limit_ns)),
        ] {
            match guard {
                Ok(mut guard) => *guard ^= 1,
                Err(LockError::OwnerDied(guard)) => {
                    let _consistent = WriteGuard::make_consistent(&guard);
                }
                Err(LockError::Refused(refused)) => return Err(refused),
            }
        }
        Ok(())
    }

    fn entry_condvar(
        mutex: &PrivateMutex, condvar: &Condvar<Private, Restless>, limit_ns: u64
    ) -> Result<bool, Refused> {
        let guard = condvar.wait_while(mutex.lock_checked()?, |value| *value == 0);
        let (guard, waited) = condvar.wait_for(condvar.wait(guard), Duration::from_nanos(limit_ns));
        condvar.notify_one();
        condvar.notify_all();
        Ok(condvar.wait_until(guard, Deadline::at_ns(limit_ns)).1 == waited)
    }

    fn entry_shared_condvar(
        mutex: &SharedMutex, condvar: &Condvar<Shared, Restless>, limit_ns: u64
    ) -> bool {
        let Ok(guard) = mutex.lock() else { return false };
        let Ok(guard) = condvar.wait_while(guard, |value| *value == 0) else { return false };
        condvar.notify_one();
        condvar.notify_all();
        condvar.wait_for(guard, Duration::from_nanos(limit_ns)).is_ok()
    }

    fn entry_semaphore_post(units: &Semaphore<Shared, Restless>) -> Result<(), Overflow> {
        units.post()
    }

    fn entry_semaphore_acquire(
        units: &Semaphore<Shared, Restless>, limit_ns: u64
    ) -> Result<(), TimedOut> {
        units.acquire();
        units.acquire_for(Duration::from_nanos(limit_ns))?;
        units.acquire_until(Deadline::at_ns(limit_ns))
    }

    fn entry_event(event: &Event<Private, Restless>, limit_ns: u64) -> Result<bool, TimedOut> {
        event.set();
        event.wait();
        event.wait_for(Duration::from_nanos(limit_ns))?;
        event.wait_until(Deadline::at_ns(limit_ns))?;
        Ok(event.reset())
    }
}
