use super::{OTHERS, in_threads, join, spawn_all};
use crate::sync::{
    Deadline, Event, Private, TimedOut,
    model::{Arc, Modelled, check, pass_time, thread},
    primitive::{AtomicU32, Ordering},
};

type Signal = Event<Private, Modelled>;

#[test]
fn what_was_done_before_set_is_seen_after_wait() {
    check(|| {
        let shared = Arc::new((Signal::new(), AtomicU32::new(0)));
        let theirs = Arc::clone(&shared);
        let setter = thread::spawn(move || {
            theirs.1.store(1, Ordering::Relaxed);
            theirs.0.set();
        });
        let theirs = Arc::clone(&shared);
        in_threads(OTHERS, move |_| {
            theirs.0.wait();
            assert_eq!(theirs.1.load(Ordering::Relaxed), 1);
        });
        shared.0.wait();
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        setter.join().unwrap();
    });
}

/// Every setter's past is seen, even if the event was set already.
#[test]
fn the_second_set_counts_too() {
    check(|| {
        let shared = Arc::new((Signal::new(), AtomicU32::new(0), Signal::new()));
        let theirs = Arc::clone(&shared);
        let first = spawn_all(OTHERS, move |_| theirs.0.set());
        let theirs = Arc::clone(&shared);
        let second = thread::spawn(move || {
            theirs.1.store(1, Ordering::Relaxed);
            theirs.0.set();
            theirs.2.set();
        });
        shared.2.wait();
        shared.0.wait();
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        join(first);
        second.join().unwrap();
    });
}

#[cfg(farend_loom)]
const WAITERS: usize = 1;
#[cfg(farend_shuttle)]
const WAITERS: usize = super::THREADS;

/// Whoever comes before the reset is released, or times out; nobody is left asleep
/// who slept when the event was set.
#[test]
fn a_reset_that_follows_at_once_strands_nobody() {
    check(|| {
        let shared = Arc::new((Signal::new(), Signal::new()));
        let theirs = Arc::clone(&shared);
        let waiters = spawn_all(WAITERS, move |_| {
            theirs.1.set();
            // Released by the one set, or come after the reset and timed out.
            let _either: Result<(), TimedOut> = theirs.0.wait_until(Deadline::at_ns(9));
        });
        shared.1.wait();
        shared.0.set();
        shared.0.reset();
        pass_time(9);
        join(waiters);
        assert!(!shared.0.is_set());
    });
}
