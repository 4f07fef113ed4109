//! A wait on a word, from call to call: what is repeated, with how much time
//! left, and when it is given up.

use core::num::NonZeroU64;

use farend_core::sync::{NEVER, Waited};

use super::outcome::{self, Outcome};

/// How often a call is repeated at once that failed for want of a page or of
/// memory.
pub(crate) const REPEATS_MAX: u32 = 8;

/// How long a thread sleeps between two looks at a word that the kernel refuses
/// to put it to sleep on.
pub(crate) const NAP_NS: u64 = 1_000_000;

/// How often it does before it says that it was woken, because it may have been:
/// a wake reaches no one here. Longer than the slices after which waiters look
/// whether a lock's owner lives.
pub(crate) const NAPS_MAX: u32 = 100;

/// How long one call may block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Until when, in nanoseconds of [`Kernel::now_ns`].
    pub deadline_ns: u64,
    /// For how long.
    pub remaining_ns: NonZeroU64,
}

/// What a wait asks of the system. An answer is that of [`outcome::of_answer`].
pub(crate) trait Kernel {
    /// Nanoseconds on the clock of the deadlines.
    fn now_ns(&mut self) -> u64;
    /// Blocks while the word is as expected. May end sooner than it was asked to.
    fn block(&mut self, limit: Option<Limit>) -> i32;
    /// Reads the word, which brings its page into memory: is it as expected?
    fn look(&mut self) -> bool;
    /// Sleeps without a word to be woken by.
    fn nap(&mut self, ns: u64);
    /// Remembers that a call was refused, and why.
    fn refused(&mut self, errno: i32);
}

/// Blocks until the word differs or somebody wakes, at most until the deadline.
///
/// Never says [`Waited::TimedOut`] before the deadline, whatever the kernel says.
/// If the kernel refuses, the word is polled: the lock stays right and becomes slow,
/// and the refusal is remembered.
pub(crate) fn wait<K: Kernel>(kernel: &mut K, deadline_ns: Option<u64>) -> Waited {
    let mut repeats = 0;
    loop {
        let limit = match left(kernel, deadline_ns) {
            Left::Nothing => return Waited::TimedOut,
            Left::Some(limit) => Some(limit),
            Left::Unlimited => None,
        };
        let answer = kernel.block(limit);
        match outcome::of_answer(answer) {
            Outcome::Done => return Waited::Woken,
            // Each time with less time left, so a storm of signals cannot make it
            // longer; and a call that was limited to less goes on.
            Outcome::TimedOut | Outcome::Interrupted => repeats = 0,
            Outcome::NotResident if repeats < REPEATS_MAX => {
                repeats += 1;
                kernel.look();
            }
            Outcome::Scarce if repeats < REPEATS_MAX => repeats += 1,
            Outcome::NotResident | Outcome::Scarce | Outcome::Refused => {
                kernel.refused(answer.wrapping_neg());
                return poll(kernel, deadline_ns);
            }
        }
    }
}

/// Waits for a word that cannot be waited on, by looking again and again.
pub(crate) fn poll<K: Kernel>(kernel: &mut K, deadline_ns: Option<u64>) -> Waited {
    for _ in 0..NAPS_MAX {
        let nap_ns = match left(kernel, deadline_ns) {
            Left::Nothing => return Waited::TimedOut,
            Left::Some(limit) => limit.remaining_ns.get().min(NAP_NS),
            Left::Unlimited => NAP_NS,
        };
        if !kernel.look() {
            break;
        }
        kernel.nap(nap_ns);
    }
    Waited::Woken
}

/// Wakes, and repeats a call that failed for no reason of its own.
///
/// The word is not touched: it may be gone, because the thread that was to be
/// woken saw what was stored, and went on.
pub(crate) fn wake(mut call: impl FnMut() -> i32, refused: impl FnOnce(i32)) {
    let mut answer = 0;
    for _ in 0..=REPEATS_MAX {
        answer = call();
        match outcome::of_answer(answer) {
            Outcome::Done | Outcome::TimedOut => return,
            Outcome::Interrupted | Outcome::NotResident | Outcome::Scarce => {}
            Outcome::Refused => break,
        }
    }
    refused(answer.wrapping_neg());
}

enum Left {
    Nothing,
    Some(Limit),
    Unlimited,
}

fn left<K: Kernel>(kernel: &mut K, deadline_ns: Option<u64>) -> Left {
    let Some(deadline_ns) = deadline_ns.filter(|&deadline_ns| deadline_ns != NEVER) else {
        return Left::Unlimited;
    };
    let remaining_ns = deadline_ns.saturating_sub(kernel.now_ns());
    match NonZeroU64::new(remaining_ns) {
        Some(remaining_ns) => Left::Some(Limit { deadline_ns, remaining_ns }),
        None => Left::Nothing,
    }
}
