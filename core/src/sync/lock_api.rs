//! The private mutex as a raw lock of the crate `lock_api`, for code that is generic
//! over its locks: `lock_api::Mutex<RawPrivate<F>, T>`.
#![expect(unsafe_code, reason = "a promise of mutual exclusion")]

use core::time::Duration;

use ::lock_api::{GuardNoSend, RawMutex, RawMutexTimed};

use super::{Deadline, Futex, Private, RawPrivate, Unlock, owners::Permit};

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
