//! The backends that wait on addresses.

use core::num::NonZeroU32;

use farend_core::sync::{Clock, Futex, Private, Scope, Shared, Waited, primitive::AtomicU32};

use super::{
    os_sync::OsSyncKernel,
    sys,
    wait::{poll, wait, wake},
};
use crate::{
    Backend, Unavailable,
    parking::{self, ThreadParker},
    thread,
};

/// `os_sync_wait_on_address`: public, macOS 14.4 and iOS 17.4.
///
/// It is looked up when the program runs, so that one program starts on older
/// systems too. There, threads of one process block by the parking table of
/// [`Parking`](crate::Parking); words that processes share cannot be waited on:
/// [`Backend::check`] says so, and whoever does not ask waits by looking again each
/// millisecond.
///
/// Its clock is `mach_absolute_time`, which stands still while the machine sleeps.
///
/// # References
/// Apple's `os/os_sync_wait_on_address.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsSync {}

impl Clock for OsSync {
    #[inline]
    fn now_ns() -> u64 {
        sys::now_ns()
    }
}

impl<S: Scope> Futex<S> for OsSync {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        match sys::OsSyncCalls::new(word, expected, S::IS_SHARED) {
            Some(calls) => wait(&mut OsSyncKernel(calls), deadline_ns),
            None if S::IS_SHARED => poll(&mut sys::OnlyLooks { word, expected }, deadline_ns),
            None => parking::wait::<ThreadParker, Self>(word, expected, deadline_ns),
        }
    }

    fn wake_one(word: &AtomicU32) {
        if let Some(calls) = sys::OsSyncWakes::new(word, S::IS_SHARED) {
            wake(|| calls.wake_any(), super::refusals::remember);
        } else if !S::IS_SHARED {
            parking::wake_one::<ThreadParker>(word);
        }
    }

    fn wake_all(word: &AtomicU32) {
        if let Some(calls) = sys::OsSyncWakes::new(word, S::IS_SHARED) {
            wake(|| calls.wake_all(), super::refusals::remember);
        } else if !S::IS_SHARED {
            parking::wake_all::<ThreadParker>(word);
        }
    }

    #[inline]
    fn thread_id() -> NonZeroU32 {
        thread::id()
    }
}

impl Backend<Private> for OsSync {}

impl Backend<Shared> for OsSync {
    fn check() -> Result<(), Unavailable> {
        if sys::has_os_sync() { Ok(()) } else { Err(Unavailable::OsSync) }
    }
}

/// `__ulock_wait2` and `__ulock_wait`: not public, so not for the App Store.
///
/// The fewest steps into the kernel, and locks between processes from macOS 10.15.
/// Its clock is that of [`OsSync`].
#[cfg(feature = "private-apis")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ulock {}

#[cfg(feature = "private-apis")]
mod private_apis {
    use super::{
        super::{refusals, ulock},
        Backend, Clock, Futex, Private, Scope, Shared, Ulock, Unavailable, Waited, sys, thread,
        wait, wake,
    };
    use core::num::NonZeroU32;

    use farend_core::sync::primitive::AtomicU32;

    impl Clock for Ulock {
        #[inline]
        fn now_ns() -> u64 {
            sys::now_ns()
        }
    }

    impl<S: Scope> Futex<S> for Ulock {
        fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
            let calls = sys::ulock::Waits::new(word, expected, ulock::operation(S::IS_SHARED));
            wait(&mut ulock::UlockKernel(calls), deadline_ns)
        }

        fn wake_one(word: &AtomicU32) {
            let operation = ulock::wake_operation(S::IS_SHARED, false);
            wake(|| sys::ulock::wake(word, operation), refusals::remember);
        }

        fn wake_all(word: &AtomicU32) {
            let operation = ulock::wake_operation(S::IS_SHARED, true);
            wake(|| sys::ulock::wake(word, operation), refusals::remember);
        }

        #[inline]
        fn thread_id() -> NonZeroU32 {
            thread::id()
        }
    }

    impl Backend<Private> for Ulock {}

    impl Backend<Shared> for Ulock {
        fn check() -> Result<(), Unavailable> {
            let nobody = AtomicU32::new(0);
            let answer = sys::ulock::wake(&nobody, ulock::operation(true));
            if ulock::is_known(answer) { Ok(()) } else { Err(Unavailable::SharedUlock) }
        }
    }
}
