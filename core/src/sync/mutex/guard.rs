//! Data behind a mutex, and the guard that reaches it.
#![expect(unsafe_code, reason = "the data is reached through a cell, by whoever holds the lock")]

use core::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    time::Duration,
};

use zerocopy::FromBytes;

use super::{
    super::{
        deadline::Deadline,
        error::{LockError, NotOwner, Refused},
        futex::{Futex, Private, Shared},
        owners::{Owners, Permit},
        primitive::const_unless_modelled,
    },
    MutexScope, RawPrivate, RawShared, Taken, Unlock,
};

/// Data that one thread at a time can reach.
///
/// In the [`Private`] scope it is four bytes beside the data. In the [`Shared`]
/// scope the data must be free of pointers ([`FromBytes`]), because other
/// processes map it elsewhere, and a lock whose owner died is reported:
/// [`LockError::OwnerDied`].
#[repr(C)]
pub struct Mutex<T: ?Sized, S: MutexScope<F>, F> {
    pub(super) raw: S::Raw,
    data: UnsafeCell<T>,
}

// SAFETY: whoever shares the mutex reaches the data only while it holds the lock,
// so the data is in effect sent from thread to thread.
unsafe impl<T: ?Sized + Send, S: MutexScope<F>, F> Sync for Mutex<T, S, F> {}

/// The data of a mutex, until dropped.
#[must_use = "the mutex is given up as soon as the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized, S: MutexScope<F>, F> {
    mutex: &'a Mutex<T, S, F>,
    /// The lock knows the thread that took it, so that one must give it up.
    stays_in_its_thread: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared data and nothing else.
unsafe impl<T: ?Sized + Sync, S: MutexScope<F>, F> Sync for MutexGuard<'_, T, S, F> {}

impl<T, F: Futex<Private>> Mutex<T, Private, F> {
    const_unless_modelled! {
        /// Makes a free mutex around `data`.
        pub fn new(data: T) -> Self {
            Self { raw: RawPrivate::new(), data: UnsafeCell::new(data) }
        }
    }
}

impl<T: Default, F: Futex<Private>> Default for Mutex<T, Private, F> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, F: Futex<Private>> From<T> for Mutex<T, Private, F> {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}

impl<T: ?Sized, F: Futex<Private>> Mutex<T, Private, F> {
    /// Takes the mutex; waits for it if another thread holds it. A thread that holds it
    /// itself waits for ever: see [`lock_checked`](Self::lock_checked).
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T, Private, F> {
        self.raw.lock_unchecked();
        self.guard()
    }

    /// Takes the mutex; waits for it if another thread holds it.
    ///
    /// # Errors
    /// [`Refused::Reentrant`] if the calling thread holds it: waiting would be for
    /// ever.
    #[inline]
    pub fn lock_checked(&self) -> Result<MutexGuard<'_, T, Private, F>, Refused> {
        self.raw.lock().map(|()| self.guard())
    }

    /// Takes the mutex if it is free.
    ///
    /// # Errors
    /// [`Refused::Busy`], [`Refused::Reentrant`].
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T, Private, F>, Refused> {
        self.raw.try_lock().map(|()| self.guard())
    }

    /// Takes the mutex; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], [`Refused::Reentrant`].
    #[inline]
    pub fn lock_for(&self, timeout: Duration) -> Result<MutexGuard<'_, T, Private, F>, Refused> {
        self.raw.lock_for(timeout).map(|()| self.guard())
    }

    /// Takes the mutex; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], [`Refused::Reentrant`].
    #[inline]
    pub fn lock_until(
        &self,
        deadline: Deadline<F>,
    ) -> Result<MutexGuard<'_, T, Private, F>, Refused> {
        self.raw.lock_until(deadline).map(|()| self.guard())
    }
}

impl<F: Owners> RawShared<F> {
    const_unless_modelled! {
        /// Makes a free lock.
        ///
        /// # Safety
        /// Once the lock was taken, it stays in its place, mapped and not moved,
        /// until it is given up, or for ever if it is never: the system looks for
        /// it there when its owner dies. So does a lock made of all-zero memory.
        pub unsafe fn new() -> Self {
            Self::free()
        }
    }
}

/// What taking a process-shared mutex gives.
type Locked<'a, T, F> =
    Result<MutexGuard<'a, T, Shared, F>, LockError<MutexGuard<'a, T, Shared, F>>>;

impl<T: FromBytes, F: Owners> Mutex<T, Shared, F> {
    const_unless_modelled! {
        /// Makes a free mutex around `data`.
        ///
        /// # Safety
        /// As [`RawShared::new`]: once taken, it stays in its place. Memory that
        /// is never unmapped, a `static` or a leaked box will do.
        pub unsafe fn new(data: T) -> Self {
            Self {
                raw: RawShared::free(),
                data: UnsafeCell::new(data),
            }
        }
    }

    /// Takes the mutex; waits for it if another holds it.
    ///
    /// # Errors
    /// [`LockError::OwnerDied`] with the guard if the last owner died with it;
    /// [`Refused::Reentrant`], [`Refused::NotRecoverable`], [`Refused::NoOwner`].
    #[inline]
    pub fn lock(&self) -> Locked<'_, T, F> {
        self.locked(self.raw.lock())
    }

    /// Takes the mutex if it is free, or its owner is known to be dead.
    ///
    /// # Errors
    /// [`Refused::Busy`], and as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Locked<'_, T, F> {
        self.locked(self.raw.try_lock())
    }

    /// Takes the mutex; waits for it at most for `timeout`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`lock`](Self::lock).
    #[inline]
    pub fn lock_for(&self, timeout: Duration) -> Locked<'_, T, F> {
        self.locked(self.raw.lock_for(timeout))
    }

    /// Takes the mutex; waits for it at most until `deadline`.
    ///
    /// # Errors
    /// [`Refused::TimedOut`], and as [`lock`](Self::lock).
    #[inline]
    pub fn lock_until(&self, deadline: Deadline<F>) -> Locked<'_, T, F> {
        self.locked(self.raw.lock_until(deadline))
    }

    #[inline]
    fn locked(&self, taken: Result<Taken, Refused>) -> Locked<'_, T, F> {
        match taken {
            Ok(Taken::Clean) => Ok(self.guard()),
            Ok(Taken::OwnerDied) => Err(LockError::OwnerDied(self.guard())),
            Err(refused) => Err(LockError::Refused(refused)),
        }
    }
}

#[cfg(all(test, any(farend_loom, farend_shuttle)))]
impl<T: FromBytes, F: Owners> Mutex<T, Shared, F> {
    /// A free mutex in a model, which moves none.
    pub(crate) fn modelled(data: T) -> Self {
        Self { raw: RawShared::free(), data: UnsafeCell::new(data) }
    }

    /// The lock without its data.
    pub(crate) fn raw(&self) -> &RawShared<F> {
        &self.raw
    }
}

impl<T, S: MutexScope<F>, F> Mutex<T, S, F> {
    /// The data, which nobody else can reach any more.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> Mutex<T, S, F> {
    #[inline]
    fn guard(&self) -> MutexGuard<'_, T, S, F> {
        MutexGuard { mutex: self, stays_in_its_thread: PhantomData }
    }

    /// The data, which nobody else can reach now.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<'a, T: ?Sized, S: MutexScope<F>, F> MutexGuard<'a, T, S, F> {
    /// The mutex that the guard holds.
    #[must_use]
    pub fn mutex(guard: &Self) -> &'a Mutex<T, S, F> {
        guard.mutex
    }

    /// Gives the mutex up, and says if it was not this thread's to give: the
    /// guard of a thread that forked is in the child too.
    ///
    /// # Errors
    /// [`NotOwner`]; nothing is changed.
    #[inline]
    pub fn unlock(guard: Self) -> Result<(), NotOwner> {
        let guard = ManuallyDrop::new(guard);
        guard.mutex.raw.unlock()
    }
}

impl<T: FromBytes, F: Owners> MutexGuard<'_, T, Shared, F> {
    /// Says that the data is sound again after [`LockError::OwnerDied`].
    ///
    /// # Errors
    /// [`NotOwner`] in the child of a fork.
    pub fn make_consistent(guard: &Self) -> Result<(), NotOwner> {
        guard.mutex.raw.make_consistent()
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> Deref for MutexGuard<'_, T, S, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock as long as the guard lives, and no
        // other guard of the mutex can live beside it.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> DerefMut for MutexGuard<'_, T, S, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and the guard itself is borrowed exclusively.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> Drop for MutexGuard<'_, T, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.raw.give_up(Permit::GRANTED);
    }
}

impl<T: ?Sized + fmt::Debug, S: MutexScope<F>, F> fmt::Debug for MutexGuard<'_, T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> fmt::Debug for Mutex<T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mutex").field("raw", &self.raw).finish_non_exhaustive()
    }
}
