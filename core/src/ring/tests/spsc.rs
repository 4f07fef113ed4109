use std::{mem::forget, thread, vec::Vec};

use super::{
    super::{Error, Layout, Owner, SameProcess, spsc::*},
    Looking, Numbers, Played, after_ms, become_process, mourn, over, pattern, words,
};

type Sides<'m> = (Producer<'m, Looking, Played>, Consumer<'m, Looking, Played>);

const CAPACITY: u64 = 256;
/// Octets of the longest record: half of the ring, less its word.
const LONGEST: usize = 120;

fn memory_of_ring() -> Vec<u64> {
    words(Layout::spsc(CAPACITY).unwrap().octets())
}

fn sides(words: &mut [u64]) -> (Ring<'_>, Sides<'_>) {
    let ring = Ring::create::<Played>(over(words), CAPACITY, 0).unwrap();
    let sides = (ring.producer().unwrap(), ring.consumer().unwrap());
    (ring, sides)
}

#[test]
fn records_of_any_length_come_out_as_they_went_in() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    let mut numbers = Numbers(1);
    let (mut sent, mut received) = (0, 0);
    let mut lengths = Vec::new();
    while received < 20_000 {
        if numbers.below(2) == 0 {
            let octets = numbers.below(LONGEST + 1);
            if producer.push(&pattern(sent, octets)).unwrap() {
                lengths.push(octets);
                sent += 1;
            }
        } else if let Some(record) = consumer.peek().unwrap() {
            assert_eq!(record, pattern(received, lengths[received]));
            consumer.release();
            received += 1;
        } else {
            assert_eq!(sent, received);
        }
    }
}

#[test]
fn ring_refuses_the_record_past_its_capacity() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    let mut sent = 0;
    while producer.push(&[7; 24]).unwrap() {
        sent += 1;
    }
    // 32 octets each, and 8 to spare for the word of the next.
    assert_eq!(sent, 7);
    assert_eq!(consumer.peek(), Ok(Some(&[7; 24][..])));
    consumer.release();
    assert_eq!(producer.push(&[7; 24]), Ok(true));
    assert_eq!(producer.push(&[7; 24]), Ok(false));
}

#[test]
fn the_longest_record_fits_wherever_the_ring_stands() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    assert_eq!(producer.record_octets_max(), LONGEST);
    for step in 0..200 {
        assert!(producer.push(&pattern(step, step % 60)).unwrap());
        assert_eq!(consumer.peek().unwrap().unwrap(), pattern(step, step % 60));
        consumer.release();
        assert_eq!(consumer.peek(), Ok(None));
        assert!(producer.push(&pattern(step, LONGEST)).unwrap(), "step {step}");
        assert_eq!(consumer.peek().unwrap().unwrap(), pattern(step, LONGEST));
        consumer.release();
        assert_eq!(consumer.peek(), Ok(None));
    }
    let octets = LONGEST + 1;
    let too_long = Error::TooLong { octets, octets_max: LONGEST };
    assert_eq!(producer.push(&pattern(0, octets)), Err(too_long));
    assert_eq!(producer.wait_room(octets, after_ms(1_000)), Err(too_long));
    assert_eq!(consumer.peek(), Ok(None));
}

#[test]
fn a_loan_is_sent_when_it_is_committed_and_not_before() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    let mut loan = producer.reserve(16).unwrap().unwrap();
    loan.copy_from_slice(&[1; 16]);
    drop(loan);
    assert_eq!(consumer.peek(), Ok(None));
    let mut loan = producer.reserve(16).unwrap().unwrap();
    loan[..3].copy_from_slice(b"abc");
    loan.commit_first(3).unwrap();
    producer.reserve(0).unwrap().unwrap().send().unwrap();
    assert_eq!(consumer.peek(), Ok(Some(&b"abc"[..])));
    consumer.release();
    assert_eq!(consumer.peek(), Ok(Some(&[][..])));
    consumer.release();
    assert_eq!(consumer.peek(), Ok(None));
}

#[test]
fn release_without_peek_does_nothing() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    assert!(producer.push(b"one").unwrap());
    consumer.release();
    consumer.wait_record(0).unwrap();
    consumer.release();
    assert_eq!(consumer.peek(), Ok(Some(&b"one"[..])));
    consumer.release();
    consumer.release();
    assert_eq!(consumer.peek(), Ok(None));
}

#[test]
fn each_side_is_taken_once_and_can_be_taken_again() {
    let mut words = memory_of_ring();
    let (ring, (producer, consumer)) = sides(&mut words);
    let taken = Error::Taken(Owner::new(1, 0));
    assert_eq!(ring.producer::<Looking, Played>().unwrap_err(), taken);
    assert_eq!(ring.consumer::<Looking, Played>().unwrap_err(), taken);
    drop((producer, consumer));
    let mut producer = ring.producer::<Looking, Played>().unwrap();
    let mut consumer = ring.consumer::<Looking, SameProcess>().unwrap();
    assert!(producer.push(b"again").unwrap());
    assert_eq!(consumer.peek(), Ok(Some(&b"again"[..])));
}

#[test]
fn what_was_sent_is_received_before_the_peer_is_missed() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    assert!(producer.push(b"last").unwrap());
    drop(producer);
    assert_eq!(consumer.wait_record(after_ms(1_000)), Ok(()));
    assert_eq!(consumer.peek(), Ok(Some(&b"last"[..])));
    consumer.release();
    assert_eq!(consumer.wait_record(after_ms(1_000)), Err(Error::PeerLeft));
}

#[test]
fn a_full_ring_without_a_consumer_is_not_waited_for() {
    let mut words = memory_of_ring();
    let (_ring, (mut producer, consumer)) = sides(&mut words);
    drop(consumer);
    while producer.push(&[0; 100]).unwrap() {}
    assert_eq!(producer.wait_room(100, after_ms(60_000)), Err(Error::PeerLeft));
}

#[test]
fn a_dead_peer_is_noticed_within_a_slice_or_two() {
    let mut words = memory_of_ring();
    let ring = Ring::create::<Played>(over(&mut words), CAPACITY, 0).unwrap();
    become_process(2);
    forget(ring.producer::<Looking, Played>().unwrap());
    become_process(1);
    let mut consumer = ring.consumer::<Looking, Played>().unwrap();
    assert_eq!(consumer.wait_record(after_ms(20)), Err(Error::TimedOut));
    mourn(2);
    let died = Error::PeerDied(Owner::new(2, 0));
    assert_eq!(consumer.wait_record(after_ms(60_000)), Err(died));
    assert!(ring.producer::<Looking, Played>().is_ok());
}

#[test]
fn a_new_producer_goes_on_after_the_last_whole_record_of_a_dead_one() {
    let mut words = memory_of_ring();
    let ring = Ring::create::<Played>(over(&mut words), CAPACITY, 0).unwrap();
    let mut consumer = ring.consumer::<Looking, Played>().unwrap();
    let mut sent = 0;
    for round in 0..200 {
        become_process(2 + round);
        mourn(1 + round);
        let mut producer = ring.producer::<Looking, Played>().unwrap();
        let mut before = producer.cursor();
        let records = 1 + round as usize % 3;
        for _ in 0..records {
            before = producer.cursor();
            assert!(producer.push(&pattern(sent, sent % 40)).unwrap());
            sent += 1;
        }
        // Killed between a record's word and the cursor, and in the middle of the
        // next record.
        producer.set_back(before);
        let mut loan = producer.reserve(30).unwrap().unwrap();
        loan.fill(0xEE);
        drop(loan);
        producer.set_back(before);
        forget(producer);
        for index in sent - records..sent {
            assert_eq!(consumer.peek().unwrap().unwrap(), pattern(index, index % 40));
            consumer.release();
        }
        assert_eq!(consumer.peek(), Ok(None));
    }
}

#[test]
fn a_new_consumer_goes_on_at_the_oldest_record_not_given_back() {
    let mut words = memory_of_ring();
    let (ring, (mut producer, mut consumer)) = sides(&mut words);
    for record in [b"a", b"b", b"c"] {
        assert!(producer.push(record).unwrap());
    }
    assert_eq!(consumer.peek(), Ok(Some(&b"a"[..])));
    consumer.release();
    consumer.flush();
    drop(consumer);
    let mut consumer = ring.consumer::<Looking, Played>().unwrap();
    assert_eq!(consumer.peek(), Ok(Some(&b"b"[..])));
}

#[test]
fn waiting_ends_at_the_deadline_and_not_before() {
    use crate::sync::Clock;
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    for timeout_ns in [0, 1, 999, 3_000_000, 20_000_000] {
        let deadline_ns = Looking::now_ns() + timeout_ns;
        assert_eq!(consumer.wait_record(deadline_ns), Err(Error::TimedOut));
        assert!(Looking::now_ns() >= deadline_ns);
    }
    while producer.push(&[0; 100]).unwrap() {}
    let deadline_ns = after_ms(3);
    assert_eq!(producer.wait_room(100, deadline_ns), Err(Error::TimedOut));
    assert!(Looking::now_ns() >= deadline_ns);
}

#[test]
fn two_threads_pass_records_of_any_length() {
    const RECORDS: usize = 100_000;
    let mut words = memory_of_ring();
    let (_ring, (mut producer, mut consumer)) = sides(&mut words);
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..RECORDS {
                let record = pattern(number, number % (LONGEST + 1));
                while !producer.push(&record).unwrap() {
                    producer.wait_room(record.len(), after_ms(60_000)).unwrap();
                }
                producer.flush();
            }
        });
        for number in 0..RECORDS {
            consumer.wait_record(after_ms(60_000)).unwrap();
            let record = consumer.peek().unwrap().unwrap();
            assert_eq!(record, pattern(number, number % (LONGEST + 1)));
            consumer.release();
        }
    });
}
