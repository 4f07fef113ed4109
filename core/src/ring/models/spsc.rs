//! Two threads with shuttle too: the ring has two sides.

use super::{
    super::{Layout, Liveness, layout::HEADER_OCTETS, spsc},
    process::become_process,
    *,
};
use crate::sync::primitive::Ordering;

type Producer<F = Modelled, L = SameProcess> = spsc::Producer<'static, F, L>;
type Consumer<F = Modelled, L = SameProcess> = spsc::Consumer<'static, F, L>;

fn sides<F: Futex<Shared>, L: Liveness>(capacity_octets: u64) -> (Producer<F, L>, Consumer<F, L>) {
    let memory = memory(Layout::spsc(capacity_octets).unwrap().octets());
    let ring = spsc::Ring::create::<L>(memory, capacity_octets, 0).unwrap();
    (ring.producer().unwrap(), ring.consumer().unwrap())
}

fn send<F: Futex<Shared>, L: Liveness>(producer: &mut Producer<F, L>, record: &[u8]) {
    while !producer.push(record).unwrap() {
        producer.wait_room(record.len(), NEVER).unwrap();
    }
    producer.flush();
}

/// Room for one record at a time: each side waits for the other, and the ring goes
/// round.
fn sides_wait_for_each_other<F: Futex<Shared>, L: Liveness>() {
    const RECORDS: u8 = if cfg!(farend_loom) { 3 } else { 20 };
    check(|| {
        let (mut producer, mut consumer) = sides::<F, L>(32);
        let sending = thread::spawn(move || {
            for number in 0..RECORDS {
                send(&mut producer, &[number; 8]);
            }
            producer
        });
        for number in 0..RECORDS {
            consumer.wait_record(NEVER).unwrap();
            assert_eq!(consumer.peek(), Ok(Some(&[number; 8][..])));
            consumer.release();
        }
        drop(sending.join().unwrap());
        assert_eq!(consumer.peek(), Ok(None));
    });
}

#[test]
fn sides_that_sleep_are_woken_and_see_whole_records() {
    sides_wait_for_each_other::<Modelled, SameProcess>();
}

/// Ringing is a load, which the sleeper's barrier orders.
#[test]
fn sides_that_sleep_are_woken_by_who_only_looks_at_the_bell() {
    sides_wait_for_each_other::<Modelled, Process>();
}

#[test]
fn sides_that_look_for_a_while_before_they_sleep_are_woken() {
    sides_wait_for_each_other::<Looking, SameProcess>();
}

/// Nobody waits: what is there is whole and in order, and the ring skips its end.
#[test]
fn sides_that_only_look_see_whole_records_in_order() {
    const ROUNDS: usize = if cfg!(farend_loom) { 4 } else { 30 };
    check(|| {
        let (mut producer, mut consumer) = sides::<Modelled, SameProcess>(64);
        let octets_of = |number: u8| 24 - usize::from(number % 4) * 8;
        let sending = thread::spawn(move || {
            let mut sent = 0;
            for _ in 0..ROUNDS {
                let octets = octets_of(sent);
                if producer.push(&[sent; 24][..octets]).unwrap() {
                    sent += 1;
                }
            }
            (producer, sent)
        });
        let mut received = 0;
        let mut receive = |consumer: &mut Consumer| {
            let Some(record) = consumer.peek().unwrap() else { return false };
            assert_eq!(record, &[received; 24][..octets_of(received)]);
            consumer.release();
            received += 1;
            true
        };
        for _ in 0..ROUNDS {
            receive(&mut consumer);
        }
        let (_producer, sent) = sending.join().unwrap();
        while receive(&mut consumer) {}
        assert_eq!(received, sent);
    });
}

/// Loans that are given back or sent in part leave what they wrote where the next
/// record's word is to be 0.
#[test]
fn a_consumer_sees_nothing_of_loans_that_were_given_back() {
    check(|| {
        let (mut producer, mut consumer) = sides::<Modelled, SameProcess>(64);
        let sending = thread::spawn(move || {
            assert!(producer.push(&[1; 8]).unwrap());
            let mut loan = producer.reserve(24).unwrap().unwrap();
            loan.fill(0xEE);
            drop(loan);
            assert!(producer.push(&[2; 8]).unwrap());
            producer
        });
        let mut next = 1;
        for _ in 0..3 {
            if let Some(record) = consumer.peek().unwrap() {
                assert_eq!(record, [next; 8]);
                next += 1;
                consumer.release();
            }
        }
        drop(sending.join().unwrap());
        while let Some(record) = consumer.peek().unwrap() {
            assert_eq!(record, [next; 8]);
            next += 1;
            consumer.release();
        }
        assert_eq!(next, 3);
    });
}

#[test]
fn a_sleeping_consumer_learns_that_the_producer_left() {
    check(|| {
        let (mut producer, mut consumer) = sides::<Modelled, SameProcess>(32);
        let sending = thread::spawn(move || assert!(producer.push(b"last").unwrap()));
        assert_eq!(consumer.wait_record(NEVER), Ok(()));
        assert_eq!(consumer.peek(), Ok(Some(&b"last"[..])));
        consumer.release();
        assert_eq!(consumer.wait_record(NEVER), Err(Error::PeerLeft));
        sending.join().unwrap();
    });
}

#[test]
fn a_sleeping_producer_learns_that_the_consumer_left() {
    check(|| {
        let (mut producer, consumer) = sides::<Modelled, SameProcess>(32);
        assert!(producer.push(&[0; 8]).unwrap());
        let leaving = thread::spawn(move || drop(consumer));
        assert_eq!(producer.wait_room(8, NEVER), Err(Error::PeerLeft));
        leaving.join().unwrap();
    });
}

/// A producer finds its cursor broken and leaves: a consumer that sleeps for it learns of
/// that. (The consumer's cursor, a producer reads by itself.)
#[test]
fn a_producer_that_leaves_a_corrupt_ring_is_not_waited_for() {
    check(|| {
        let memory = memory(Layout::spsc(32).unwrap().octets());
        let ring = spsc::Ring::create::<Process>(memory, 32, 0).unwrap();
        let mut consumer = ring.consumer::<Modelled, Process>().unwrap();
        memory.word64(HEADER_OCTETS + 8).unwrap().store(1, Ordering::Relaxed);
        let coming = thread::spawn(move || {
            become_process(2);
            let left = ring.producer::<Modelled, Process>().map(drop);
            assert!(matches!(left, Err(Error::Corrupt(_))), "{left:?}");
        });
        assert_eq!(consumer.wait_record(NEVER), Err(Error::PeerLeft));
        coming.join().unwrap();
    });
}
