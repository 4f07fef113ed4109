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

/// Waits on a word, perhaps in slices.
pub(super) struct Patience<S, F> {
    deadline_ns: Option<u64>,
    slice_ns: Option<u64>,
    is_over: bool,
    backend: PhantomData<fn() -> (S, F)>,
}

/// What one sleep brought.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slept {
    /// Look again; see [`Patience::is_over`].
    Woken,
    /// A whole slice passed and nobody woke: is the other side alive?
    Slice,
}

impl<S: Scope, F: Futex<S>> Patience<S, F> {
    pub(super) const fn until(deadline_ns: Option<u64>) -> Self {
        Self::in_slices(deadline_ns, None)
    }

    pub(super) const fn in_slices(deadline_ns: Option<u64>, slice_ns: Option<u64>) -> Self {
        Self { deadline_ns, slice_ns, is_over: false, backend: PhantomData }
    }

    /// Whether the deadline is past. It is looked at after all else has failed
    /// once more, and after the next waker was told of other sleepers, so that a
    /// thread that leaves takes nobody's wake with it.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Blocks while `*word == expected`, for one slice at most.
    pub(super) fn sleep(&mut self, word: &AtomicU32, expected: u32) -> Slept {
        let slice_end_ns = self.slice_ns.map(|slice_ns| F::now_ns().saturating_add(slice_ns));
        let (until_ns, is_slice) = match (slice_end_ns, self.deadline_ns) {
            (Some(slice), Some(deadline)) if slice < deadline => (Some(slice), true),
            (Some(slice), None) => (Some(slice), true),
            (_, deadline) => (deadline, false),
        };
        match F::wait(word, expected, until_ns) {
            Waited::Woken => Slept::Woken,
            Waited::TimedOut if is_slice => Slept::Slice,
            Waited::TimedOut => {
                self.is_over = true;
                Slept::Woken
            }
        }
    }
}
