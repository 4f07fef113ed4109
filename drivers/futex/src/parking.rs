//! Threads of one process, asleep each on something of its own, and a table of
//! who sleeps for which word.
//!
//! For systems that cannot wait on an address. What a thread sleeps on is a
//! [`Parker`]: a mutex and a condition variable ([`Parking`]), or a semaphore of
//! Mach. Each thread has one, made when it first sleeps and gone with it, so their
//! number never exceeds that of threads.

mod table;
#[cfg(test)]
mod tests;
mod thread;

use core::num::NonZeroU32;

use farend_core::sync::{
    Clock, Futex, Private, Waited,
    primitive::{AtomicU32, Ordering},
};

pub use self::thread::Parking;
pub(crate) use self::{table::Table, thread::ThreadParker};

/// Why a thread is no longer asleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parked {
    /// Another thread unparked it, now or before it slept.
    Unparked,
    /// The deadline is past.
    TimedOut,
    /// It has nothing to sleep on any more.
    #[cfg_attr(
        not(any(target_vendor = "apple", test)),
        expect(dead_code, reason = "semaphores can be gone, condition variables cannot")
    )]
    Broken,
}

/// What one thread sleeps on.
pub(crate) trait Parker: Sized {
    /// How others name it, to wake the thread.
    type Handle: Clone + 'static;

    /// Who sleeps on this kind of parker.
    fn table() -> &'static Table<Self::Handle>;

    /// Does something with the calling thread's parker, which is made if need be.
    /// `None` if the system has none to give.
    fn with_own<R>(action: impl FnOnce(&Self) -> R) -> Option<R>;

    /// Sleeps without a parker, and without a deadline worth speaking of.
    fn nap();

    /// This parker's name.
    fn handle(&self) -> Self::Handle;

    /// Blocks until unparked; each [`unpark`](Self::unpark) ends one.
    fn park<C: Clock>(&self, deadline_ns: Option<u64>) -> Parked;

    /// Ends one [`park`](Self::park) of the handle's parker, this one or the next.
    fn unpark(handle: &Self::Handle);
}

/// [`Futex::wait`], asleep on the thread's own parker.
pub(crate) fn wait<P: Parker, C: Clock>(
    word: &AtomicU32,
    expected: u32,
    deadline_ns: Option<u64>,
) -> Waited {
    if deadline_ns.is_some_and(|deadline_ns| C::now_ns() >= deadline_ns) {
        return Waited::TimedOut;
    }
    let waited = P::with_own(|parker| {
        // Under the table's lock, so that a wake sees the thread in the table, or
        // the thread sees what was stored before the wake.
        let is_expected = || word.load(Ordering::Relaxed) == expected;
        let Some(place) = P::table().enter(address(word), parker.handle(), is_expected) else {
            return Waited::Woken;
        };
        match parker.park::<C>(deadline_ns) {
            Parked::Unparked => Waited::Woken,
            Parked::TimedOut if P::table().leave(place) => Waited::TimedOut,
            // Taken out and unparked by a wake at the last moment: it must not be
            // left over for the next sleep, nor be lost to another sleeper.
            Parked::TimedOut => {
                parker.park::<C>(None);
                Waited::Woken
            }
            Parked::Broken => {
                P::table().leave(place);
                Waited::Woken
            }
        }
    });
    waited.unwrap_or_else(|| {
        P::nap();
        Waited::Woken
    })
}

/// [`Futex::wake_one`].
pub(crate) fn wake_one<P: Parker>(word: &AtomicU32) {
    P::table().wake(address(word), 1, P::unpark);
}

/// [`Futex::wake_all`].
pub(crate) fn wake_all<P: Parker>(word: &AtomicU32) {
    P::table().wake(address(word), usize::MAX, P::unpark);
}

fn address(word: &AtomicU32) -> usize {
    core::ptr::from_ref(word).addr()
}

impl Futex<Private> for Parking {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        wait::<ThreadParker, Self>(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        wake_one::<ThreadParker>(word);
    }

    fn wake_all(word: &AtomicU32) {
        wake_all::<ThreadParker>(word);
    }

    #[inline]
    fn thread_id() -> NonZeroU32 {
        crate::thread::id()
    }
}
