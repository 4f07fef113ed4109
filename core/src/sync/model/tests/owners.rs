use super::{OTHERS, THREADS, Tracked, in_threads, join, spawn_all};
use crate::sync::{
    Owners, RawShared, Refused, Taken, Unlock,
    model::{Arc, Node, Robust, Watched, check, clean_up, go_unnoticed, killed_at, thread},
    primitive::{AtomicU32, Ordering},
};

/// A lock, data, whether the data is half changed, and how often a death was told.
struct Case<F: Owners> {
    lock: RawShared<F>,
    data: Tracked,
    is_torn: AtomicU32,
    told: AtomicU32,
}

impl<F: Owners<Node = Node>> Case<F> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: RawShared::free(),
            data: Tracked::default(),
            is_torn: AtomicU32::new(0),
            told: AtomicU32::new(0),
        })
    }

    /// Changes the data, in two steps, and repairs what another left half changed.
    fn visit(&self) {
        let taken = self.lock.lock().unwrap();
        if taken == Taken::OwnerDied {
            self.told.fetch_add(1, Ordering::Relaxed);
            self.is_torn.store(0, Ordering::Relaxed);
            self.lock.make_consistent().unwrap();
        }
        assert_eq!(self.is_torn.load(Ordering::Relaxed), 0, "nobody told of the death");
        self.data.add();
        self.lock.unlock().unwrap();
    }

    /// Changes the data like any other, and dies on the way, perhaps.
    fn visit_and_die(&self, steps: u32) {
        let is_dead = killed_at(steps, || {
            let taken = self.lock.lock().unwrap();
            if taken == Taken::OwnerDied {
                self.lock.make_consistent().unwrap();
            }
            self.is_torn.store(1, Ordering::Relaxed);
            // The end of a critical section is a step of its own.
            F::wake_one(&self.is_torn);
            self.is_torn.store(0, Ordering::Relaxed);
            self.lock.unlock().unwrap();
        });
        if is_dead {
            clean_up(&self.lock);
        }
    }
}

#[test]
fn one_owner_at_a_time() {
    check(|| {
        let case = Case::<Robust>::new();
        let theirs = Arc::clone(&case);
        in_threads(THREADS, move |_| theirs.visit());
        case.visit();
        assert_eq!(case.data.read(), u32::try_from(THREADS).unwrap() + 1);
        assert_eq!(case.told.load(Ordering::Relaxed), 0);
    });
}

/// Steps of taking the lock, changing the data and giving it up, with some to
/// spare for waiting.
const STEPS: u32 = 14;

/// The step at which the data is half changed, if nobody else holds the lock.
const IN_THE_MIDST: u32 = 4;

#[test]
fn a_death_at_any_step_is_told_and_strands_nobody() {
    for steps in 1..=STEPS {
        check(move || {
            let case = Case::<Robust>::new();
            let mortal = Arc::clone(&case);
            let mortal = thread::spawn(move || mortal.visit_and_die(steps));
            let theirs = Arc::clone(&case);
            in_threads(OTHERS, move |_| theirs.visit());
            case.visit();
            mortal.join().unwrap();
            assert!(case.told.load(Ordering::Relaxed) <= 1, "one death, told twice");
            case.visit();
        });
    }
}

/// The first thread holds the lock, the second one sleeps and is killed at any step
/// of waking up, the others must not miss what it was woken for.
#[test]
fn a_woken_waiter_that_dies_passes_the_wake_on() {
    for steps in 1..=6 {
        check(move || {
            let case = Case::<Robust>::new();
            assert_eq!(case.lock.lock(), Ok(Taken::Clean));
            let mortal = Arc::clone(&case);
            let mortal = thread::spawn(move || mortal.visit_and_die(steps));
            let patient = Arc::clone(&case);
            let patients = spawn_all(OTHERS, move |_| patient.visit());
            case.lock.unlock().unwrap();
            mortal.join().unwrap();
            join(patients);
        });
    }
}

#[test]
fn waiters_who_look_recover_once() {
    check(|| {
        let case = Case::<Watched>::new();
        let mortal = Arc::clone(&case);
        let mortal = thread::spawn(move || mortal.visit_and_die(IN_THE_MIDST));
        mortal.join().unwrap();
        assert_eq!(case.is_torn.load(Ordering::Relaxed), 1, "killed too early or late");
        let theirs = Arc::clone(&case);
        in_threads(THREADS, move |_| theirs.visit());
        assert_eq!(case.told.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn whoever_only_tries_recovers_once() {
    check(|| {
        let case = Case::<Watched>::new();
        let mortal = Arc::clone(&case);
        thread::spawn(move || mortal.visit_and_die(IN_THE_MIDST)).join().unwrap();
        let theirs = Arc::clone(&case);
        in_threads(THREADS, move |_| match theirs.lock.try_lock() {
            Ok(taken) => {
                theirs.told.fetch_add(u32::from(taken == Taken::OwnerDied), Ordering::Relaxed);
                theirs.lock.make_consistent().unwrap();
                theirs.data.add();
                theirs.lock.unlock().unwrap();
            }
            refused => assert_eq!(refused, Err(Refused::Busy)),
        });
        assert_eq!(case.told.load(Ordering::Relaxed), 1);
    });
}

/// The owner dies while others sleep already: each of them looks, one takes over.
#[test]
fn sleepers_who_look_recover_once_whenever_the_owner_dies() {
    for steps in 1..=STEPS {
        check(move || {
            let case = Case::<Watched>::new();
            let mortal = Arc::clone(&case);
            let mortal = thread::spawn(move || mortal.visit_and_die(steps));
            let theirs = Arc::clone(&case);
            let others = spawn_all(OTHERS, move |_| theirs.visit());
            case.visit();
            mortal.join().unwrap();
            join(others);
            assert!(case.told.load(Ordering::Relaxed) <= 1, "one death, told twice");
            case.visit();
        });
    }
}

/// As when a thread that is not the first of its process calls `exec`, with the lock in
/// hand and others already asleep, perhaps.
#[test]
fn a_death_that_the_system_missed_is_noticed_by_looking() {
    check(|| {
        let case = Case::<Robust>::new();
        let mortal = Arc::clone(&case);
        let mortal = thread::spawn(move || {
            if mortal.lock.lock().unwrap() == Taken::Clean {
                mortal.is_torn.store(1, Ordering::Relaxed);
            }
            go_unnoticed();
        });
        let theirs = Arc::clone(&case);
        let others = spawn_all(OTHERS, move |_| theirs.visit());
        case.visit();
        mortal.join().unwrap();
        join(others);
        case.visit();
        assert_eq!(case.told.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_lock_that_nobody_repaired_wakes_all_and_is_lost() {
    check(|| {
        let case = Case::<Robust>::new();
        let mortal = Arc::clone(&case);
        thread::spawn(move || mortal.visit_and_die(IN_THE_MIDST)).join().unwrap();
        let theirs = Arc::clone(&case);
        in_threads(THREADS, move |_| match theirs.lock.lock() {
            Ok(Taken::OwnerDied) => theirs.lock.unlock().unwrap(),
            refused => assert_eq!(refused, Err(Refused::NotRecoverable)),
        });
        assert_eq!(case.lock.lock(), Err(Refused::NotRecoverable));
    });
}
