//! Channels, routes and named locks: between processes that come in any order and are
//! killed at any time.

#[macro_use]
mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{LockError, MutexGuard};
use farend_shm::{
    Deadline, RingError, SegmentError, SlowReader,
    broadcast::Options as RouteOptions,
    channel::{Channel, Options},
    named::{Condvar, Mutex, Semaphore},
    route::{self, RouteError},
};
use support::{
    DONE, LONG, MESSAGE_OCTETS_MAX, Numbers, Peer, THERE, fresh_name, kills, message, number_of,
};

const OPTIONS: Options = Options {
    capacity_messages: 16,
    message_octets_max: 256,
    senders_max: 4,
    receivers_max: 3,
    slow_receiver: SlowReader::Block,
};

const ROUTE: RouteOptions = RouteOptions {
    capacity_messages: 16,
    message_octets_max: 256,
    subscribers_max: 4,
    slow_reader: SlowReader::Block,
};

/// Senders number their messages from here on, a range for each.
const RANGE: u64 = 1 << 32;

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let name = &arguments[0];
    let first = || arguments[1].parse::<u64>().unwrap();
    match role {
        "sends for ever" => {
            let mut sender = Channel::open_or_create(name, OPTIONS).unwrap().sender().unwrap();
            println!("{THERE}");
            for number in first() * RANGE.. {
                sender.send(&message(number), Deadline::NEVER).unwrap();
            }
        }
        "sends some" => {
            let mut sender = Channel::open_or_create(name, OPTIONS).unwrap().sender().unwrap();
            for number in 0..500 {
                sender.send(&message(first() * RANGE + number), Deadline::after(LONG)).unwrap();
            }
        }
        "receives for ever" => {
            let mut receiver = Channel::attach(name).unwrap().receiver().unwrap();
            println!("{THERE}");
            let mut last = [None; 8];
            loop {
                receive_next(&mut receiver, &mut last);
            }
        }
        "routes" => {
            let mut sender = route::sender(name, ROUTE).unwrap();
            sender.wait_subscribers(2, Deadline::after(LONG)).unwrap();
            for number in 0..500 {
                sender.send(&message(number), Deadline::after(LONG)).unwrap();
            }
        }
        "follows" => {
            let mut receiver = route::receiver(name, ROUTE).unwrap();
            for number in 0..500 {
                let message = receiver.receive_in_place(Deadline::after(LONG)).unwrap();
                assert_eq!(number_of(message), number);
            }
        }
        "counts" => {
            let count = Mutex::<[u64; 2]>::open_or_create(name).unwrap();
            println!("{THERE}");
            loop {
                let mut count = lock(&count);
                count[0] += 1;
                count[1] += 1;
            }
        }
        "acquires" => {
            let semaphore = Semaphore::open_or_create_with_units(name, 2).unwrap();
            println!("{THERE}");
            loop {
                semaphore.acquire();
                semaphore.post().unwrap();
            }
        }
        "changes" => {
            let value = Mutex::<u64>::open_or_create(name).unwrap();
            let changed = Condvar::open_or_create(&arguments[1]).unwrap();
            for turn in 0..100 {
                let guard = value.lock().unwrap();
                let mut guard = changed.wait_while(guard, |value| *value != 2 * turn).unwrap();
                *guard += 1;
                drop(guard);
                changed.notify_all();
            }
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

/// Takes the lock, and puts right what a dead owner left: two counts that are equal.
fn lock(
    count: &Mutex<[u64; 2]>,
) -> MutexGuard<'_, [u64; 2], farend_core::sync::Shared, farend_futex::Default> {
    match count.lock() {
        Ok(guard) => {
            assert_eq!(guard[0], guard[1], "two had the lock");
            guard
        }
        Err(LockError::OwnerDied(mut guard)) => {
            assert!(guard[0] == guard[1] || guard[0] == guard[1] + 1, "{guard:?}");
            guard[1] = guard[0];
            MutexGuard::make_consistent(&guard).unwrap();
            guard
        }
        Err(LockError::Refused(refused)) => panic!("{refused}"),
    }
}

/// Receives a message, which comes after the last one of its sender.
fn receive_next(receiver: &mut farend_shm::channel::Receiver, last: &mut [Option<u64>]) -> usize {
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    let got = receiver.receive(&mut buffer, Deadline::after(LONG)).unwrap();
    let number = number_of(&buffer[..got.octets]);
    let sender = usize::try_from(number / RANGE).unwrap();
    let expected = last[sender].map_or(number, |last| last + 1);
    assert_eq!((number, got.lost), (expected, 0), "of sender {sender}");
    last[sender] = Some(number);
    sender
}

#[test]
fn each_receiver_gets_every_message_of_each_sender_in_its_order() {
    let name = fresh_name();
    let channel = Channel::open_or_create(&name, OPTIONS).unwrap();
    let receivers: Vec<_> = (0..2).map(|_| channel.receiver().unwrap()).collect();
    let peers: Vec<_> =
        (0..3).map(|sender| Peer::start("sends some", &[&name, &sender.to_string()])).collect();
    let receiving = receivers.into_iter().map(|mut receiver| {
        thread::spawn(move || {
            let (mut last, mut received) = ([None; 4], 0);
            while received < 1_500 {
                let _sender = receive_next(&mut receiver, &mut last);
                received += 1;
            }
            assert_eq!(last[..3], [0, 1, 2].map(|sender| Some(sender * RANGE + 499)));
            let end = receiver.try_receive(&mut [0; MESSAGE_OCTETS_MAX]).unwrap();
            assert_eq!(end, None);
        })
    });
    let receiving: Vec<_> = receiving.collect();
    peers.into_iter().for_each(Peer::finish);
    for thread in receiving {
        thread.join().unwrap();
    }
}

#[test]
fn a_channel_has_as_many_sides_as_it_was_made_for_and_ends_with_its_senders() {
    let channel = Channel::anonymous(OPTIONS).unwrap();
    let senders: Vec<_> = (0..4).map(|_| channel.sender().unwrap()).collect();
    assert_eq!(channel.sender().unwrap_err(), RingError::NoSenderFree { senders_max: 4 });
    let mut receivers: Vec<_> = (0..3).map(|_| channel.receiver().unwrap()).collect();
    assert_eq!(channel.receiver().unwrap_err(), RingError::NoReaderFree { readers_max: 3 });
    assert_eq!((channel.senders(), channel.receivers()), (4, 3));
    let mut buffer = [0; 256];
    let soon = Deadline::after(Duration::from_millis(5));
    assert_eq!(receivers[0].receive(&mut buffer, soon), Err(RingError::TimedOut));
    drop(senders);
    let end = receivers[0].receive(&mut buffer, Deadline::NEVER);
    assert_eq!(end, Err(RingError::PeerLeft));
    // A later sender is received from again.
    channel.sender().unwrap().send(b"again", Deadline::NOW).unwrap();
    assert_eq!(receivers[0].receive_in_place(Deadline::NEVER), Ok(&b"again"[..]));
    drop(receivers);
    assert!(channel.receiver().is_ok());
}

/// One of three senders is killed again and again; another process takes its lane.
#[test]
fn killed_senders_tear_and_lose_nothing_and_keep_nobody() {
    let name = fresh_name();
    let channel = Channel::open_or_create(&name, OPTIONS).unwrap();
    let mut receiver = channel.receiver().unwrap();
    let mut numbers = Numbers::new();
    let steady = Peer::start("sends for ever", &[&name, "7"]);
    for _ in 0..kills() / 4 {
        // A range for each would be too many: whoever comes after a dead one, starts anew.
        let mut peer = Peer::start("sends for ever", &[&name, "1"]);
        let mut killing = peer.kill_once_there(Duration::from_micros(numbers.below(6_000)));
        let (mut last, mut own) = ([None; 8], 0);
        while killing.elapsed().is_none() {
            own += u32::from(receive_next(&mut receiver, &mut last) == 1);
        }
        // What the dead one has sent is received, and the other is not kept waiting.
        let until = Instant::now() + Duration::from_millis(20);
        let mut others = 0;
        while Instant::now() < until || others == 0 {
            others += u32::from(receive_next(&mut receiver, &mut last) == 7);
        }
        assert!(own < u32::MAX);
        peer.finish_killed();
    }
    drop(steady);
    let started = Instant::now();
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    let end = loop {
        match receiver.receive(&mut buffer, Deadline::after(LONG)) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(end, RingError::PeerDied(_)), "{end}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn killed_receivers_keep_no_sender() {
    let name = fresh_name();
    let channel = Channel::open_or_create(&name, OPTIONS).unwrap();
    let mut senders = [channel.sender().unwrap(), channel.sender().unwrap()];
    let mut numbers = Numbers::new();
    let mut next = [RANGE, 2 * RANGE];
    for _ in 0..kills() / 4 {
        let mut peer = Peer::start("receives for ever", &[&name]);
        let mut killing = peer.kill_once_there(Duration::from_micros(numbers.below(6_000)));
        while killing.elapsed().is_none() {
            for (sender, next) in senders.iter_mut().zip(&mut next) {
                sender.send(&message(*next), Deadline::after(LONG)).unwrap();
                *next += 1;
            }
        }
        // More than there is room for.
        for _ in 0..40 {
            for (sender, next) in senders.iter_mut().zip(&mut next) {
                sender.send(&message(*next), Deadline::after(LONG)).unwrap();
                *next += 1;
            }
        }
        peer.finish_killed();
    }
}

#[test]
fn a_route_is_made_by_whoever_comes_first() {
    for receivers_first in [false, true] {
        let name = fresh_name();
        let follow = || [(); 2].map(|()| Peer::start("follows", &[&name]));
        let (followers, sender) = if receivers_first {
            let followers = follow();
            thread::sleep(Duration::from_millis(30));
            (followers, Peer::start("routes", &[&name]))
        } else {
            let sender = Peer::start("routes", &[&name]);
            thread::sleep(Duration::from_millis(30));
            (follow(), sender)
        };
        sender.finish();
        followers.into_iter().for_each(Peer::finish);
    }
}

#[test]
fn a_route_has_one_sender() {
    let name = fresh_name();
    let _sender = route::sender(&name, ROUTE).unwrap();
    let refused = route::sender(&name, ROUTE).unwrap_err();
    assert!(matches!(refused, RouteError::Ring(RingError::Taken(_))), "{refused}");
}

#[test]
fn a_named_mutex_is_had_by_one_and_tells_of_its_owners_death() {
    let name = fresh_name();
    let count = Mutex::<[u64; 2]>::open_or_create(&name).unwrap();
    let mut numbers = Numbers::new();
    for _ in 0..kills() / 4 {
        let mut peer = Peer::start("counts", &[&name]);
        let mut killing = peer.kill_once_there(Duration::from_micros(numbers.below(3_000)));
        while killing.elapsed().is_none() {
            let mut count = lock(&count);
            count[0] += 1;
            count[1] += 1;
        }
        drop(lock(&count));
        peer.finish_killed();
    }
    assert!(lock(&count)[0] > 0);
}

#[test]
fn a_named_semaphore_starts_with_its_units_and_outlives_those_who_wait() {
    let name = fresh_name();
    let semaphore = Semaphore::open_or_create_with_units(&name, 2).unwrap();
    let second = Semaphore::open_or_create_with_units(&name, 7).unwrap();
    assert_eq!((semaphore.count(), second.count()), (2, 2));
    // Taken, so that who comes waits, and is killed while it does.
    semaphore.acquire();
    semaphore.acquire();
    for _ in 0..kills() / 10 {
        let mut peer = Peer::start("acquires", &[&name]);
        let mut killing = peer.kill_once_there(Duration::from_millis(1));
        while killing.elapsed().is_none() {
            thread::sleep(Duration::from_micros(100));
        }
        peer.finish_killed();
        semaphore.post().unwrap();
        semaphore.acquire_for(LONG).unwrap();
    }
    let refused = Semaphore::create_with_units(&fresh_name(), u32::MAX).err().unwrap();
    assert!(matches!(refused, SegmentError::Units), "{refused}");
}

#[test]
fn a_named_condition_variable_hands_turns_over() {
    let (name, changed_name) = (fresh_name(), fresh_name());
    let value = Mutex::<u64>::open_or_create(&name).unwrap();
    let changed = Condvar::open_or_create(&changed_name).unwrap();
    let peer = Peer::start("changes", &[&name, &changed_name]);
    for turn in 0..100 {
        let guard = value.lock().unwrap();
        let mut guard = changed.wait_while(guard, |value| *value != 2 * turn + 1).unwrap();
        *guard += 1;
        drop(guard);
        changed.notify_all();
    }
    peer.finish();
    assert_eq!(*value.lock().unwrap(), 200);
}
