use super::{OTHERS, THREADS, Tracked, in_threads, join, spawn_all};
use crate::sync::{
    Deadline, Private, RawMutex, Refused, Unlock,
    model::{Arc, Modelled, Spinning, check, pass_time, thread, until_asleep},
    primitive::{AtomicU32, Ordering},
};

type Lock = RawMutex<Private, Modelled>;

fn visit(lock: &Lock, data: &Tracked) {
    lock.lock().unwrap();
    data.add();
    lock.unlock().unwrap();
}

#[test]
fn one_at_a_time_and_nobody_sleeps_for_ever() {
    check(|| {
        let shared = Arc::new((Lock::new(), Tracked::default()));
        let (lock, data) = &*shared;
        let theirs = Arc::clone(&shared);
        in_threads(THREADS, move |_| visit(&theirs.0, &theirs.1));
        visit(lock, data);
        assert_eq!(data.read(), u32::try_from(THREADS).unwrap() + 1);
        assert!(!lock.is_locked());
    });
}

/// Threads look once more before they sleep, in every order with one that gives up.
#[test]
fn one_at_a_time_with_threads_that_spin() {
    check(|| {
        let shared = Arc::new((RawMutex::<Private, Spinning>::new(), Tracked::default()));
        let visit = |shared: &(RawMutex<Private, Spinning>, Tracked)| {
            shared.0.lock().unwrap();
            shared.1.add();
            shared.0.unlock().unwrap();
        };
        let theirs = Arc::clone(&shared);
        in_threads(OTHERS, move |_| visit(&theirs));
        visit(&shared);
        assert_eq!(shared.1.read(), u32::try_from(OTHERS).unwrap() + 1);
    });
}

/// A sleeper that was passed by asks for the lock, and has it although another takes it
/// again and again. In a model whoever sleeps a second time has slept for too long.
#[test]
fn a_sleeper_is_handed_the_lock_in_the_end() {
    check(|| {
        let shared = Arc::new((Lock::new(), AtomicU32::new(0)));
        shared.0.lock().unwrap();
        let theirs = Arc::clone(&shared);
        let patient = thread::spawn(move || {
            theirs.0.lock().unwrap();
            theirs.1.store(1, Ordering::Relaxed);
            theirs.0.unlock().unwrap();
        });
        until_asleep(1);
        // Passes the sleeper by, and wakes it for nothing.
        shared.0.unlock().unwrap();
        let is_through = || shared.1.load(Ordering::Relaxed) == 1;
        if shared.0.try_lock().is_ok() {
            while !is_through() && !shared.0.is_wanted() {
                thread::yield_now();
            }
            shared.0.unlock().unwrap();
            // Nobody who comes now finds the lock free before the sleeper has had it.
            assert!(shared.0.is_wanted() || shared.0.is_locked() || is_through());
        }
        patient.join().unwrap();
        assert!(!shared.0.is_locked());
    });
}

#[test]
fn sleepers_are_woken_one_after_the_other() {
    check(|| {
        let shared = Arc::new((Lock::new(), Tracked::default()));
        let (lock, data) = &*shared;
        lock.lock().unwrap();
        let theirs = Arc::clone(&shared);
        let threads = spawn_all(THREADS, move |_| visit(&theirs.0, &theirs.1));
        data.add();
        lock.unlock().unwrap();
        join(threads);
        assert_eq!(data.read(), u32::try_from(THREADS).unwrap() + 1);
    });
}

/// A sleeper whose time is over may have been the one that was woken.
#[test]
fn a_sleeper_that_times_out_takes_nobodys_wake() {
    check(|| {
        let shared = Arc::new((Lock::new(), Tracked::default()));
        shared.0.lock().unwrap();
        let patient = Arc::clone(&shared);
        let patients = spawn_all(OTHERS, move |_| visit(&patient.0, &patient.1));
        let hasty = Arc::clone(&shared);
        let hasty = thread::spawn(move || match hasty.0.lock_until(Deadline::at_ns(5)) {
            Ok(()) => {
                hasty.1.add();
                hasty.0.unlock().unwrap();
            }
            Err(refused) => assert_eq!(refused, Refused::TimedOut),
        });
        shared.0.unlock().unwrap();
        pass_time(5);
        visit(&shared.0, &shared.1);
        join(patients);
        hasty.join().unwrap();
        assert!(!shared.0.is_locked());
    });
}

#[test]
fn a_wait_whose_deadline_is_past_ends() {
    check(|| {
        let lock = Arc::new(Lock::new());
        lock.lock().unwrap();
        let waiters: [_; THREADS] = core::array::from_fn(|_| {
            let theirs = Arc::clone(&lock);
            thread::spawn(move || theirs.lock_until(Deadline::at_ns(7)))
        });
        pass_time(7);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Err(Refused::TimedOut));
        }
        lock.unlock().unwrap();
        assert_eq!(lock.try_lock(), Ok(()));
    });
}
