//! A thread asleep on a Mach semaphore of its own.
//!
//! # References
//! xnu `osfmk/kern/sync_sema.c`.

use farend_core::sync::NEVER;

use crate::parking::Parked;

/// Mach's own results.
pub(crate) mod result {
    pub(crate) const SUCCESS: i32 = 0;
    pub(crate) const ABORTED: i32 = 14;
    pub(crate) const OPERATION_TIMED_OUT: i32 = 49;
}

const NANOSECONDS: u64 = 1_000_000_000;

/// The longest single call: 68 years, so that no sum in the kernel is too large.
const SECONDS_MAX: u64 = i32::MAX as u64;

/// The calls, one to one, about one semaphore.
pub(crate) trait Calls {
    /// Nanoseconds on the clock of the deadlines.
    fn now_ns(&mut self) -> u64;
    /// `semaphore_wait`.
    fn wait(&mut self) -> i32;
    /// `semaphore_timedwait`, relative. Zero would mean "do not block".
    fn timedwait(&mut self, time: Timespec) -> i32;
}

/// `mach_timespec_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timespec {
    pub seconds: u32,
    pub nanoseconds: i32,
}

/// Blocks until the semaphore is signalled, at most until the deadline.
pub(crate) fn park<C: Calls>(calls: &mut C, deadline_ns: Option<u64>) -> Parked {
    let deadline_ns = deadline_ns.filter(|&deadline_ns| deadline_ns != NEVER);
    loop {
        let result = match deadline_ns {
            None => calls.wait(),
            Some(deadline_ns) => match deadline_ns.saturating_sub(calls.now_ns()) {
                0 => return Parked::TimedOut,
                remaining_ns => calls.timedwait(timespec(remaining_ns)),
            },
        };
        match result {
            result::SUCCESS => return Parked::Unparked,
            // A signal, or the end of a call that was limited to less: what is
            // left is computed again.
            result::ABORTED | result::OPERATION_TIMED_OUT => {}
            // The semaphore is gone: after a fork the child has none of its
            // parent's.
            _ => return Parked::Broken,
        }
    }
}

fn timespec(ns: u64) -> Timespec {
    let seconds = ns / NANOSECONDS;
    if seconds > SECONDS_MAX {
        return Timespec { seconds: i32::MAX.cast_unsigned(), nanoseconds: 0 };
    }
    Timespec {
        seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        nanoseconds: i32::try_from(ns % NANOSECONDS).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers from a list, and a clock that each call moves on.
    struct Script {
        now_ns: u64,
        step_ns: u64,
        answers: Vec<i32>,
        asked: Vec<Option<Timespec>>,
    }

    impl Script {
        fn new(step_ns: u64, answers: &[i32]) -> Self {
            let mut answers = answers.to_vec();
            answers.reverse();
            Self { now_ns: 1_000, step_ns, answers, asked: Vec::new() }
        }

        fn answer(&mut self, asked: Option<Timespec>) -> i32 {
            self.now_ns += self.step_ns;
            self.asked.push(asked);
            self.answers.pop().expect("one call too many")
        }
    }

    impl Calls for Script {
        fn now_ns(&mut self) -> u64 {
            self.now_ns
        }

        fn wait(&mut self) -> i32 {
            self.answer(None)
        }

        fn timedwait(&mut self, time: Timespec) -> i32 {
            self.answer(Some(time))
        }
    }

    const fn time(seconds: u32, nanoseconds: i32) -> Timespec {
        Timespec { seconds, nanoseconds }
    }

    #[test]
    fn times_are_split_exactly_and_the_longest_is_68_years() {
        assert_eq!(timespec(1), time(0, 1));
        assert_eq!(timespec(999), time(0, 999));
        assert_eq!(timespec(4_300_000_000_001), time(4_300, 1));
        assert_eq!(timespec(u64::MAX - 1), time(0x7fff_ffff, 0));
    }

    #[test]
    fn a_deadline_that_is_over_makes_no_call() {
        let mut script = Script::new(0, &[]);
        for deadline_ns in [0, 999, 1_000] {
            assert_eq!(park(&mut script, Some(deadline_ns)), Parked::TimedOut);
        }
        assert!(script.asked.is_empty());
    }

    #[test]
    fn no_deadline_and_never_block_without_a_time() {
        for deadline_ns in [None, Some(NEVER)] {
            let mut script = Script::new(0, &[result::ABORTED, result::SUCCESS]);
            assert_eq!(park(&mut script, deadline_ns), Parked::Unparked);
            assert_eq!(script.asked, [None, None]);
        }
    }

    #[test]
    fn signals_do_not_make_a_wait_longer() {
        let mut script = Script::new(400, &[result::ABORTED; 3]);
        assert_eq!(park(&mut script, Some(2_000)), Parked::TimedOut);
        assert_eq!(script.asked, [Some(time(0, 1_000)), Some(time(0, 600)), Some(time(0, 200))]);
    }

    #[test]
    fn a_kernel_that_times_out_early_is_asked_again() {
        let answers = [result::OPERATION_TIMED_OUT, result::OPERATION_TIMED_OUT];
        let mut script = Script::new(500, &answers);
        assert_eq!(park(&mut script, Some(2_000)), Parked::TimedOut);
        assert_eq!(script.asked.len(), 2);
    }

    #[test]
    fn a_semaphore_that_is_gone_is_told() {
        for result in [4, 15, 37] {
            let mut script = Script::new(0, &[result]);
            assert_eq!(park(&mut script, Some(2_000)), Parked::Broken);
        }
    }
}
