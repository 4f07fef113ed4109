//! How long a thread waits: first awake, then asleep, at most until a deadline.

use core::{marker::PhantomData, time::Duration};

use super::{
    deadline::Deadline,
    futex::{Clock, Futex, NEVER, Scope, Spin, Waited},
    primitive::{AtomicU32, spin_loop},
};

/// How long a thread spins before it blocks.
pub const SPIN_NS: u64 = 2_000;

/// Pauses between two looks at the clock, which costs as much as several pauses.
const PAUSES_PER_LOOK: u32 = if IS_MODELLED { 1 } else { 16 };

/// Looks at the clock after which spinning ends even if the clock stands still.
const LOOKS_MAX: u32 = if IS_MODELLED { 1 } else { 1_000 };

/// Models look once where programs look again and again: the order of one look among
/// the steps of others is what they go through.
const IS_MODELLED: bool = cfg!(any(farend_loom, farend_shuttle));

/// When a wait of `timeout` from now ends.
pub(super) fn end_after<C: Clock>(timeout: Duration) -> Option<u64> {
    end_at(Deadline::<C>::after(timeout))
}

/// When a wait ends that has a deadline.
pub(super) const fn end_at<C>(deadline: Deadline<C>) -> Option<u64> {
    let end_ns = deadline.as_ns();
    if end_ns == NEVER { None } else { Some(end_ns) }
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

/// As [`spin`], for a lock that others hold for short times, again and again: looks are
/// about 100 ns apart.
#[cold]
pub(super) fn spin_for_lock<S: Scope, F: Futex<S>>(mut is_taken: impl FnMut() -> bool) -> bool {
    if F::SPIN == Spin::None {
        return false;
    }
    let mut before_ns = F::now_ns();
    let end_ns = before_ns.saturating_add(SPIN_NS);
    for _ in 0..LOOKS_MAX {
        if is_taken() {
            return true;
        }
        let pauses = away::pauses();
        for _ in 0..pauses {
            spin_loop();
        }
        let now_ns = F::now_ns();
        away::measured(pauses, now_ns.saturating_sub(before_ns));
        if now_ns >= end_ns {
            break;
        }
        before_ns = now_ns;
    }
    is_taken()
}

/// How many pauses last that long here: a pause takes 4 ns on one processor and 40 on
/// another. Measured while threads spin, since their clock is read anyway.
#[cfg(not(any(farend_loom, farend_shuttle)))]
mod away {
    use super::super::primitive::{AtomicU32, Ordering};

    /// Time between two looks at a lock that others want too. Each look takes the lock's
    /// cache line from its holder, who then works more slowly for both; a longer time leaves
    /// the lock free for longer.
    const AWAY_NS: u64 = 100;

    /// Until the first measurement: right for a long pause, too few for a short one.
    const PAUSES_AT_FIRST: u32 = 4;
    const PAUSES_MAX: u32 = 256;

    /// One for all threads, since a program rarely runs on unlike processors; written
    /// seldom, so that it stays in everybody's cache.
    static PAUSES: AtomicU32 = AtomicU32::new(PAUSES_AT_FIRST);

    pub(super) fn pauses() -> u32 {
        PAUSES.load(Ordering::Relaxed)
    }

    /// One look, so many pauses and a reading of the clock took so long.
    pub(super) fn measured(pauses: u32, elapsed_ns: u64) {
        let wanted = adapted(pauses, elapsed_ns);
        if wanted != pauses {
            PAUSES.store(wanted, Ordering::Relaxed);
        }
    }

    /// The pauses to make next: the same as long as the time is about right, else a step
    /// towards it. A thread that was not running in between knows nothing.
    pub(super) fn adapted(pauses: u32, elapsed_ns: u64) -> u32 {
        let step = (pauses / 4).max(1);
        if elapsed_ns >= 20 * AWAY_NS || elapsed_ns == 0 {
            pauses
        } else if elapsed_ns > AWAY_NS + AWAY_NS / 2 {
            pauses.saturating_sub(step).max(1)
        } else if elapsed_ns < AWAY_NS - AWAY_NS / 4 {
            pauses.saturating_add(step).min(PAUSES_MAX)
        } else {
            pauses
        }
    }
}

/// The models' time stands still.
#[cfg(any(farend_loom, farend_shuttle))]
mod away {
    pub(super) fn pauses() -> u32 {
        1
    }

    pub(super) fn measured(_pauses: u32, _elapsed_ns: u64) {}
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
    fn pauses_come_to_last_about_as_long_as_wanted() {
        for pause_ns in [1, 4, 26, 43, 70] {
            let mut pauses = 4;
            for _ in 0..40 {
                pauses = super::away::adapted(pauses, u64::from(pauses) * pause_ns + 30);
            }
            let elapsed_ns = u64::from(pauses) * pause_ns + 30;
            assert!((70..=150).contains(&elapsed_ns), "{pauses} of {pause_ns} ns");
        }
        // A clock that stands still, and a thread that was not running.
        assert_eq!(super::away::adapted(7, 0), 7);
        assert_eq!(super::away::adapted(7, 1_000_000), 7);
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
