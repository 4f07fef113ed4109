//! Waits over a kernel that answers from a list.

use farend_core::sync::{NEVER, Waited};

use super::{
    os_sync::{self, OsSyncKernel},
    outcome::errno::{EDOM, EFAULT, EINTR, EINVAL, ENOENT, ENOMEM, ETIMEDOUT},
    time::Timebase,
    ulock::{self, UlockKernel},
    wait::{NAP_NS, NAPS_MAX, REPEATS_MAX, poll, wait, wake},
};

/// When every script begins.
const START_NS: u64 = 1_000_000;
/// More than 32 bits of microseconds hold.
const HOURS_NS: u64 = 4_300_000_000_001;

/// What a script was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Wait,
    WaitWithDeadline(u64),
    Wait2Ns(u64),
    WaitUs(u32),
    Look,
    Nap(u64),
    Refused(i32),
}

/// Answers from a list, each some time after it was asked.
struct Script {
    now_ns: u64,
    timebase: Timebase,
    has_wait2: bool,
    answers: Vec<(i32, u64)>,
    looks_until_it_differs: u32,
    asked: Vec<Asked>,
}

impl Script {
    /// Answers, and how many nanoseconds each takes.
    fn new(answers: &[(i32, u64)]) -> Self {
        let answers = answers.iter().rev().copied().collect();
        let timebase = Timebase::new(1, 1);
        Self {
            now_ns: START_NS,
            timebase,
            has_wait2: true,
            answers,
            looks_until_it_differs: u32::MAX,
            asked: Vec::new(),
        }
    }

    fn old(answers: &[(i32, u64)]) -> Self {
        Self { has_wait2: false, ..Self::new(answers) }
    }

    fn answer(&mut self, asked: Asked) -> i32 {
        self.asked.push(asked);
        let (answer, after_ns) = self.answers.pop().expect("one call too many");
        self.now_ns += after_ns;
        answer
    }
}

impl os_sync::Calls for &mut Script {
    fn ticks(&mut self) -> u64 {
        self.timebase.first_tick_at(self.now_ns)
    }

    fn timebase(&mut self) -> Timebase {
        self.timebase
    }

    fn wait(&mut self) -> i32 {
        self.answer(Asked::Wait)
    }

    fn wait_with_deadline(&mut self, ticks: u64) -> i32 {
        self.answer(Asked::WaitWithDeadline(ticks))
    }

    fn look(&mut self) -> bool {
        self.asked.push(Asked::Look);
        self.looks_until_it_differs = self.looks_until_it_differs.saturating_sub(1);
        self.looks_until_it_differs > 0
    }

    fn nap(&mut self, ns: u64) {
        self.asked.push(Asked::Nap(ns));
        self.now_ns += ns;
    }

    fn refused(&mut self, errno: i32) {
        self.asked.push(Asked::Refused(errno));
    }
}

impl ulock::Calls for &mut Script {
    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn has_wait2(&mut self) -> bool {
        self.has_wait2
    }

    fn wait2(&mut self, timeout_ns: u64) -> i32 {
        self.answer(Asked::Wait2Ns(timeout_ns))
    }

    fn wait(&mut self, timeout_us: u32) -> i32 {
        self.answer(Asked::WaitUs(timeout_us))
    }

    fn look(&mut self) -> bool {
        self.asked.push(Asked::Look);
        self.looks_until_it_differs = self.looks_until_it_differs.saturating_sub(1);
        self.looks_until_it_differs > 0
    }

    fn nap(&mut self, ns: u64) {
        self.asked.push(Asked::Nap(ns));
        self.now_ns += ns;
    }

    fn refused(&mut self, errno: i32) {
        self.asked.push(Asked::Refused(errno));
    }
}

/// Each way to wait, with the same script.
fn each_way(answers: &[(i32, u64)], check: impl Fn(&mut dyn DynKernel, &str)) {
    check(&mut OsSyncKernel(&mut Script::new(answers)), "os_sync");
    check(&mut UlockKernel(&mut Script::new(answers)), "wait2");
    check(&mut UlockKernel(&mut Script::old(answers)), "wait");
}

/// A kernel of a kind that the check need not know.
trait DynKernel {
    fn wait(&mut self, deadline_ns: Option<u64>) -> Waited;
    fn asked(&self) -> &[Asked];
    fn now_ns(&self) -> u64;
}

macro_rules! dyn_kernel {
    ($name:ident) => {
        impl DynKernel for $name<&mut Script> {
            fn wait(&mut self, deadline_ns: Option<u64>) -> Waited {
                wait(self, deadline_ns)
            }

            fn asked(&self) -> &[Asked] {
                &self.0.asked
            }

            fn now_ns(&self) -> u64 {
                self.0.now_ns
            }
        }
    };
}
dyn_kernel!(OsSyncKernel);
dyn_kernel!(UlockKernel);

#[test]
fn a_deadline_that_is_over_makes_no_call() {
    for deadline_ns in [0, 1, 999, START_NS] {
        each_way(&[], |kernel, way| {
            assert_eq!(kernel.wait(Some(deadline_ns)), Waited::TimedOut, "{way}");
            assert!(kernel.asked().is_empty(), "{way}");
        });
    }
}

#[test]
fn never_and_no_deadline_wait_for_ever_and_nothing_else_does() {
    let for_ever =
        |asked: &Asked| matches!(asked, Asked::Wait | Asked::Wait2Ns(0) | Asked::WaitUs(0));
    for deadline_ns in [None, Some(NEVER)] {
        each_way(&[(0, 0)], |kernel, way| {
            assert_eq!(kernel.wait(deadline_ns), Waited::Woken, "{way}");
            assert!(kernel.asked().iter().all(for_ever), "{way}: {:?}", kernel.asked());
        });
    }
    for after_ns in [1, 999, 1_000, HOURS_NS, NEVER - 1 - START_NS] {
        each_way(&[(0, 0)], |kernel, way| {
            assert_eq!(kernel.wait(Some(START_NS + after_ns)), Waited::Woken, "{way}");
            assert!(!kernel.asked().iter().any(for_ever), "{way}: {:?}", kernel.asked());
        });
    }
}

#[test]
fn a_nanosecond_reaches_the_kernel_rounded_up() {
    for after_ns in [1, 999] {
        let mut script = Script::new(&[(-ETIMEDOUT, after_ns)]);
        wait(&mut UlockKernel(&mut script), Some(START_NS + after_ns));
        assert_eq!(script.asked, [Asked::Wait2Ns(after_ns)]);

        let mut script = Script::old(&[(-ETIMEDOUT, 1_000)]);
        wait(&mut UlockKernel(&mut script), Some(START_NS + after_ns));
        assert_eq!(script.asked, [Asked::WaitUs(1)]);
    }
    let mut script = Script::new(&[(-ETIMEDOUT, 42)]);
    script.timebase = Timebase::new(125, 3);
    assert_eq!(wait(&mut OsSyncKernel(&mut script), Some(START_NS + 1)), Waited::TimedOut);
    // 24 ticks are 1,000 ns: 1,000,001 ns are over at the tick after 24,000.
    assert_eq!(script.asked, [Asked::WaitWithDeadline(24_001)]);
}

#[test]
fn a_wait_longer_than_71_minutes_is_made_of_several_calls() {
    let capped_ns = u64::from(u32::MAX) * 1_000;
    let mut script = Script::old(&[(-ETIMEDOUT, capped_ns), (-ETIMEDOUT, 5_033_000_000)]);
    let deadline_ns = START_NS + HOURS_NS;
    assert_eq!(wait(&mut UlockKernel(&mut script), Some(deadline_ns)), Waited::TimedOut);
    assert_eq!(script.asked, [Asked::WaitUs(u32::MAX), Asked::WaitUs(5_032_706)]);
    assert!(script.now_ns >= deadline_ns);
}

#[test]
fn a_kernel_that_times_out_early_is_not_believed() {
    each_way(&[(-ETIMEDOUT, 10), (-ETIMEDOUT, 10), (-ETIMEDOUT, 80)], |kernel, way| {
        assert_eq!(kernel.wait(Some(START_NS + 100)), Waited::TimedOut, "{way}");
        assert_eq!(kernel.asked().len(), 3, "{way}");
        assert!(kernel.now_ns() >= START_NS + 100, "{way}");
    });
}

#[test]
fn a_storm_of_signals_neither_ends_a_wait_nor_makes_it_longer() {
    each_way(&[(-EINTR, 7); 200], |kernel, way| {
        assert_eq!(kernel.wait(Some(START_NS + 1_000)), Waited::TimedOut, "{way}");
        // 143 signals, 7 ns apart, are the first to end after 1,000 ns.
        assert_eq!(kernel.asked().len(), 143, "{way}");
        assert!(!kernel.asked().contains(&Asked::Look), "{way}");
    });
    let mut storm = vec![(-EINTR, 7); 10_000];
    storm.push((0, 0));
    each_way(&storm, |kernel, way| {
        assert_eq!(kernel.wait(None), Waited::Woken, "{way}");
        assert_eq!(kernel.asked().len(), storm.len(), "{way}");
    });
}

#[test]
fn a_page_that_is_not_in_memory_is_touched_and_waited_on_again() {
    each_way(&[(-EFAULT, 0), (-EFAULT, 0), (3, 0)], |kernel, way| {
        assert_eq!(kernel.wait(None), Waited::Woken, "{way}");
        let is_touched: Vec<_> = kernel.asked().iter().map(|asked| *asked == Asked::Look).collect();
        assert_eq!(is_touched, [false, true, false, true, false], "{way}");
    });
}

#[test]
fn a_kernel_short_of_memory_is_asked_again_but_not_for_ever() {
    let calls = usize::try_from(REPEATS_MAX).unwrap() + 1;
    for error in [ENOMEM, EFAULT] {
        each_way(&vec![(-error, 0); calls], |kernel, way| {
            assert_eq!(kernel.wait(None), Waited::Woken, "{way}");
            let calls = calls + if error == EFAULT { calls - 1 } else { 0 };
            assert_eq!(kernel.asked()[calls], Asked::Refused(error), "{way}");
        });
    }
    // Signals between them are no failure of the same kind.
    let mut answers = Vec::new();
    for _ in 0..100 {
        answers.extend([(-ENOMEM, 0), (-EINTR, 0)]);
    }
    answers.push((0, 0));
    each_way(&answers, |kernel, way| {
        assert_eq!(kernel.wait(None), Waited::Woken, "{way}");
        assert!(!kernel.asked().contains(&Asked::Refused(ENOMEM)), "{way}");
    });
}

#[test]
fn a_refusal_is_remembered_and_the_word_is_polled_within_the_deadline() {
    for error in [EDOM, EINVAL, 78] {
        each_way(&[(-error, 0)], |kernel, way| {
            assert_eq!(kernel.wait(Some(START_NS + NAP_NS + 300)), Waited::TimedOut, "{way}");
            let naps = [Asked::Look, Asked::Nap(NAP_NS), Asked::Look, Asked::Nap(300)];
            assert_eq!(kernel.asked()[1], Asked::Refused(error), "{way}");
            assert_eq!(kernel.asked()[2..], naps, "{way}");
        });
        // The refusal came when the time was over.
        each_way(&[(-error, 300)], |kernel, way| {
            assert_eq!(kernel.wait(Some(START_NS + 300)), Waited::TimedOut, "{way}");
            assert_eq!(kernel.asked().last(), Some(&Asked::Refused(error)), "{way}");
        });
    }
}

#[test]
fn polling_ends_when_the_word_differs_or_after_a_while() {
    let mut script = Script { looks_until_it_differs: 3, ..Script::new(&[]) };
    assert_eq!(poll(&mut UlockKernel(&mut script), None), Waited::Woken);
    let nap = Asked::Nap(NAP_NS);
    assert_eq!(script.asked, [Asked::Look, nap, Asked::Look, nap, Asked::Look]);

    let mut script = Script::new(&[]);
    assert_eq!(poll(&mut UlockKernel(&mut script), Some(NEVER)), Waited::Woken);
    assert_eq!(script.now_ns - START_NS, u64::from(NAPS_MAX) * NAP_NS);

    let mut script = Script::new(&[]);
    assert_eq!(poll(&mut UlockKernel(&mut script), Some(START_NS)), Waited::TimedOut);
    assert!(script.asked.is_empty());
}

#[test]
fn a_wake_is_repeated_when_interrupted_and_told_when_refused() {
    let run = |answers: &[i32]| {
        let mut left = answers.iter();
        let mut refused = None;
        wake(|| *left.next().expect("one call too many"), |errno| refused = Some(errno));
        (left.len(), refused)
    };
    assert_eq!(run(&[0, 1]), (1, None));
    assert_eq!(run(&[-ENOENT, 1]), (1, None), "nobody to wake is no failure");
    assert_eq!(run(&[-EINTR, -EFAULT, -ENOMEM, 0, 1]), (1, None));
    assert_eq!(run(&[-EDOM, 1]), (1, Some(EDOM)));
    assert_eq!(run(&[-EINTR; 9]), (0, Some(EINTR)));
}
