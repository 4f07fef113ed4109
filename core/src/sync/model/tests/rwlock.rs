use std::vec::Vec;

use super::{OTHERS, THREADS, Tracked, join};
use crate::sync::{
    Deadline, Private, RawRwPrivate, Refused, RwUnlock,
    model::{Arc, Modelled, check, pass_time, thread},
};

type Lock = RawRwPrivate<Modelled>;
type Pair = (Lock, Tracked);

const _: fn() = || {
    fn is_private<S: crate::sync::RwScope<Modelled, Raw = Lock>>() {}
    is_private::<Private>();
};

fn read(pair: &Pair) -> u32 {
    let ticket = pair.0.read();
    let value = pair.1.read();
    pair.0.unlock_read(ticket);
    value
}

fn write(pair: &Pair) {
    pair.0.write();
    pair.1.add();
    pair.0.unlock_write();
}

fn spawn(pair: &Arc<Pair>, body: fn(&Pair)) -> thread::JoinHandle<()> {
    let pair = Arc::clone(pair);
    thread::spawn(move || body(&pair))
}

/// Half of all threads, the first one not counted.
const WRITERS: u32 = if cfg!(farend_loom) { 1 } else { 4 };

fn writers_and_readers(pair: &Arc<Pair>) -> Vec<thread::JoinHandle<()>> {
    let is_writer = |index| index < WRITERS as usize;
    let body =
        |index| if is_writer(index) { write } else { |pair: &Pair| assert!(read(pair) <= 9) };
    (0..THREADS).map(|index| spawn(pair, body(index))).collect()
}

#[test]
fn readers_and_a_writer_never_meet() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let threads = writers_and_readers(&pair);
        read(&pair);
        join(threads);
        assert_eq!(read(&pair), WRITERS);
    });
}

#[test]
fn writers_and_readers_all_get_in() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let threads = writers_and_readers(&pair);
        write(&pair);
        join(threads);
        assert_eq!(read(&pair), WRITERS + 1);
    });
}

#[test]
fn a_writer_that_goes_on_reading_lets_readers_in() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        pair.0.write();
        let readers: Vec<_> =
            (0..OTHERS).map(|_| spawn(&pair, |pair| assert_eq!(read(pair), 1))).collect();
        pair.1.add();
        let ticket = pair.0.downgrade();
        // They come and go while this one still reads.
        join(readers);
        assert_eq!(pair.1.read(), 1);
        pair.0.unlock_read(ticket);
        write(&pair);
    });
}

/// A writer keeps a new reader out while it sleeps. When its time is over, the
/// reader gets in, although the first reader stays.
#[test]
fn a_writer_that_times_out_lets_readers_in() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let ticket = pair.0.read();
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || theirs.0.write_until(Deadline::at_ns(6)));
        let readers = (0..OTHERS).map(|_| spawn(&pair, |pair| assert!(read(pair) <= 9))).collect();
        pass_time(6);
        join(readers);
        assert_eq!(writer.join().unwrap(), Err(Refused::TimedOut));
        pair.0.unlock_read(ticket);
        assert_eq!(pair.0.try_write(), Ok(()));
    });
}

#[test]
fn a_writer_that_times_out_takes_nobodys_turn() {
    check(|| {
        let pair = Arc::new((Lock::new(), Tracked::default()));
        let ticket = pair.0.read();
        let theirs = Arc::clone(&pair);
        let hasty = thread::spawn(move || {
            if theirs.0.write_until(Deadline::at_ns(6)).is_ok() {
                theirs.0.unlock_write();
            }
        });
        let patients = (0..OTHERS).map(|_| spawn(&pair, write)).collect();
        pass_time(6);
        pair.0.unlock_read(ticket);
        hasty.join().unwrap();
        join(patients);
        assert_eq!(read(&pair), u32::try_from(OTHERS).unwrap());
    });
}
