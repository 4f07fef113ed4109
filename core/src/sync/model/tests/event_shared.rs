use super::{OTHERS, join, put_others_to_sleep, spawn_all};
use crate::sync::{
    Event, Shared,
    model::{Arc, Robust, check, killed_at, pass_slice, thread},
};

type Signal = Event<Shared, Robust>;

/// A setter that dies has set the event or has not; whoever waits is released within
/// a slice.
#[test]
fn a_setters_death_at_any_step_strands_nobody() {
    for steps in 1..=2 {
        check(move || {
            let signal = Arc::new(Signal::new());
            let theirs = Arc::clone(&signal);
            let waiters = spawn_all(OTHERS, move |_| theirs.wait());
            put_others_to_sleep();
            let theirs = Arc::clone(&signal);
            let mortal = thread::spawn(move || {
                let is_dead = killed_at(steps, || {
                    theirs.set();
                    theirs.reset();
                    theirs.set();
                });
                if is_dead {
                    pass_slice();
                }
            });
            signal.wait();
            mortal.join().unwrap();
            join(waiters);
        });
    }
}

/// No slice passes: a waiter that dies is nobody's business.
#[test]
fn a_waiters_death_at_any_step_delays_nobody() {
    for steps in 1..=3 {
        check(move || {
            let signal = Arc::new(Signal::new());
            let theirs = Arc::clone(&signal);
            let mortal = thread::spawn(move || {
                killed_at(steps, || theirs.wait());
            });
            let theirs = Arc::clone(&signal);
            let waiters = spawn_all(OTHERS, move |_| theirs.wait());
            signal.set();
            mortal.join().unwrap();
            join(waiters);
        });
    }
}
