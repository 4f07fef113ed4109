use core::cell::Cell;

use super::{join, spawn_all};
use crate::sync::{
    Condvar, LockError, Mutex, MutexGuard, Shared,
    model::{Arc, Robust, check, clean_up, killed_at, thread},
};

type Guard<'a> = MutexGuard<'a, u32, Shared, Robust>;

/// Things to be taken, and how one learns that there are some.
struct Case {
    things: Mutex<u32, Shared, Robust>,
    came: Condvar<Shared, Robust>,
}

/// The guard, whether or not its last owner died: each change here is one step, so
/// the data is sound.
fn sound<'a>(taken: Result<Guard<'a>, LockError<Guard<'a>>>) -> Guard<'a> {
    match taken {
        Ok(guard) => guard,
        Err(LockError::OwnerDied(guard)) => {
            MutexGuard::make_consistent(&guard).unwrap();
            guard
        }
        Err(LockError::Refused(refused)) => panic!("{refused}"),
    }
}

// No guard lives across a step, at which it would be dropped with effect: calls take
// it and give it back.
impl Case {
    fn new() -> Arc<Self> {
        Arc::new(Self { things: Mutex::modelled(0), came: Condvar::new() })
    }

    /// Waits for a thing and takes it; `taken` is called as it is taken.
    fn take(&self, taken: impl FnOnce()) {
        let mut guard = sound(self.things.lock());
        while *guard == 0 {
            guard = sound(self.came.wait(guard));
        }
        *guard -= 1;
        taken();
        MutexGuard::unlock(guard).unwrap();
    }

    /// Changes the number of things; `changed` is called as it is changed.
    fn put(&self, things: u32, changed: impl FnOnce()) {
        let mut guard = sound(self.things.lock());
        *guard += things;
        changed();
        MutexGuard::unlock(guard).unwrap();
    }

    fn put_one(&self, changed: impl FnOnce()) {
        self.put(1, changed);
        self.came.notify_one();
    }

    /// Lives no longer than `steps`. What it leaves undone, another does: `rest`.
    fn live(&self, steps: u32, life: impl FnOnce(), rest: impl FnOnce()) {
        if killed_at(steps, life) {
            clean_up(self.things.raw());
        }
        rest();
    }
}

/// Threads beside the first one and the one that may die.
#[cfg(farend_loom)]
const OTHERS: usize = 1;
#[cfg(farend_shuttle)]
const OTHERS: usize = 6;

/// Steps of a waiter that sleeps once: it takes the mutex in three, gives it up in
/// four, sleeps in two, takes it again and gives it up; with some to spare.
const STEPS: u32 = 18;

/// One thing goes from hand to hand. Whoever dies with the notice of it delays the
/// next one by a slice.
#[test]
fn a_waiters_death_at_any_step_strands_nobody() {
    for steps in 1..=STEPS {
        check(move || {
            let case = Case::new();
            let theirs = Arc::clone(&case);
            let mortal = thread::spawn(move || {
                let has_taken = Cell::new(false);
                let life = || theirs.take(|| has_taken.set(true));
                theirs.live(steps, life, || {
                    if has_taken.get() {
                        theirs.put_one(|| ());
                    }
                });
            });
            let theirs = Arc::clone(&case);
            let others = spawn_all(OTHERS, move |_| {
                theirs.take(|| ());
                theirs.put_one(|| ());
            });
            case.put_one(|| ());
            mortal.join().unwrap();
            join(others);
            case.take(|| ());
        });
    }
}

/// Steps of a notifier: taking the mutex, giving it up, waking; with some to spare.
const NOTIFIERS_STEPS: u32 = 12;

#[test]
fn a_notifiers_death_at_any_step_strands_nobody() {
    for steps in 1..=NOTIFIERS_STEPS {
        check(move || {
            let case = Case::new();
            let theirs = Arc::clone(&case);
            let mortal = thread::spawn(move || {
                let has_put = Cell::new(false);
                let life = || theirs.put_one(|| has_put.set(true));
                theirs.live(steps, life, || {
                    if !has_put.get() {
                        theirs.put_one(|| ());
                    }
                });
            });
            case.take(|| ());
            mortal.join().unwrap();
        });
    }
}

#[test]
fn a_notifier_to_all_that_dies_at_any_step_strands_nobody() {
    let all = u32::try_from(OTHERS).unwrap() + 1;
    for steps in 1..=NOTIFIERS_STEPS {
        check(move || {
            let case = Case::new();
            let theirs = Arc::clone(&case);
            let mortal = thread::spawn(move || {
                let has_put = Cell::new(false);
                let life = || {
                    theirs.put(all, || has_put.set(true));
                    theirs.came.notify_all();
                };
                theirs.live(steps, life, || {
                    if !has_put.get() {
                        theirs.put(all, || ());
                        theirs.came.notify_all();
                    }
                });
            });
            let theirs = Arc::clone(&case);
            let others = spawn_all(OTHERS, move |_| theirs.take(|| ()));
            case.take(|| ());
            mortal.join().unwrap();
            join(others);
        });
    }
}
