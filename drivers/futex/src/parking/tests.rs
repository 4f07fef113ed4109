//! The table over real threads, and over parkers that answer from a list.

use std::{
    cell::{Cell, RefCell},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{
    Clock, Futex, NEVER, Waited,
    primitive::{AtomicU32, Ordering},
};

use super::{Parked, Parker, Parking, Table, ThreadParker, address, wait, wake_all, wake_one};

fn wait_until_asleep(word: &AtomicU32, count: usize) {
    let start = Instant::now();
    while ThreadParker::table().len(address(word)) < count {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody falls asleep");
        thread::yield_now();
    }
}

#[test]
fn a_word_that_differs_does_not_block() {
    let word = AtomicU32::new(1);
    assert_eq!(Parking::wait(&word, 0, None), Waited::Woken);
    assert_eq!(ThreadParker::table().len(address(&word)), 0);
}

#[test]
fn a_wait_ends_at_its_deadline_and_not_before() {
    let word = AtomicU32::new(0);
    for timeout_ns in [0, 1, 999, 2_000_000] {
        let deadline_ns = Parking::now_ns() + timeout_ns;
        assert_eq!(Parking::wait(&word, 0, Some(deadline_ns)), Waited::TimedOut);
        assert!(Parking::now_ns() >= deadline_ns);
    }
    assert_eq!(ThreadParker::table().len(address(&word)), 0, "everybody left");
}

#[test]
fn long_deadlines_and_none_wait_until_woken() {
    for deadline_ns in [None, Some(NEVER), Some(NEVER - 1), Some(5_000_000_000_000)] {
        let word = AtomicU32::new(0);
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| Parking::wait(&word, 0, deadline_ns));
            wait_until_asleep(&word, 1);
            Parking::wake_one(&word);
            assert_eq!(sleeper.join().unwrap(), Waited::Woken);
        });
    }
}

#[test]
fn one_wake_wakes_one_and_the_other_wakes_the_rest() {
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        let sleepers: Vec<_> =
            (0..5).map(|_| scope.spawn(|| Parking::wait(&word, 0, None))).collect();
        wait_until_asleep(&word, 5);
        Parking::wake_one(&word);
        assert_eq!(ThreadParker::table().len(address(&word)), 4);
        Parking::wake_all(&word);
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), Waited::Woken);
        }
    });
}

/// Two threads pass a turn to and fro, each asleep while it is the other's.
#[test]
fn no_wake_is_lost_between_two_threads() {
    const TURNS: u32 = 20_000;
    let word = AtomicU32::new(0);
    let play = |own: u32| {
        loop {
            let turn = word.load(Ordering::Acquire);
            if turn >= TURNS {
                return;
            }
            if turn % 2 == own {
                word.store(turn + 1, Ordering::Release);
                Parking::wake_one(&word);
            } else if Parking::wait(&word, turn, Some(Parking::now_ns() + 60_000_000_000))
                == Waited::TimedOut
            {
                panic!("asleep for a minute at turn {turn}");
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(0));
        scope.spawn(|| play(1));
    });
}

/// A wake and a deadline at the same moment: the wake is either that sleeper's
/// or the next one's, and never both or nobody's.
#[test]
fn a_wake_at_the_last_moment_is_not_left_over() {
    let word = AtomicU32::new(0);
    for round in 0..2_000_u64 {
        let woken = thread::scope(|scope| {
            let deadline_ns = Parking::now_ns() + 20_000 + round % 50 * 1_000;
            let word = &word;
            let waker = scope.spawn(move || {
                while Parking::now_ns() < deadline_ns {
                    core::hint::spin_loop();
                }
                Parking::wake_one(word);
            });
            let waited = Parking::wait(word, 0, Some(deadline_ns));
            waker.join().unwrap();
            waited
        });
        // Nothing is left that would end this wait before its time.
        let deadline_ns = Parking::now_ns() + 1_000;
        assert_eq!(Parking::wait(&word, 0, Some(deadline_ns)), Waited::TimedOut, "{woken:?}");
    }
}

thread_local! {
    static ANSWERS: RefCell<Vec<Parked>> = const { RefCell::new(Vec::new()) };
    static UNPARKED: Cell<u32> = const { Cell::new(0) };
    /// Whether a wake comes between the end of the sleep and its being told.
    static IS_WOKEN_LATE: Cell<bool> = const { Cell::new(false) };
    static NAPS: Cell<u32> = const { Cell::new(0) };
    static HAS_PARKER: Cell<bool> = const { Cell::new(true) };
}

static WORD: AtomicU32 = AtomicU32::new(0);

/// A parker that answers from a list.
struct Scripted;

impl Parker for Scripted {
    type Handle = ();

    fn table() -> &'static Table<()> {
        static TABLE: Table<()> = Table::new();
        &TABLE
    }

    fn with_own<R>(action: impl FnOnce(&Self) -> R) -> Option<R> {
        HAS_PARKER.get().then(|| action(&Self))
    }

    fn nap() {
        NAPS.set(NAPS.get() + 1);
    }

    fn handle(&self) {}

    fn park<C: Clock>(&self, _: Option<u64>) -> Parked {
        if IS_WOKEN_LATE.take() {
            wake_one::<Self>(&WORD);
        }
        ANSWERS.with_borrow_mut(Vec::pop).expect("one sleep too many")
    }

    fn unpark((): &()) {
        UNPARKED.set(UNPARKED.get() + 1);
    }
}

fn scripted(answers: &[Parked]) -> Waited {
    ANSWERS.set(answers.iter().rev().copied().collect());
    let waited = wait::<Scripted, Parking>(&WORD, 0, None);
    assert!(ANSWERS.take().is_empty(), "one sleep too few");
    waited
}

#[test]
fn a_late_wake_is_taken_before_the_sleeper_goes_on() {
    IS_WOKEN_LATE.set(true);
    assert_eq!(scripted(&[Parked::TimedOut, Parked::Unparked]), Waited::Woken);
    assert_eq!(UNPARKED.get(), 1);
    assert_eq!(scripted(&[Parked::TimedOut]), Waited::TimedOut);
    // A parker that broke is out of the table: nobody wakes it.
    assert_eq!(scripted(&[Parked::Broken]), Waited::Woken);
    wake_all::<Scripted>(&WORD);
    assert_eq!(UNPARKED.get(), 1);
    // Without a parker a thread naps, and its deadline counts all the same.
    HAS_PARKER.set(false);
    assert_eq!(scripted(&[]), Waited::Woken);
    assert_eq!(NAPS.get(), 1);
    assert_eq!(wait::<Scripted, Parking>(&WORD, 0, Some(0)), Waited::TimedOut);
}
