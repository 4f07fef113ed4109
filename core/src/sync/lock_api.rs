//! The private locks as raw locks of the crate `lock_api`, for code that is generic over
//! its locks: `lock_api::Mutex<RawPrivate<F>, T>`, `lock_api::RwLock<RawRwPrivate<F>, T>`.
#![expect(unsafe_code, reason = "a promise of mutual exclusion")]

use core::time::Duration;

use ::lock_api::{
    GuardNoSend, RawMutex, RawMutexTimed, RawRwLock, RawRwLockDowngrade, RawRwLockTimed,
};

use super::{
    Deadline, Futex, Private, RawPrivate, RawRwPrivate, RwUnlock, Unlock, owners::Permit,
    rwlock::PRIVATE_TICKET,
};

// SAFETY: the lock is held by one thread at a time, and until that thread gives it up.
unsafe impl<F: Futex<Private>> RawMutex for RawPrivate<F> {
    const INIT: Self = Self::new();

    /// The lock knows the thread that took it.
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        self.lock_unchecked();
    }

    #[inline]
    fn try_lock(&self) -> bool {
        Self::try_lock(self).is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.give_up(Permit::GRANTED);
    }

    fn is_locked(&self) -> bool {
        Self::is_locked(self)
    }
}

// SAFETY: as above.
unsafe impl<F: Futex<Private>> RawMutexTimed for RawPrivate<F> {
    type Duration = Duration;
    type Instant = Deadline<F>;

    fn try_lock_for(&self, timeout: Duration) -> bool {
        self.lock_for(timeout).is_ok()
    }

    fn try_lock_until(&self, deadline: Deadline<F>) -> bool {
        self.lock_until(deadline).is_ok()
    }
}

// SAFETY: the lock is held by one writer at a time and then by no reader, and until they
// give it up.
unsafe impl<F: Futex<Private>> RawRwLock for RawRwPrivate<F> {
    const INIT: Self = Self::new();

    /// The lock knows the thread that writes.
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock_shared(&self) {
        let _only_one_kind = self.read();
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.try_read().is_ok()
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        self.unlock_read(PRIVATE_TICKET);
    }

    #[inline]
    fn lock_exclusive(&self) {
        self.write();
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.try_write().is_ok()
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        self.unlock_write();
    }

    fn is_locked(&self) -> bool {
        Self::is_locked(self)
    }
}

// SAFETY: as above; no writer comes in between.
unsafe impl<F: Futex<Private>> RawRwLockDowngrade for RawRwPrivate<F> {
    unsafe fn downgrade(&self) {
        let _only_one_kind = Self::downgrade(self);
    }
}

// SAFETY: as above.
unsafe impl<F: Futex<Private>> RawRwLockTimed for RawRwPrivate<F> {
    type Duration = Duration;
    type Instant = Deadline<F>;

    fn try_lock_shared_for(&self, timeout: Duration) -> bool {
        self.read_for(timeout).is_ok()
    }

    fn try_lock_shared_until(&self, deadline: Deadline<F>) -> bool {
        self.read_until(deadline).is_ok()
    }

    fn try_lock_exclusive_for(&self, timeout: Duration) -> bool {
        self.write_for(timeout).is_ok()
    }

    fn try_lock_exclusive_until(&self, deadline: Deadline<F>) -> bool {
        self.write_until(deadline).is_ok()
    }
}
