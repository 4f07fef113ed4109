//! A part of the data behind a mutex.
#![expect(unsafe_code, reason = "the part is reached by whoever holds the lock")]

use core::{
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use super::{super::owners::Permit, MutexGuard, MutexScope, Unlock};

/// A part of the data of a mutex, until dropped: see [`MutexGuard::map`].
#[must_use = "the mutex is given up as soon as the guard is dropped"]
pub struct MappedMutexGuard<'a, T: ?Sized, S: MutexScope<F>, F> {
    raw: &'a S::Raw,
    part: NonNull<T>,
    /// The part is borrowed as by a guard, and stays in its thread.
    borrowed: PhantomData<(&'a mut T, *const ())>,
}

// SAFETY: a shared guard gives shared data and nothing else.
unsafe impl<T: ?Sized + Sync, S: MutexScope<F>, F> Sync for MappedMutexGuard<'_, T, S, F> {}

impl<'a, T: ?Sized, S: MutexScope<F>, F> MutexGuard<'a, T, S, F> {
    /// Keeps the lock for a part of the data.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U, S, F> {
        let part = NonNull::from(part(&mut guard));
        let guard = ManuallyDrop::new(guard);
        MappedMutexGuard { raw: &MutexGuard::mutex(&guard).raw, part, borrowed: PhantomData }
    }

    /// Keeps the lock for a part of the data, if there is one; gives the guard back if not.
    ///
    /// # Errors
    /// The guard.
    pub fn try_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U, S, F>, Self> {
        let Some(part) = part(&mut guard).map(NonNull::from) else { return Err(guard) };
        let guard = ManuallyDrop::new(guard);
        Ok(MappedMutexGuard { raw: &MutexGuard::mutex(&guard).raw, part, borrowed: PhantomData })
    }
}

impl<'a, T: ?Sized, S: MutexScope<F>, F> MappedMutexGuard<'a, T, S, F> {
    /// Keeps the lock for a part of the part.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U, S, F> {
        let part = NonNull::from(part(&mut guard));
        let guard = ManuallyDrop::new(guard);
        MappedMutexGuard { raw: guard.raw, part, borrowed: PhantomData }
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> Deref for MappedMutexGuard<'_, T, S, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: borrowed from the data, which this thread holds as long as the guard lives.
        unsafe { self.part.as_ref() }
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> DerefMut for MappedMutexGuard<'_, T, S, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and the guard itself is borrowed exclusively.
        unsafe { self.part.as_mut() }
    }
}

impl<T: ?Sized, S: MutexScope<F>, F> Drop for MappedMutexGuard<'_, T, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.raw.give_up(Permit::GRANTED);
    }
}

impl<T: ?Sized + fmt::Debug, S: MutexScope<F>, F> fmt::Debug for MappedMutexGuard<'_, T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}
