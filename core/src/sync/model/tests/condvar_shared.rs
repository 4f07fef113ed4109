use core::mem;

use super::{OTHERS, join, put_others_to_sleep, spawn_all};
use crate::sync::{
    Condvar, LockError, Mutex, MutexGuard, Shared,
    model::{Arc, Robust, check, clean_up, killed_at, thread},
};

type Guard<'a> = MutexGuard<'a, u32, Shared, Robust>;

/// A gate, and how one learns that it is open.
struct Case {
    gate: Mutex<u32, Shared, Robust>,
    opened: Condvar<Shared, Robust>,
}

/// The guard, whether or not its last owner died: the data is one number, and sound.
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
        Arc::new(Self { gate: Mutex::modelled(0), opened: Condvar::new() })
    }

    fn wait(&self) {
        let mut guard = sound(self.gate.lock());
        while *guard == 0 {
            guard = sound(self.opened.wait(guard));
        }
        MutexGuard::unlock(guard).unwrap();
    }

    /// Waits, and lets the next one through.
    fn wait_and_tell(&self) {
        self.wait();
        self.opened.notify_one();
    }

    /// Opens the gate and says so, unless it is open.
    fn open(&self, whom: Whom) {
        let mut guard = sound(self.gate.lock());
        let was_open = mem::replace(&mut *guard, 1) == 1;
        MutexGuard::unlock(guard).unwrap();
        if was_open {
            return;
        }
        match whom {
            Whom::One => self.opened.notify_one(),
            Whom::All => self.opened.notify_all(),
        }
    }

    /// Lives no longer than `steps`, and does what becomes of the dead. Returns
    /// whether it lives.
    fn survives(&self, steps: u32, life: impl FnOnce()) -> bool {
        let is_dead = killed_at(steps, life);
        if is_dead {
            clean_up(self.gate.raw());
        }
        !is_dead
    }
}

#[derive(Clone, Copy)]
enum Whom {
    One,
    All,
}

/// Steps of a waiter that sleeps once: it takes the mutex in three, gives it up in
/// four, sleeps in two, takes it again, gives it up and tells the next one; with some
/// to spare for waking others and waiting for the mutex.
const WAITERS_STEPS: u32 = 20;

/// One is told, and each tells one more. Whoever dies with the notice delays the others
/// by a slice.
#[test]
fn a_waiters_death_at_any_step_strands_nobody() {
    for steps in 1..=WAITERS_STEPS {
        check(move || {
            let case = Case::new();
            let theirs = Arc::clone(&case);
            let others = spawn_all(OTHERS, move |_| theirs.wait_and_tell());
            // How one falls asleep beside one who tells is in the models below.
            put_others_to_sleep();
            let theirs = Arc::clone(&case);
            let mortal = thread::spawn(move || theirs.survives(steps, || theirs.wait_and_tell()));
            case.open(Whom::One);
            mortal.join().unwrap();
            join(others);
        });
    }
}

/// Steps of a notifier: taking the mutex, giving it up, waking; with some to spare.
const NOTIFIERS_STEPS: u32 = 11;

/// Opens the gate, or dies at it; then another comes, who finds the gate open or not,
/// and does not know whether anybody was told.
fn open_and_die(case: &Case, steps: u32, whom: Whom) {
    if !case.survives(steps, || case.open(whom)) {
        case.open(whom);
    }
}

fn a_notifier_dies(whom: Whom, waiters: usize) {
    for steps in 1..=NOTIFIERS_STEPS {
        check(move || {
            let case = Case::new();
            let theirs = Arc::clone(&case);
            let waiters = spawn_all(waiters, move |_| theirs.wait());
            open_and_die(&case, steps, whom);
            join(waiters);
        });
    }
}

#[test]
fn a_notifiers_death_at_any_step_strands_nobody() {
    a_notifier_dies(Whom::One, 1);
}

/// With loom one waiter: two, and eleven deaths, would have too many orders.
#[test]
fn a_notifier_to_all_that_dies_at_any_step_strands_nobody() {
    a_notifier_dies(Whom::All, if cfg!(farend_loom) { 1 } else { 7 });
}
