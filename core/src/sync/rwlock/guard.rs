//! Data behind a reader-writer lock, and the guards that reach it.
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
        mutex::Taken,
        owners::Owners,
        primitive::const_unless_modelled,
    },
    RawRwPrivate, RawRwShared, RwScope, RwUnlock, Ticket,
};

/// Data that many threads can read at a time, or one can write.
///
/// In the [`Shared`] scope the data must be free of pointers ([`FromBytes`]), and a
/// lock whose writer died is reported: [`LockError::OwnerDied`]. Who waits for
/// whom, in which scope: [`RawRwPrivate`], [`RawRwShared`].
#[repr(C)]
pub struct RwLock<T: ?Sized, S: RwScope<F>, F> {
    pub(super) raw: S::Raw,
    data: UnsafeCell<T>,
}

// SAFETY: readers share the data, writers send it in effect from thread to thread,
// and the lock keeps the two apart.
unsafe impl<T: ?Sized + Send + Sync, S: RwScope<F>, F> Sync for RwLock<T, S, F> {}

/// The data of a lock to read, until dropped.
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct ReadGuard<'a, T: ?Sized, S: RwScope<F>, F> {
    pub(super) lock: &'a RwLock<T, S, F>,
    pub(super) ticket: Ticket,
    stays_in_its_thread: PhantomData<*const ()>,
}

/// The data of a lock to write, until dropped.
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct WriteGuard<'a, T: ?Sized, S: RwScope<F>, F> {
    pub(super) lock: &'a RwLock<T, S, F>,
    stays_in_its_thread: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared data and nothing else.
unsafe impl<T: ?Sized + Sync, S: RwScope<F>, F> Sync for ReadGuard<'_, T, S, F> {}

// SAFETY: as above.
unsafe impl<T: ?Sized + Sync, S: RwScope<F>, F> Sync for WriteGuard<'_, T, S, F> {}

impl<F: Owners> RawRwShared<F> {
    const_unless_modelled! {
        /// Makes a free lock.
        ///
        /// # Safety
        /// As [`RawShared::new`](super::super::mutex::RawShared::new).
        pub unsafe fn new() -> Self {
            Self::free()
        }
    }
}

/// What taking a process-shared lock to read gives.
type Read<'a, T, F> = Result<ReadGuard<'a, T, Shared, F>, LockError<ReadGuard<'a, T, Shared, F>>>;

/// What taking a process-shared lock to write gives.
type Written<'a, T, F> =
    Result<WriteGuard<'a, T, Shared, F>, LockError<WriteGuard<'a, T, Shared, F>>>;

/// The eight ways to take a lock, which differ only in the types of two scopes.
macro_rules! ways_to_take {
    (
        $( $(#[$document:meta])* $name:ident($($argument:ident: $type:ty)?) -> $result:ty, $finish:ident; )+
    ) => { $(
        $(#[$document])*
        #[inline]
        pub fn $name(&self $(, $argument: $type)?) -> $result {
            self.$finish(self.raw.$name($($argument)?))
        }
    )+ };
}

impl<T, F: Futex<Private>> RwLock<T, Private, F> {
    const_unless_modelled! {
        /// Makes a free lock around `data`.
        pub fn new(data: T) -> Self {
            Self { raw: RawRwPrivate::new(), data: UnsafeCell::new(data) }
        }
    }
}

impl<T: Default, F: Futex<Private>> Default for RwLock<T, Private, F> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T, F: Futex<Private>> From<T> for RwLock<T, Private, F> {
    fn from(data: T) -> Self {
        Self::new(data)
    }
}

impl<'a, T: ?Sized, F: Futex<Private>> WriteGuard<'a, T, Private, F> {
    /// Goes on reading what was written, together with others who read; no writer comes
    /// in between.
    pub fn downgrade(guard: Self) -> ReadGuard<'a, T, Private, F> {
        let guard = ManuallyDrop::new(guard);
        let ticket = guard.lock.raw.downgrade();
        guard.lock.read_guard(ticket)
    }
}

impl<T: ?Sized, F: Futex<Private>> RwLock<T, Private, F> {
    /// Takes the lock to read; waits while a writer holds it or sleeps for it. A thread that
    /// holds it to write itself waits for ever: see [`read_checked`](Self::read_checked).
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T, Private, F> {
        self.read_guard(self.raw.read())
    }

    /// Takes the lock to write; waits until nobody holds it. A thread that holds it itself
    /// waits for ever: see [`write_checked`](Self::write_checked).
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T, Private, F> {
        self.raw.write();
        self.write_guard()
    }

    ways_to_take! {
        /// Takes the lock to read; waits while a writer holds it or sleeps for it.
        ///
        /// # Errors
        /// [`Refused::Reentrant`] if the calling thread holds it to write,
        /// [`Refused::TooManyReaders`].
        read_checked() -> Result<ReadGuard<'_, T, Private, F>, Refused>, has_read;
        /// Takes the lock to read if that needs no waiting.
        ///
        /// # Errors
        /// [`Refused::Busy`], and as [`read_checked`](Self::read_checked).
        try_read() -> Result<ReadGuard<'_, T, Private, F>, Refused>, has_read;
        /// Takes the lock to read; waits for it at most for `timeout`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`read_checked`](Self::read_checked).
        read_for(timeout: Duration) -> Result<ReadGuard<'_, T, Private, F>, Refused>, has_read;
        /// Takes the lock to read; waits for it at most until `deadline`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`read_checked`](Self::read_checked).
        read_until(deadline: Deadline<F>) -> Result<ReadGuard<'_, T, Private, F>, Refused>, has_read;
        /// Takes the lock to write; waits until nobody holds it.
        ///
        /// # Errors
        /// [`Refused::Reentrant`] if the calling thread holds it to write.
        write_checked() -> Result<WriteGuard<'_, T, Private, F>, Refused>, has_written;
        /// Takes the lock to write if nobody holds it.
        ///
        /// # Errors
        /// [`Refused::Busy`], and as [`write_checked`](Self::write_checked).
        try_write() -> Result<WriteGuard<'_, T, Private, F>, Refused>, has_written;
        /// Takes the lock to write; waits for it at most for `timeout`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`write_checked`](Self::write_checked).
        write_for(timeout: Duration) -> Result<WriteGuard<'_, T, Private, F>, Refused>, has_written;
        /// Takes the lock to write; waits for it at most until `deadline`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`write_checked`](Self::write_checked).
        write_until(deadline: Deadline<F>) -> Result<WriteGuard<'_, T, Private, F>, Refused>, has_written;
    }

    fn has_read(
        &self,
        taken: Result<Ticket, Refused>,
    ) -> Result<ReadGuard<'_, T, Private, F>, Refused> {
        taken.map(|ticket| self.read_guard(ticket))
    }

    fn has_written(
        &self,
        taken: Result<(), Refused>,
    ) -> Result<WriteGuard<'_, T, Private, F>, Refused> {
        taken.map(|()| self.write_guard())
    }
}

impl<T: FromBytes, F: Owners> RwLock<T, Shared, F> {
    const_unless_modelled! {
        /// Makes a free lock around `data`.
        ///
        /// # Safety
        /// As [`RawShared::new`](super::super::mutex::RawShared::new).
        pub unsafe fn new(data: T) -> Self {
            Self {
                raw: RawRwShared::free(),
                data: UnsafeCell::new(data),
            }
        }
    }

    ways_to_take! {
        /// Takes the lock to read; waits while a writer holds it or waits for it.
        ///
        /// # Errors
        /// [`LockError::OwnerDied`] with the guard if a writer died while it wrote:
        /// the data may be half written. [`Refused::Reentrant`],
        /// [`Refused::NotRecoverable`], [`Refused::NoOwner`].
        read() -> Read<'_, T, F>, has_read;
        /// Takes the lock to read if that needs no waiting.
        ///
        /// # Errors
        /// [`Refused::Busy`], and as [`read`](Self::read).
        try_read() -> Read<'_, T, F>, has_read;
        /// Takes the lock to read; waits for it at most for `timeout`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`read`](Self::read).
        read_for(timeout: Duration) -> Read<'_, T, F>, has_read;
        /// Takes the lock to read; waits for it at most until `deadline`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`read`](Self::read).
        read_until(deadline: Deadline<F>) -> Read<'_, T, F>, has_read;
        /// Takes the lock to write; waits until nobody holds it.
        ///
        /// # Errors
        /// [`LockError::OwnerDied`] with the guard if a writer died while it wrote;
        /// [`Refused::Reentrant`], [`Refused::NotRecoverable`],
        /// [`Refused::NoOwner`].
        write() -> Written<'_, T, F>, has_written;
        /// Takes the lock to write if nobody holds it.
        ///
        /// # Errors
        /// [`Refused::Busy`], and as [`write`](Self::write).
        try_write() -> Written<'_, T, F>, has_written;
        /// Takes the lock to write; waits for it at most for `timeout`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`write`](Self::write).
        write_for(timeout: Duration) -> Written<'_, T, F>, has_written;
        /// Takes the lock to write; waits for it at most until `deadline`.
        ///
        /// # Errors
        /// [`Refused::TimedOut`], and as [`write`](Self::write).
        write_until(deadline: Deadline<F>) -> Written<'_, T, F>, has_written;
    }

    fn has_read(&self, taken: Result<(Ticket, Taken), Refused>) -> Read<'_, T, F> {
        match taken? {
            (ticket, Taken::Clean) => Ok(self.read_guard(ticket)),
            (ticket, Taken::OwnerDied) => Err(LockError::OwnerDied(self.read_guard(ticket))),
        }
    }

    fn has_written(&self, taken: Result<Taken, Refused>) -> Written<'_, T, F> {
        match taken? {
            Taken::Clean => Ok(self.write_guard()),
            Taken::OwnerDied => Err(LockError::OwnerDied(self.write_guard())),
        }
    }
}

impl<T, S: RwScope<F>, F> RwLock<T, S, F> {
    /// The data, which nobody else can reach any more.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized, S: RwScope<F>, F> RwLock<T, S, F> {
    #[inline]
    fn read_guard(&self, ticket: Ticket) -> ReadGuard<'_, T, S, F> {
        ReadGuard { lock: self, ticket, stays_in_its_thread: PhantomData }
    }

    #[inline]
    fn write_guard(&self) -> WriteGuard<'_, T, S, F> {
        WriteGuard { lock: self, stays_in_its_thread: PhantomData }
    }

    /// The data, which nobody else can reach now.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<'a, T: FromBytes, F: Owners> WriteGuard<'a, T, Shared, F> {
    /// Goes on reading what was written, together with others who read; no writer comes in
    /// between. Data that was not made consistent after [`LockError::OwnerDied`] is told to
    /// all who come as it was to this writer.
    ///
    /// # Errors
    /// [`NotOwner`] in the child of a fork, whose guard gives nothing up.
    pub fn downgrade_checked(guard: Self) -> Result<ReadGuard<'a, T, Shared, F>, NotOwner> {
        let guard = ManuallyDrop::new(guard);
        let ticket = guard.lock.raw.downgrade()?;
        Ok(guard.lock.read_guard(ticket))
    }
}

impl<T: FromBytes, F: Owners> WriteGuard<'_, T, Shared, F> {
    /// Says that the data is sound again after [`LockError::OwnerDied`].
    ///
    /// # Errors
    /// [`NotOwner`] in the child of a fork.
    pub fn make_consistent(guard: &Self) -> Result<(), NotOwner> {
        guard.lock.raw.make_consistent()
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Deref for ReadGuard<'_, T, S, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock to read as long as the guard lives, so
        // there is no writer.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Deref for WriteGuard<'_, T, S, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock to write as long as the guard lives, so
        // there is no other guard.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> DerefMut for WriteGuard<'_, T, S, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and the guard itself is borrowed exclusively.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Drop for ReadGuard<'_, T, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock_read(self.ticket);
    }
}

impl<T: ?Sized, S: RwScope<F>, F> Drop for WriteGuard<'_, T, S, F> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock_write();
    }
}

impl<T: ?Sized + fmt::Debug, S: RwScope<F>, F> fmt::Debug for ReadGuard<'_, T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: ?Sized + fmt::Debug, S: RwScope<F>, F> fmt::Debug for WriteGuard<'_, T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

impl<T: ?Sized, S: RwScope<F>, F> fmt::Debug for RwLock<T, S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RwLock").field("raw", &self.raw).finish_non_exhaustive()
    }
}
