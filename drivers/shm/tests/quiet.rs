//! Nobody who is awake is woken: the system is not called at all. And whose clock tells
//! how long the others sleep.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{Clock, Futex, Shared, Waited, primitive::AtomicU32};
use farend_futex::{Calls, Counting};
use farend_shm::{Deadline, Processes, RingError, SlowReader, broadcast, spsc};

type Counted = Counting<farend_futex::Default>;

const MESSAGES: u64 = 1_000_000;

#[test]
fn a_million_records_to_an_awake_receiver_call_the_system_not_once() {
    let ring = spsc::Ring::anonymous(1 << 16).unwrap();
    let mut sender = ring.sender_over::<Counted, Processes>().unwrap();
    let mut receiver = ring.receiver().unwrap();
    let receiving = thread::spawn(move || {
        for number in 0..MESSAGES {
            loop {
                if let Some(record) = receiver.try_receive().unwrap() {
                    assert_eq!(record, number.to_le_bytes());
                    break;
                }
                thread::yield_now();
            }
        }
    });
    let before = Calls::so_far();
    for number in 0..MESSAGES {
        while !sender.try_send(&number.to_le_bytes()).unwrap() {
            thread::yield_now();
        }
    }
    assert_eq!(Calls::so_far().since(before), Calls::default());
    receiving.join().unwrap();
}

#[test]
fn a_million_records_received_from_an_awake_sender_call_the_system_not_once() {
    let ring = spsc::Ring::anonymous(1 << 16).unwrap();
    let mut sender = ring.sender_over::<Counted, Processes>().unwrap();
    let mut receiver = ring.receiver_over::<Counted, Processes>().unwrap();
    let before = Calls::so_far();
    for number in 0..MESSAGES {
        sender.send(&number.to_le_bytes(), Deadline::NEVER).unwrap();
        assert_eq!(receiver.receive(Deadline::NEVER).unwrap(), number.to_le_bytes());
    }
    assert_eq!(Calls::so_far().since(before), Calls::default());
}

#[test]
fn a_million_messages_to_awake_subscribers_call_the_system_not_once() {
    static IS_OVER: AtomicBool = AtomicBool::new(false);
    let options = broadcast::Options {
        capacity_messages: 1 << 10,
        message_octets_max: 8,
        subscribers_max: 2,
        slow_reader: SlowReader::Overwrite,
    };
    let ring = broadcast::Ring::anonymous(options).unwrap();
    let mut publisher = ring.publisher_over::<Counted, Processes>().unwrap();
    let mut subscriber = ring.subscriber().unwrap();
    let receiving = thread::spawn(move || {
        let (mut buffer, mut seen) = ([0; 8], 0);
        loop {
            let was_over = IS_OVER.load(Ordering::Acquire);
            match subscriber.try_receive(&mut buffer).unwrap() {
                Some(message) => seen += 1 + message.lost,
                None if was_over => return seen,
                None => thread::yield_now(),
            }
        }
    });
    let before = Calls::so_far();
    for number in 0..MESSAGES {
        assert!(publisher.send(&number.to_le_bytes(), Deadline::NEVER).unwrap());
    }
    assert_eq!(Calls::so_far().since(before), Calls::default());
    IS_OVER.store(true, Ordering::Release);
    assert_eq!(receiving.join().unwrap(), MESSAGES);
}

#[test]
fn a_sleeping_receiver_is_woken_by_one_call() {
    let ring = spsc::Ring::anonymous(1 << 12).unwrap();
    let mut sender = ring.sender_over::<Counted, Processes>().unwrap();
    let mut receiver = ring.receiver_over::<Counted, Processes>().unwrap();
    // Sleeps for as long as it may, so the bell stays armed.
    let timed_out = receiver.receive(Deadline::after(Duration::from_millis(1)));
    assert_eq!(timed_out, Err(RingError::TimedOut));
    let before = Calls::so_far();
    for _ in 0..3 {
        assert!(sender.push(b"burst").unwrap());
    }
    assert_eq!(Calls::so_far().since(before), Calls::default());
    sender.flush();
    sender.flush();
    assert_eq!(Calls::so_far().since(before), Calls { waits: 0, wakes: 1 });
}

/// The system's clock and sleep, an hour ahead.
#[derive(Debug)]
enum Ahead {}

const HOUR_NS: u64 = 3_600_000_000_000;

impl Clock for Ahead {
    fn now_ns() -> u64 {
        farend_futex::Default::now_ns() + HOUR_NS
    }
}

impl Futex<Shared> for Ahead {
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        let deadline_ns = deadline_ns.map(|deadline_ns| deadline_ns - HOUR_NS);
        <farend_futex::Default as Futex<Shared>>::wait(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        <farend_futex::Default as Futex<Shared>>::wake_one(word);
    }

    fn wake_all(word: &AtomicU32) {
        <farend_futex::Default as Futex<Shared>>::wake_all(word);
    }

    fn thread_id() -> NonZeroU32 {
        <farend_futex::Default as Futex<Shared>>::thread_id()
    }
}

#[test]
fn a_side_waits_by_the_clock_of_its_backend() {
    const WAIT: Duration = Duration::from_millis(20);
    let ring = spsc::Ring::anonymous(1 << 10).unwrap();
    let mut receiver = ring.receiver_over::<Ahead, Processes>().unwrap();
    let started = Instant::now();
    assert_eq!(receiver.receive(Deadline::after(WAIT)), Err(RingError::TimedOut));
    assert!((WAIT..WAIT * 100).contains(&started.elapsed()), "{:?}", started.elapsed());
}
