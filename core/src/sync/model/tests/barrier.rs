use super::{THREADS, Tracked, join, spawn_all};
use crate::sync::{
    Barrier, Deadline, Private, TimedOut,
    model::{Arc, Modelled, check, pass_time, thread},
    primitive::{AtomicU32, Ordering},
};

type Gate = Barrier<Private, Modelled>;

fn gate(parties: usize) -> Gate {
    Gate::new(u32::try_from(parties).unwrap()).unwrap()
}

#[test]
fn all_go_on_together_and_one_was_the_last() {
    check(|| {
        let all = Arc::new((gate(THREADS + 1), Tracked::default(), AtomicU32::new(0)));
        let pass = |all: &(Gate, Tracked, AtomicU32)| {
            if all.0.wait() {
                all.2.fetch_add(1, Ordering::Relaxed);
            }
        };
        let theirs = Arc::clone(&all);
        let threads = spawn_all(THREADS, move |index| {
            if index == 0 {
                theirs.1.add();
            }
            pass(&theirs);
        });
        pass(&all);
        // Seen by all, and in order.
        assert_eq!(all.1.read(), 1);
        join(threads);
        assert_eq!(all.2.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn one_whose_time_is_over_has_not_come() {
    check(|| {
        let all = Arc::new(gate(2));
        let theirs = Arc::clone(&all);
        let hasty = thread::spawn(move || theirs.wait_until(Deadline::at_ns(3)));
        pass_time(3);
        assert_eq!(hasty.join().unwrap(), Err(TimedOut));
        let theirs = Arc::clone(&all);
        let other = thread::spawn(move || theirs.wait());
        let is_last = all.wait();
        assert_ne!(is_last, other.join().unwrap());
    });
}
