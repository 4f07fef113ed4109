//! No system at all: look again until the word changes.

use core::{marker::PhantomData, num::NonZeroU32};

use farend_core::sync::{
    Clock, Futex, NEVER, Scope, Spin as Spinning, Waited,
    primitive::{AtomicU32, Ordering, spin_loop},
};

use crate::Backend;

/// What firmware tells of itself.
pub trait Processor: Clock + 'static {
    /// Which core, task or interrupt level is running: from 1 to
    /// [`THREAD_ID_MAX`](farend_core::sync::THREAD_ID_MAX), one for all that can
    /// be interrupted by nothing that takes locks.
    fn thread_id() -> NonZeroU32;

    /// What to do between two looks, such as to wait for an event or to let
    /// another task run.
    #[inline]
    fn relax() {
        spin_loop();
    }
}

/// Blocks by looking again, for firmware: waits end as soon as another core, a
/// task or an interrupt stores another value. `P` brings the clock.
///
/// Nothing sleeps, so wakes do nothing. On one core without a scheduler the word
/// can only be changed by an interrupt.
///
/// ```
/// use core::num::NonZeroU32;
/// use core::sync::atomic::{AtomicU64, Ordering};
///
/// use farend_core::sync::{Clock, Futex, Private, Waited, primitive::AtomicU32};
/// use farend_futex::spin::{Processor, Spin};
///
/// /// Counted by an interrupt in firmware, by looking at it here.
/// static MICROSECONDS: AtomicU64 = AtomicU64::new(0);
///
/// enum Board {}
///
/// impl Clock for Board {
///     fn now_ns() -> u64 {
///         MICROSECONDS.fetch_add(1, Ordering::Relaxed) * 1_000
///     }
/// }
///
/// impl Processor for Board {
///     fn thread_id() -> NonZeroU32 {
///         NonZeroU32::MIN
///     }
/// }
///
/// let word = AtomicU32::new(7);
/// let waited = <Spin<Board> as Futex<Private>>::wait(&word, 7, Some(3_000_000));
/// assert_eq!(waited, Waited::TimedOut);
/// ```
#[derive(Debug)]
pub enum Spin<P> {
    /// Never made.
    #[doc(hidden)]
    Never(core::convert::Infallible, PhantomData<fn() -> P>),
}

/// How often the word is looked at for each look at the clock, which may be a
/// register behind a slow bus.
const LOOKS_PER_CLOCK: u32 = 32;

impl<P: Processor> Clock for Spin<P> {
    #[inline]
    fn now_ns() -> u64 {
        P::now_ns()
    }
}

impl<S: Scope, P: Processor> Futex<S> for Spin<P> {
    /// The wait itself spins.
    const SPIN: Spinning = Spinning::None;

    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        let deadline_ns = deadline_ns.filter(|&deadline_ns| deadline_ns != NEVER);
        loop {
            if deadline_ns.is_some_and(|deadline_ns| P::now_ns() >= deadline_ns) {
                return Waited::TimedOut;
            }
            for _ in 0..LOOKS_PER_CLOCK {
                // Relaxed: the caller looks at the word again, by its own order.
                if word.load(Ordering::Relaxed) != expected {
                    return Waited::Woken;
                }
                P::relax();
            }
        }
    }

    fn wake_one(_: &AtomicU32) {}

    fn wake_all(_: &AtomicU32) {}

    #[inline]
    fn thread_id() -> NonZeroU32 {
        P::thread_id()
    }
}

impl<S: Scope, P: Processor> Backend<S> for Spin<P> {}

#[cfg(all(test, not(target_os = "none")))]
mod tests {
    use farend_core::sync::Private;

    use super::*;
    use crate::Parking;

    enum Host {}

    impl Clock for Host {
        fn now_ns() -> u64 {
            Parking::now_ns()
        }
    }

    impl Processor for Host {
        fn thread_id() -> NonZeroU32 {
            crate::thread::id()
        }

        fn relax() {
            std::thread::yield_now();
        }
    }

    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        <Spin<Host> as Futex<Private>>::wait(word, expected, deadline_ns)
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_not_before() {
        let word = AtomicU32::new(0);
        for timeout_ns in [0, 1, 999, 2_000_000] {
            let deadline_ns = Host::now_ns() + timeout_ns;
            assert_eq!(wait(&word, 0, Some(deadline_ns)), Waited::TimedOut);
            assert!(Host::now_ns() >= deadline_ns);
        }
    }

    #[test]
    fn a_wait_ends_when_the_word_changes() {
        for deadline_ns in [None, Some(NEVER), Some(NEVER - 1)] {
            let word = AtomicU32::new(0);
            std::thread::scope(|scope| {
                let waiter = scope.spawn(|| wait(&word, 0, deadline_ns));
                word.store(1, Ordering::Relaxed);
                assert_eq!(waiter.join().unwrap(), Waited::Woken);
            });
        }
    }
}
