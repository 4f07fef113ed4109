//! Semaphores of Mach, one for each thread that has slept.

use core::{cell::RefCell, num::NonZeroU32, time::Duration};
use std::thread;

use farend_core::sync::{Clock, Futex, Private, Waited, primitive::AtomicU32};

use super::{
    semaphore::{self, Calls, Timespec},
    sys,
};
use crate::{
    Backend, Unavailable,
    parking::{self, Parked, Parker, Table},
};

/// Semaphores of Mach: public, on every Darwin, for threads of one process.
///
/// A semaphore is a right of one task: it cannot stand in shared memory, and
/// nothing but a message hands it over. So there is no shared scope, and a lock
/// between processes does not compile:
///
/// ```compile_fail,E0277
/// use farend_core::sync::{Futex, Shared};
/// fn is_shared<F: Futex<Shared>>() {}
/// is_shared::<farend_futex::darwin::Mach>();
/// ```
///
/// Each thread makes one semaphore when it first sleeps and gives the right back
/// when it ends, so the number of ports is at most that of threads, however often
/// they sleep. After a fork the child's thread makes a new one.
///
/// Its clock is `mach_absolute_time`, which stands still while the machine sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mach {}

impl Clock for Mach {
    #[inline]
    fn now_ns() -> u64 {
        sys::now_ns()
    }
}

impl Futex<Private> for Mach {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        parking::wait::<SemaphoreParker, Self>(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        parking::wake_one::<SemaphoreParker>(word);
    }

    fn wake_all(word: &AtomicU32) {
        parking::wake_all::<SemaphoreParker>(word);
    }

    #[inline]
    fn thread_id() -> NonZeroU32 {
        crate::thread::id()
    }
}

impl Backend<Private> for Mach {
    fn check() -> Result<(), Unavailable> {
        SemaphoreParker::with_own(|_| ()).ok_or(Unavailable::Semaphore)
    }
}

/// A thread's semaphore.
struct SemaphoreParker(sys::Semaphore);

thread_local! {
    static OWN: RefCell<Option<SemaphoreParker>> = const { RefCell::new(None) };
}

impl Parker for SemaphoreParker {
    type Handle = sys::SemaphoreName;

    fn table() -> &'static Table<sys::SemaphoreName> {
        static TABLE: Table<sys::SemaphoreName> = Table::new();
        &TABLE
    }

    fn with_own<R>(action: impl FnOnce(&Self) -> R) -> Option<R> {
        let act = |own: &RefCell<Option<Self>>| {
            // Borrowed already only inside a signal handler that interrupted a
            // sleep: it naps.
            let mut own = own.try_borrow_mut().ok()?;
            if own.as_ref().is_some_and(|parker| !parker.0.is_own()) {
                *own = None;
            }
            if own.is_none() {
                *own = sys::Semaphore::new().map(Self);
            }
            own.as_ref().map(action)
        };
        OWN.try_with(act).ok().flatten()
    }

    fn nap() {
        thread::sleep(Duration::from_micros(100));
    }

    fn handle(&self) -> sys::SemaphoreName {
        self.0.name()
    }

    fn park<C: Clock>(&self, deadline_ns: Option<u64>) -> Parked {
        semaphore::park(&mut OneSemaphore::<C>(&self.0, core::marker::PhantomData), deadline_ns)
    }

    fn unpark(handle: &sys::SemaphoreName) {
        sys::signal(*handle);
    }
}

struct OneSemaphore<'a, C>(&'a sys::Semaphore, core::marker::PhantomData<fn() -> C>);

impl<C: Clock> Calls for OneSemaphore<'_, C> {
    fn now_ns(&mut self) -> u64 {
        C::now_ns()
    }

    fn wait(&mut self) -> i32 {
        self.0.wait()
    }

    fn timedwait(&mut self, time: Timespec) -> i32 {
        self.0.timedwait(time)
    }
}
