//! Two threads with shuttle too: the ring has two sides.

use super::{
    super::{Layout, spsc},
    *,
};

type Producer = spsc::Producer<'static, Modelled, SameProcess>;
type Consumer = spsc::Consumer<'static, Modelled, SameProcess>;

fn sides(capacity_octets: u64) -> (Producer, Consumer) {
    let memory = memory(Layout::spsc(capacity_octets).unwrap().octets());
    let ring = spsc::Ring::create::<SameProcess>(memory, capacity_octets, 0).unwrap();
    (ring.producer().unwrap(), ring.consumer().unwrap())
}

fn send(producer: &mut Producer, record: &[u8]) {
    while !producer.push(record).unwrap() {
        producer.wait_room(record.len(), NEVER).unwrap();
    }
    producer.flush();
}

/// Room for one record at a time: each side waits for the other, and the ring goes
/// round.
#[test]
fn sides_that_sleep_are_woken_and_see_whole_records() {
    const RECORDS: u8 = if cfg!(farend_loom) { 3 } else { 20 };
    check(|| {
        let (mut producer, mut consumer) = sides(32);
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

/// Nobody waits: what is there is whole and in order, and the ring skips its end.
#[test]
fn sides_that_only_look_see_whole_records_in_order() {
    const ROUNDS: usize = if cfg!(farend_loom) { 4 } else { 30 };
    check(|| {
        let (mut producer, mut consumer) = sides(64);
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

#[test]
fn a_sleeping_consumer_learns_that_the_producer_left() {
    check(|| {
        let (mut producer, mut consumer) = sides(32);
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
        let (mut producer, consumer) = sides(32);
        assert!(producer.push(&[0; 8]).unwrap());
        let leaving = thread::spawn(move || drop(consumer));
        assert_eq!(producer.wait_room(8, NEVER), Err(Error::PeerLeft));
        leaving.join().unwrap();
    });
}
