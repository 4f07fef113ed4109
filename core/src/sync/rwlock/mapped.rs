//! A part of the data behind a reader-writer lock.
#![expect(unsafe_code, reason = "the part is reached by whoever holds the lock")]

use core::{
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use super::{ReadGuard, RwScope, RwUnlock, Ticket, WriteGuard};

/// A part of the data of a lock to read, until dropped: see [`ReadGuard::map`].
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct MappedReadGuard<'a, T: ?Sized, S: RwScope<F>, F> {
    raw: &'a S::Raw,
    ticket: Ticket,
    part: NonNull<T>,
    /// The part is borrowed as by a guard, and stays in its thread.
    borrowed: PhantomData<(&'a T, *const ())>,
}

/// A part of the data of a lock to write, until dropped: see [`WriteGuard::map`].
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct MappedWriteGuard<'a, T: ?Sized, S: RwScope<F>, F> {
    raw: &'a S::Raw,
    part: NonNull<T>,
    borrowed: PhantomData<(&'a mut T, *const ())>,
}

// SAFETY: a shared guard gives shared data and nothing else.
unsafe impl<T: ?Sized + Sync, S: RwScope<F>, F> Sync for MappedReadGuard<'_, T, S, F> {}

// SAFETY: as above.
unsafe impl<T: ?Sized + Sync, S: RwScope<F>, F> Sync for MappedWriteGuard<'_, T, S, F> {}

impl<'a, T: ?Sized, S: RwScope<F>, F> ReadGuard<'a, T, S, F> {
    /// Keeps the lock for a part of the data.
    pub fn map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> &U,
    ) -> MappedReadGuard<'a, U, S, F> {
        let part = NonNull::from(part(&guard));
        let guard = ManuallyDrop::new(guard);
        let (raw, ticket) = (&guard.lock.raw, guard.ticket);
        MappedReadGuard { raw, ticket, part, borrowed: PhantomData }
    }
}

impl<'a, T: ?Sized, S: RwScope<F>, F> WriteGuard<'a, T, S, F> {
    /// Keeps the lock for a part of the data.
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedWriteGuard<'a, U, S, F> {
        let part = NonNull::from(part(&mut guard));
        let guard = ManuallyDrop::new(guard);
        MappedWriteGuard { raw: &guard.lock.raw, part, borrowed: PhantomData }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Deref for MappedReadGuard<'_, T, S, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: borrowed from the data, which nobody writes as long as the guard lives.
        unsafe { self.part.as_ref() }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Deref for MappedWriteGuard<'_, T, S, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: borrowed from the data, which this thread holds as long as the guard lives.
        unsafe { self.part.as_ref() }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> DerefMut for MappedWriteGuard<'_, T, S, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and the guard itself is borrowed exclusively.
        unsafe { self.part.as_mut() }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Drop for MappedReadGuard<'_, T, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.raw.unlock_read(self.ticket);
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Drop for MappedWriteGuard<'_, T, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.raw.unlock_write();
    }
}

impl<T: ?Sized + fmt::Debug, S: RwScope<F>, F> fmt::Debug for MappedReadGuard<'_, T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: ?Sized + fmt::Debug, S: RwScope<F>, F> fmt::Debug for MappedWriteGuard<'_, T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}
