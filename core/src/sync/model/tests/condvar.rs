use super::{OTHERS, join, spawn_all};
use crate::sync::{
    Condvar, Deadline, Mutex, Private, Waited,
    model::{Arc, Modelled, check, pass_time, thread},
};

type Counted = Mutex<u32, Private, Modelled>;
type Pair = (Counted, Condvar<Private, Modelled>);

/// Waiters beside the notifier.
#[cfg(farend_loom)]
const WAITERS: usize = 2;
#[cfg(farend_shuttle)]
const WAITERS: usize = 7;

fn pair() -> Arc<Pair> {
    Arc::new((Counted::new(0), Condvar::new()))
}

/// Takes one of the things that the mutex counts.
fn take(pair: &Pair) {
    let guard = pair.0.lock();
    let mut guard = pair.1.wait_while(guard, |things| *things == 0);
    *guard -= 1;
}

#[test]
fn a_notice_after_the_change_is_never_lost() {
    check(|| {
        let pair = pair();
        let theirs = Arc::clone(&pair);
        let waiter = thread::spawn(move || take(&theirs));
        *pair.0.lock() += 1;
        pair.1.notify_one();
        waiter.join().unwrap();
    });
}

#[test]
fn a_notice_for_each_lets_each_go() {
    check(|| {
        let pair = pair();
        let theirs = Arc::clone(&pair);
        let waiters: [_; WAITERS] = core::array::from_fn(|_| {
            let theirs = Arc::clone(&theirs);
            thread::spawn(move || take(&theirs))
        });
        for _ in 0..WAITERS {
            *pair.0.lock() += 1;
            pair.1.notify_one();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn a_notice_to_all_lets_all_go() {
    check(|| {
        let pair = pair();
        let theirs = Arc::clone(&pair);
        let waiters: [_; WAITERS] = core::array::from_fn(|_| {
            let theirs = Arc::clone(&theirs);
            thread::spawn(move || {
                let guard = theirs.0.lock();
                drop(theirs.1.wait_while(guard, |open| *open == 0));
            })
        });
        *pair.0.lock() = 1;
        pair.1.notify_all();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[test]
fn a_wait_times_out_with_the_mutex_taken() {
    check(|| {
        let pair = pair();
        let theirs = Arc::clone(&pair);
        let waiters = spawn_all(OTHERS, move |_| {
            let guard = theirs.0.lock();
            let (mut guard, waited) = theirs.1.wait_until(guard, Deadline::at_ns(4));
            *guard += 1;
            assert_eq!(waited, Waited::TimedOut);
        });
        pass_time(4);
        *pair.0.lock() += 1;
        join(waiters);
        assert_eq!(*pair.0.lock(), u32::try_from(OTHERS).unwrap() + 1);
    });
}
