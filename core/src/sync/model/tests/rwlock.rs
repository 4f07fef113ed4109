use super::Tracked;
use crate::sync::{
    Private, RawRwPrivate, Refused, RwUnlock,
    model::{Arc, Modelled, check, pass_time, thread},
};

type Lock = RawRwPrivate<Modelled>;
type Pair = (Lock, Tracked);

/// Shuttle's further threads of each kind.
#[cfg(farend_loom)]
const MORE: usize = 0;
#[cfg(farend_shuttle)]
const MORE: usize = 2;

const _: fn() = || {
    fn is_private<S: crate::sync::RwScope<Modelled, Raw = Lock>>() {}
    is_private::<Private>();
};

fn read(pair: &Pair) -> u32 {
    let ticket = pair.0.read().unwrap();
    let value = pair.1.read();
    pair.0.unlock_read(ticket);
    value
}

fn write(pair: &Pair) {
    pair.0.write().unwrap();
    pair.1.add();
    pair.0.unlock_write();
}

fn spawn(pair: &Arc<Pair>, body: fn(&Pair)) -> thread::JoinHandle<()> {
    let pair = Arc::clone(pair);
    thread::spawn(move || body(&pair))
}

#[test]
fn readers_and_a_writer_never_meet() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let mut threads = std::vec::Vec::new();
        for _ in 0..=MORE {
            threads.push(spawn(&pair, write));
            threads.push(spawn(&pair, |pair| assert!(read(pair) <= 9)));
        }
        read(&pair);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(read(&pair), 1 + u32::try_from(MORE).unwrap());
    });
}

#[test]
fn two_writers_and_a_reader_all_get_in() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let mut threads = std::vec::Vec::new();
        for _ in 0..=MORE {
            threads.push(spawn(&pair, write));
            threads.push(spawn(&pair, |pair| assert!(read(pair) <= 9)));
        }
        write(&pair);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(read(&pair), 2 + u32::try_from(MORE).unwrap());
    });
}

/// A writer keeps a new reader out while it sleeps. When its time is over, the
/// reader gets in, although the first reader stays.
#[test]
fn a_writer_that_times_out_lets_readers_in() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let ticket = pair.0.read().unwrap();
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || theirs.0.write_until(6));
        let reader = spawn(&pair, |pair| assert!(read(pair) <= 9));
        pass_time(6);
        reader.join().unwrap();
        assert_eq!(writer.join().unwrap(), Err(Refused::TimedOut));
        pair.0.unlock_read(ticket);
        assert_eq!(pair.0.try_write(), Ok(()));
    });
}

#[test]
fn a_writer_that_times_out_takes_nobodys_turn() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let ticket = pair.0.read().unwrap();
        let theirs = Arc::clone(&pair);
        let hasty = thread::spawn(move || {
            if theirs.0.write_until(6).is_ok() {
                theirs.0.unlock_write();
            }
        });
        let patient = spawn(&pair, write);
        pass_time(6);
        pair.0.unlock_read(ticket);
        for thread in [hasty, patient] {
            thread.join().unwrap();
        }
        assert_eq!(read(&pair), 1);
    });
}
