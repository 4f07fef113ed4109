//! The C library's mutex, process-shared, with and without owner death.
#![expect(unsafe_code, reason = "the C library's mutex is used through pointers")]

use std::{cell::UnsafeCell, fs::File, mem::MaybeUninit};

use anyhow::{Context, Result, bail};
use libc::{
    PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED, pthread_mutex_init, pthread_mutex_lock,
    pthread_mutex_t, pthread_mutex_unlock, pthread_mutexattr_init, pthread_mutexattr_setpshared,
    pthread_mutexattr_setrobust,
};
use rustix::fs::{MemfdFlags, memfd_create};

use super::Lock;
use crate::memory::{Memory, Shareable};

#[derive(Debug)]
struct Inside {
    mutex: UnsafeCell<pthread_mutex_t>,
    number: UnsafeCell<u64>,
}

// SAFETY: the number is used under the mutex only, which may be used by any
// thread of any process once it is initialised; on Linux zeros are a mutex.
unsafe impl Sync for Inside {}
// SAFETY: as above.
unsafe impl Shareable for Inside {}

/// Process-shared.
#[derive(Debug)]
pub(crate) struct Pthread(Memory<Inside>);

/// Process-shared and robust: a dead owner is reported.
#[derive(Debug)]
pub(crate) struct Robust(Pthread);

impl Pthread {
    fn make(is_robust: bool) -> Result<Self> {
        let memory = memfd_create("farend-bench", MemfdFlags::CLOEXEC);
        let memory = Memory::<Inside>::of(&File::from(memory.context("cannot share memory")?))?;
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: initialises what it points to.
        let mut error = unsafe { pthread_mutexattr_init(attributes.as_mut_ptr()) };
        // SAFETY: the attributes are initialised.
        error |= unsafe {
            pthread_mutexattr_setpshared(attributes.as_mut_ptr(), PTHREAD_PROCESS_SHARED)
        };
        if is_robust {
            // SAFETY: the attributes are initialised.
            error |= unsafe {
                pthread_mutexattr_setrobust(attributes.as_mut_ptr(), PTHREAD_MUTEX_ROBUST)
            };
        }
        // SAFETY: nobody else knows this memory yet, and it stays where it is.
        error |= unsafe { pthread_mutex_init(memory.mutex.get(), attributes.as_ptr()) };
        if error == 0 { Ok(Self(memory)) } else { bail!("the C library makes no such mutex") }
    }
}

impl Lock for Pthread {
    fn new() -> Result<Self> {
        Self::make(false)
    }

    #[inline(always)]
    fn add(&self) {
        // SAFETY: the mutex was initialised and does not move.
        let error = unsafe { pthread_mutex_lock(self.0.mutex.get()) };
        assert_eq!(error, 0, "nobody died here");
        // SAFETY: the mutex is locked, so that nobody else uses the number.
        unsafe { *self.0.number.get() += 1 };
        // SAFETY: locked above by this thread.
        unsafe { pthread_mutex_unlock(self.0.mutex.get()) };
    }

    fn hold(&self, action: impl FnOnce()) {
        // SAFETY: the mutex was initialised and does not move.
        let error = unsafe { pthread_mutex_lock(self.0.mutex.get()) };
        assert_eq!(error, 0, "nobody died here");
        action();
        // SAFETY: locked above by this thread.
        unsafe { pthread_mutex_unlock(self.0.mutex.get()) };
    }

    fn total(&self) -> u64 {
        // SAFETY: called once the threads of the run have ended.
        unsafe { *self.0.number.get() }
    }
}

impl Lock for Robust {
    fn new() -> Result<Self> {
        Pthread::make(true).map(Self)
    }

    #[inline(always)]
    fn add(&self) {
        self.0.add();
    }

    fn hold(&self, action: impl FnOnce()) {
        self.0.hold(action);
    }

    fn total(&self) -> u64 {
        self.0.total()
    }
}
