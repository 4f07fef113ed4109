//! Sides that sleep: nobody wakes them while nothing happens, and the end of a peer does.

#[macro_use]
mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{Futex, Shared};
use farend_futex::{Calls, Counting};
use farend_shm::{Deadline, Processes, RingError, SlowReader, WaitSet, broadcast, spsc};
use support::{Peer, THERE, fresh_name, kills};

type Counted = Counting<farend_futex::Default>;

/// How long sides are left alone: many times as long as a look at a peer's life would
/// be put off.
const IDLE: Duration = Duration::from_millis(500);

/// Messages that there is room for.
const CAPACITY: u64 = 4;

/// What a subscriber prints that has read all of them.
const READ: &str = "has read all";

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let name = &arguments[0];
    let ring = || spsc::Ring::attach(name).unwrap();
    let broadcast = || broadcast::Ring::attach(name).unwrap();
    match role {
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
        "subscriber that keeps up" => {
            let mut subscriber = broadcast().subscriber().unwrap();
            println!("{THERE}");
            for _ in 0..CAPACITY {
                subscriber.receive(&mut [0; 16], Deadline::NEVER).unwrap();
            }
            println!("{READ}");
            thread::sleep(support::LONG);
        }
        other => panic!("no role {other}"),
    }
}

/// Fails unless `wait` is one sleep, or two if it was woken for no reason.
fn assert_sleeps_through(mut wait: impl FnMut(Deadline<Counted>) -> RingError) {
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
        capacity_messages: CAPACITY,
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

/// A full ring whose slow subscriber, the one returned, lives, and whose other one was
/// killed after it had read everything.
fn full_beside_a_dead_one<F: Futex<Shared>>(
    ring: &broadcast::Ring,
    name: &str,
) -> (broadcast::Publisher<F>, broadcast::Subscriber) {
    let mut publisher = ring.publisher_over::<F, Processes>().unwrap();
    let slow = ring.subscriber().unwrap();
    let mut peer = Peer::start("subscriber that keeps up", &[name]);
    let mut said = peer.said();
    assert!(said.any(|line| line.contains(THERE)), "it does not come");
    for _ in 0..CAPACITY {
        assert!(publisher.try_send(b"message").unwrap());
    }
    assert!(said.any(|line| line.contains(READ)), "it does not read");
    drop(peer);
    assert_eq!(publisher.try_send(b"message"), Ok(false), "the slow one keeps it full");
    (publisher, slow)
}

#[test]
fn a_blocked_publisher_sleeps_though_a_subscriber_that_kept_up_was_killed() {
    let name = fresh_name();
    let ring = broadcast::Ring::create(&name, options()).unwrap();
    let (mut publisher, mut slow) = full_beside_a_dead_one::<Counted>(&ring, &name);
    assert_sleeps_through(|deadline| publisher.send(b"message", deadline).unwrap_err());
    assert_eq!(publisher.subscribers(), 1, "the dead one was removed");
    assert_eq!(slow.receive(&mut [0; 16], Deadline::NOW).unwrap().octets, 7);
    assert_eq!(publisher.send(b"message", Deadline::NOW), Ok(true));
}

#[test]
fn a_blocked_publishers_descriptor_is_quiet_though_a_subscriber_that_kept_up_was_killed() {
    let name = fresh_name();
    let ring = broadcast::Ring::create(&name, options()).unwrap();
    let (mut publisher, _slow) = full_beside_a_dead_one::<farend_futex::Default>(&ring, &name);
    let mut set = WaitSet::new();
    set.add(publisher.readiness().unwrap());
    let until = Deadline::after(IDLE);
    let mut wakes = 0;
    loop {
        set.rearm().unwrap();
        assert!(!publisher.check_subscribers(), "the slow one keeps it full");
        if set.wait(until).unwrap().is_empty() {
            break;
        }
        wakes += 1;
        assert!(wakes <= 3, "{wakes} wakes");
    }
}
