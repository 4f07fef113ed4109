use std::vec::Vec;

use super::{THREADS, Tracked, join};
use crate::sync::{
    Owners, RawRwShared, Refused, RwUnlock, Taken,
    model::{Arc, Node, Robust, check, clean_up, killed_at, thread},
    primitive::{AtomicU32, Ordering},
};

struct Case {
    lock: RawRwShared<Robust>,
    data: Tracked,
    is_torn: AtomicU32,
}

impl Case {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: RawRwShared::free(),
            data: Tracked::default(),
            is_torn: AtomicU32::new(0),
        })
    }

    fn read(&self) {
        let (ticket, taken) = self.lock.read().unwrap();
        if taken == Taken::Clean {
            assert_eq!(self.is_torn.load(Ordering::Relaxed), 0, "nobody told of the death");
        }
        self.data.read();
        self.lock.unlock_read(ticket);
    }

    fn write(&self) {
        if self.lock.write().unwrap() == Taken::OwnerDied {
            self.is_torn.store(0, Ordering::Relaxed);
            self.lock.make_consistent().unwrap();
        }
        assert_eq!(self.is_torn.load(Ordering::Relaxed), 0, "nobody told of the death");
        self.data.add();
        self.lock.unlock_write();
    }

    /// Dies at a step of writing, perhaps.
    fn write_and_die(&self, steps: u32) {
        let is_dead = killed_at(steps, || {
            if self.lock.write().unwrap() == Taken::OwnerDied {
                self.lock.make_consistent().unwrap();
            }
            self.is_torn.store(1, Ordering::Relaxed);
            end_of_step();
            self.is_torn.store(0, Ordering::Relaxed);
            self.lock.unlock_write();
        });
        if is_dead {
            self.clean_up();
        }
    }

    fn read_and_die(&self, steps: u32) {
        let is_dead = killed_at(steps, || {
            let (ticket, _) = self.lock.read().unwrap();
            self.lock.unlock_read(ticket);
        });
        if is_dead {
            self.clean_up();
        }
    }

    fn clean_up(&self) {
        for lock in self.lock.locks() {
            clean_up(lock);
        }
    }
}

/// A step at which a thread can be killed, and nothing else.
fn end_of_step() {
    fn hook<F: Owners<Node = Node>>() {
        F::wake_one(&AtomicU32::new(0));
    }
    hook::<Robust>();
}

/// Half of all threads, the first one not counted.
const WRITERS: u32 = if cfg!(farend_loom) { 1 } else { 4 };

/// Shuttle's further writers, and as many readers, beside the first thread and the
/// one that dies.
const MORE: u32 = if cfg!(farend_loom) { 0 } else { 3 };

fn spawn(case: &Arc<Case>, body: impl FnOnce(&Case) + Send + 'static) -> thread::JoinHandle<()> {
    let case = Arc::clone(case);
    thread::spawn(move || body(&case))
}

fn more(case: &Arc<Case>) -> Vec<thread::JoinHandle<()>> {
    let both = |_| [spawn(case, Case::write), spawn(case, Case::read)];
    (0..MORE).flat_map(both).collect()
}

#[test]
fn a_writer_that_goes_on_reading_lets_no_writer_in() {
    check(|| {
        let case = Case::new();
        assert_eq!(case.lock.write(), Ok(Taken::Clean));
        case.data.add();
        let theirs = Arc::clone(&case);
        let writing = thread::spawn(move || theirs.write());
        let ticket = case.lock.downgrade().unwrap();
        assert_eq!(case.data.read(), 1);
        case.lock.unlock_read(ticket);
        writing.join().unwrap();
        assert_eq!(case.data.read(), 2);
    });
}

#[test]
fn readers_and_a_writer_never_meet() {
    check(|| {
        let case = Case::new();
        let is_writer = |index| index < WRITERS as usize;
        let body = |index| if is_writer(index) { Case::write } else { Case::read };
        let threads = (0..THREADS).map(|index| spawn(&case, body(index))).collect();
        case.read();
        join(threads);
        assert_eq!(case.data.read(), WRITERS);
    });
}

#[test]
fn a_reader_that_locks_again_is_never_kept_waiting() {
    check(|| {
        let case = Case::new();
        let (ticket, _) = case.lock.read().unwrap();
        let writer = spawn(&case, Case::write);
        let others = more(&case);
        // A writer in between must not be waited for; without one, another slot will do.
        match case.lock.read() {
            Ok((second, _)) => case.lock.unlock_read(second),
            Err(refused) => assert_eq!(refused, Refused::Reentrant),
        }
        assert_eq!(case.lock.write(), Err(Refused::Reentrant));
        assert_eq!(case.lock.try_write(), Err(Refused::Reentrant));
        case.lock.unlock_read(ticket);
        writer.join().unwrap();
        join(others);
    });
}

/// Two slots.
#[test]
fn a_reader_reads_again_while_there_is_a_slot_and_is_refused_then() {
    check(|| {
        let case = Case::new();
        let read_twice = |case: &Case| {
            let (ticket, _) = case.lock.read().unwrap();
            match case.lock.read() {
                Ok((second, _)) => case.lock.unlock_read(second),
                Err(refused) => assert_eq!(refused, Refused::Reentrant),
            }
            case.lock.unlock_read(ticket);
        };
        let other = spawn(&case, read_twice);
        read_twice(&case);
        other.join().unwrap();
        let (first, _) = case.lock.read().unwrap();
        let (second, _) = case.lock.read().unwrap();
        assert_eq!(case.lock.read().map(|_| ()), Err(Refused::Reentrant));
        assert_eq!(case.lock.try_read().map(|_| ()), Err(Refused::Busy));
        case.lock.unlock_read(first);
        case.lock.unlock_read(second);
        case.write();
    });
}

#[test]
fn two_readers_that_want_to_write_are_both_refused() {
    check(|| {
        let case = Case::new();
        let upgrade = |case: &Case| {
            let (ticket, _) = case.lock.read().unwrap();
            assert_eq!(case.lock.write(), Err(Refused::Reentrant));
            case.lock.unlock_read(ticket);
        };
        let other = spawn(&case, upgrade);
        upgrade(&case);
        other.join().unwrap();
    });
}

/// Two slots: a writer takes eight steps for each lock at least.
#[test]
fn a_writers_death_at_any_step_is_told_and_strands_nobody() {
    for steps in 1..=26 {
        check(move || {
            let case = Case::new();
            let mortal = spawn(&case, move |case| case.write_and_die(steps));
            let others = more(&case);
            case.read();
            mortal.join().unwrap();
            join(others);
            case.write();
            case.read();
            assert_eq!(case.data.read(), 1 + MORE);
        });
    }
}

#[test]
fn a_readers_death_at_any_step_is_nobodys_business() {
    for steps in 1..=9 {
        check(move || {
            let case = Case::new();
            let mortal = spawn(&case, move |case| case.read_and_die(steps));
            let others = more(&case);
            case.write();
            mortal.join().unwrap();
            join(others);
            case.write();
            case.read();
            assert_eq!(case.data.read(), 2 + MORE);
        });
    }
}
