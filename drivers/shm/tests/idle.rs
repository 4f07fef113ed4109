//! Sides that sleep: nobody wakes them while nothing happens, and the end of a peer does.

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use farend_futex::{Calls, Counting};
use farend_shm::{Deadline, Processes, RingError, SlowReader, broadcast, spsc};
use support::{Peer, fresh_name, kills, role};

type Counted = Counting<farend_futex::Default>;

/// How long sides are left alone: many times as long as a look at a peer's life would
/// be put off.
const IDLE: Duration = Duration::from_millis(500);

#[test]
#[ignore = "a process that other tests start"]
fn peer_process() {
    let Some((role, arguments)) = role() else { return };
    let name = &arguments[0];
    let ring = || spsc::Ring::attach(name).unwrap();
    let broadcast = || broadcast::Ring::attach(name).unwrap();
    match role.as_str() {
        "sender" => {
            let mut sender = ring().sender().unwrap();
            sender.send(b"here", Deadline::NEVER).unwrap();
            thread::sleep(support::LONG);
        }
        "receiver" => {
            let mut receiver = ring().receiver().unwrap();
            for _ in 0..2 {
                assert_eq!(receiver.receive(Deadline::NEVER), Ok(&[0; 100][..]));
            }
            receiver.flush();
            thread::sleep(support::LONG);
        }
        "publisher" => {
            let mut publisher = broadcast().publisher().unwrap();
            publisher.send(b"here", Deadline::NEVER).unwrap();
            thread::sleep(support::LONG);
        }
        "subscriber" => {
            let _subscriber = broadcast().subscriber().unwrap();
            thread::sleep(support::LONG);
        }
        other => panic!("no role {other}"),
    }
}

/// Fails unless `wait` is one sleep, or two if it was woken for no reason.
fn assert_sleeps_through(mut wait: impl FnMut(Deadline) -> RingError) {
    // The first time starts the thread that watches.
    assert_eq!(wait(Deadline::after(Duration::from_millis(1))), RingError::TimedOut);
    let before = Calls::so_far();
    let started = Instant::now();
    assert_eq!(wait(Deadline::after(IDLE)), RingError::TimedOut);
    assert!(started.elapsed() >= IDLE);
    let waits = Calls::so_far().since(before).waits;
    assert!((1..=2).contains(&waits), "{waits} sleeps in {IDLE:?}");
}

/// Fails unless `wait`, once it sleeps, is told of the end of `peer`; how soon it was.
fn known_after(peer: Peer, wait: impl FnOnce() -> RingError) -> Duration {
    let pid = peer.pid();
    let killing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(3));
        let killed = Instant::now();
        drop(peer);
        killed
    });
    let error = wait();
    let known = Instant::now();
    assert!(matches!(error, RingError::PeerDied(owner) if owner.pid() == pid), "{error}");
    known.saturating_duration_since(killing.join().unwrap())
}

#[test]
fn an_idle_receiver_sleeps_until_its_peer_ends() {
    let mut times = Vec::new();
    for round in 0..kills() / 4 {
        let name = fresh_name();
        let ring = spsc::Ring::create(&name, 1 << 10).unwrap();
        let mut receiver = ring.receiver_over::<Counted, Processes>().unwrap();
        let peer = Peer::start("sender", &[&name]);
        assert_eq!(receiver.receive(Deadline::NEVER), Ok(&b"here"[..]));
        let mut wait = |deadline| receiver.receive(deadline).unwrap_err();
        if round == 0 {
            assert_sleeps_through(&mut wait);
        }
        times.push(known_after(peer, || wait(Deadline::NEVER)));
    }
    times.sort();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{} ends known after {median:?}, at most {longest:?}", times.len());
    assert!(median < Duration::from_millis(8), "{median:?}, as by looking now and then");
}

#[test]
fn an_idle_sender_sleeps_until_its_peer_ends() {
    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 8).unwrap();
    let mut sender = ring.sender_over::<Counted, Processes>().unwrap();
    let peer = Peer::start("receiver", &[&name]);
    while sender.try_send(&[0; 100]).unwrap() {}
    // Until the other one has come.
    sender.send(&[0; 100], Deadline::NEVER).unwrap();
    while sender.try_send(&[0; 100]).unwrap() {}
    let mut wait = |deadline| sender.send(&[0; 100], deadline).unwrap_err();
    assert_sleeps_through(&mut wait);
    known_after(peer, || wait(Deadline::NEVER));
}

fn options() -> broadcast::Options {
    broadcast::Options {
        capacity_messages: 4,
        message_octets_max: 16,
        subscribers_max: 2,
        slow_reader: SlowReader::Block,
    }
}

#[test]
fn idle_subscribers_in_one_process_all_learn_of_the_publishers_end() {
    let name = fresh_name();
    let ring = broadcast::Ring::create(&name, options()).unwrap();
    let mut subscriber = ring.subscriber_over::<Counted, Processes>().unwrap();
    let mut second = ring.subscriber().unwrap();
    let peer = Peer::start("publisher", &[&name]);
    let pid = peer.pid();
    let also = thread::spawn(move || {
        let mut buffer = [0; 16];
        assert_eq!(second.receive(&mut buffer, Deadline::NEVER).unwrap().octets, 4);
        // Comes and goes, on the same word as the other one.
        let _timed_out = second.receive(&mut buffer, Deadline::after(Duration::from_millis(20)));
        second.receive(&mut buffer, Deadline::NEVER).unwrap_err()
    });
    let mut buffer = [0; 16];
    assert_eq!(subscriber.receive(&mut buffer, Deadline::NEVER).unwrap().octets, 4);
    let mut wait = |deadline| subscriber.receive(&mut buffer, deadline).unwrap_err();
    assert_sleeps_through(&mut wait);
    known_after(peer, || wait(Deadline::NEVER));
    let error = also.join().unwrap();
    assert!(matches!(error, RingError::PeerDied(owner) if owner.pid() == pid), "{error}");
}

#[test]
fn an_idle_publisher_sleeps_until_the_slow_subscriber_ends() {
    let name = fresh_name();
    let ring = broadcast::Ring::create(&name, options()).unwrap();
    let mut publisher = ring.publisher_over::<Counted, Processes>().unwrap();
    let peer = Peer::start("subscriber", &[&name]);
    while publisher.subscribers() == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    // The first messages may be from before the subscriber.
    let mut wait = |deadline| loop {
        if let Err(error) = publisher.send(b"message", deadline) {
            break error;
        }
    };
    assert_sleeps_through(&mut wait);
    let started = Instant::now();
    let killing = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop(peer);
    });
    assert_eq!(publisher.send(b"message", Deadline::NEVER), Ok(true));
    assert!(started.elapsed() >= Duration::from_millis(20));
    killing.join().unwrap();
}
