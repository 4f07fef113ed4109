//! How long a thread waits: first awake, then asleep, at most until a deadline.

use core::marker::PhantomData;

use super::{
    futex::{Clock, Futex, NEVER, Scope, Spin, Waited},
    primitive::{AtomicU32, spin_loop},
};

/// How long a thread spins before it blocks.
pub const SPIN_NS: u64 = 2_000;

/// Pauses between two looks at the clock, which costs as much as several pauses.
const PAUSES_PER_LOOK: u32 = 16;

/// Pauses between two looks at a lock that others want too. Of 16 to 128 a middle one:
/// fewer take the line from its holder more often, more leave the lock free for longer.
const PAUSES_AWAY: u32 = 64;

/// Looks at the clock after which spinning ends even if the clock stands still.
const LOOKS_MAX: u32 = 1_000;

/// The deadline of a wait of `timeout_ns` from now.
pub(super) fn deadline_after<C: Clock>(timeout_ns: u64) -> Option<u64> {
    if timeout_ns == NEVER { None } else { deadline(C::now_ns().saturating_add(timeout_ns)) }
}

/// The deadline as a wait takes it: [`NEVER`] is none.
pub(super) const fn deadline(deadline_ns: u64) -> Option<u64> {
    if deadline_ns == NEVER { None } else { Some(deadline_ns) }
}

/// Looks again and again for about [`SPIN_NS`], with the processor's hint that
/// nothing else happens here. Returns whether `is_there` did.
#[cold]
pub(super) fn spin<S: Scope, F: Futex<S>>(mut is_there: impl FnMut() -> bool) -> bool {
    if F::SPIN == Spin::None {
        return false;
    }
    let mut end_ns = None;
    for _ in 0..LOOKS_MAX {
        for _ in 0..PAUSES_PER_LOOK {
            spin_loop();
            if is_there() {
                return true;
            }
        }
        let now_ns = F::now_ns();
        if now_ns >= *end_ns.get_or_insert(now_ns.saturating_add(SPIN_NS)) {
            break;
        }
    }
    false
}

/// As [`spin`], for a lock that others hold for short times, again and again.
///
/// Each look takes the lock's cache line from its holder, who then works more slowly
/// for both. So looks are rare, and the clock is read at each.
#[cold]
pub(super) fn spin_for_lock<S: Scope, F: Futex<S>>(mut is_taken: impl FnMut() -> bool) -> bool {
    if F::SPIN == Spin::None {
        return false;
    }
    let mut end_ns = None;
    for _ in 0..LOOKS_MAX {
        spin_loop();
        if is_taken() {
            return true;
        }
        let now_ns = F::now_ns();
        if now_ns >= *end_ns.get_or_insert(now_ns.saturating_add(SPIN_NS)) {
            break;
        }
        for _ in 0..PAUSES_AWAY {
            spin_loop();
        }
    }
    false
}

/// Waits on a word, perhaps in slices.
pub(super) struct Patience<S, F> {
    deadline_ns: Option<u64>,
    slice_ns: Option<u64>,
    /// When the slice that has begun ends, wakes or not: many of them must not keep
    /// a waiter from ever looking whether the other side lives.
    slice_end_ns: Option<u64>,
    is_over: bool,
    backend: PhantomData<fn() -> (S, F)>,
}

/// What one sleep brought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slept {
    /// Look again; see [`Patience::is_over`].
    Woken,
    /// A whole slice passed, or in slices the deadline: is the other side alive?
    Slice,
}

impl<S: Scope, F: Futex<S>> Patience<S, F> {
    pub(super) const fn until(deadline_ns: Option<u64>) -> Self {
        Self::in_slices(deadline_ns, None)
    }

    pub(super) const fn in_slices(deadline_ns: Option<u64>, slice_ns: Option<u64>) -> Self {
        Self { deadline_ns, slice_ns, slice_end_ns: None, is_over: false, backend: PhantomData }
    }

    /// Whether the deadline is past. It is looked at after all else has failed
    /// once more, and after the next waker was told of other sleepers, so that a
    /// thread that leaves takes nobody's wake with it.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Blocks while `*word == expected`, for one slice at most.
    pub(super) fn sleep(&mut self, word: &AtomicU32, expected: u32) -> Slept {
        if let (None, Some(slice_ns)) = (self.slice_end_ns, self.slice_ns) {
            self.slice_end_ns = Some(F::now_ns().saturating_add(slice_ns));
        }
        let (until_ns, is_slice) = match (self.slice_end_ns, self.deadline_ns) {
            (Some(slice), Some(deadline)) if slice < deadline => (Some(slice), true),
            (Some(slice), None) => (Some(slice), true),
            (_, deadline) => (deadline, false),
        };
        match F::wait(word, expected, until_ns) {
            Waited::Woken => Slept::Woken,
            Waited::TimedOut => {
                self.slice_end_ns = None;
                self.is_over = !is_slice;
                // Waits that are all shorter than a slice must learn of a death too.
                if self.slice_ns.is_some() { Slept::Slice } else { Slept::Woken }
            }
        }
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    extern crate std;

    use core::{cell::Cell, num::NonZeroU32};

    use super::{super::futex::Private, Clock, Futex, Patience, Scope, Slept, Waited};
    use crate::sync::primitive::AtomicU32;

    /// A thread that is woken every 3 ns for no reason.
    enum Storm {}

    std::thread_local! {
        static NOW_NS: Cell<u64> = const { Cell::new(0) };
    }

    impl Clock for Storm {
        fn now_ns() -> u64 {
            NOW_NS.get()
        }
    }

    impl<S: Scope> Futex<S> for Storm {
        fn wait(_: &AtomicU32, _: u32, deadline_ns: Option<u64>) -> Waited {
            let woken_ns = NOW_NS.get() + 3;
            if let Some(deadline_ns) = deadline_ns
                && deadline_ns <= woken_ns
            {
                NOW_NS.set(deadline_ns.max(NOW_NS.get()));
                return Waited::TimedOut;
            }
            NOW_NS.set(woken_ns);
            Waited::Woken
        }

        fn wake_one(_: &AtomicU32) {}

        fn wake_all(_: &AtomicU32) {}

        fn thread_id() -> NonZeroU32 {
            NonZeroU32::MIN
        }
    }

    #[test]
    fn wakes_without_end_do_not_put_a_slice_off() {
        NOW_NS.set(0);
        let word = AtomicU32::new(0);
        let mut patience = Patience::<Private, Storm>::in_slices(Some(45), Some(20));
        let mut slices = std::vec::Vec::new();
        while !patience.is_over() {
            if patience.sleep(&word, 0) == Slept::Slice {
                slices.push(NOW_NS.get());
            }
        }
        // Two whole ones, and what was left of the time.
        assert_eq!(slices, [20, 40, 45]);
    }

    #[test]
    fn a_wait_shorter_than_a_slice_ends_with_a_look_all_the_same() {
        for timeout_ns in [0, 1] {
            NOW_NS.set(7);
            let word = AtomicU32::new(0);
            let mut patience =
                Patience::<Private, Storm>::in_slices(Some(7 + timeout_ns), Some(20));
            assert!(patience.sleep(&word, 0) == Slept::Slice);
            assert!(patience.is_over());
        }
    }

    #[test]
    fn without_slices_there_is_nothing_to_look_for() {
        NOW_NS.set(7);
        let word = AtomicU32::new(0);
        let mut patience = Patience::<Private, Storm>::until(Some(8));
        assert!(patience.sleep(&word, 0) == Slept::Woken);
        assert!(patience.is_over());
    }
}
