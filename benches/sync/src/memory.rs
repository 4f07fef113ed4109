//! Memory that two processes share, for those contenders that bring none.
#![expect(unsafe_code, reason = "a mapping of shared memory is a pointer from the kernel")]

use std::{fs::File, marker::PhantomData, ops::Deref, ptr, ptr::NonNull};

use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A type that shared memory may hold.
///
/// # Safety
///
/// All zeros are a valid value, and another process may use the value through
/// a shared reference at the same time.
pub(crate) unsafe trait Shareable: Sync {}

/// A value in shared memory, zeros at first.
#[derive(Debug)]
pub(crate) struct Memory<T> {
    start: NonNull<T>,
    value: PhantomData<T>,
}

impl<T: Shareable> Memory<T> {
    /// Maps the start of a file, which it makes long enough.
    pub(crate) fn of(file: &File) -> Result<Self> {
        file.set_len(size_of::<T>() as u64).context("cannot size shared memory")?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address where nothing is.
        let start =
            unsafe { mmap(ptr::null_mut(), size_of::<T>(), protection, MapFlags::SHARED, file, 0) };
        let start = start.context("cannot map shared memory")?;
        let start = NonNull::new(start.cast()).context("shared memory at address zero")?;
        Ok(Self { start, value: PhantomData })
    }
}

impl<T> Deref for Memory<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `start` is mapped until `self` is dropped, aligned to a page,
        // and `Shareable` says that its zeros are a value.
        unsafe { self.start.as_ref() }
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` in this size; no reference outlives `self`.
        let _unmapped = unsafe { munmap(self.start.as_ptr().cast(), size_of::<T>()) };
    }
}

// SAFETY: `Shareable` types may be used by other processes at once, the more
// so by other threads; only `drop` needs the owner.
unsafe impl<T: Shareable> Send for Memory<T> {}
// SAFETY: as above.
unsafe impl<T: Shareable> Sync for Memory<T> {}
