//! Descriptors that tell when a side has something to do.
#![cfg(target_os = "linux")] // By epoll, and by what /proc says of threads.

#[macro_use]
mod support;

use std::{
    fs,
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use farend_shm::{Deadline, RingError, SlowReader, WaitSet, broadcast, spsc};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use support::{LONG, Peer, fresh_name};

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    assert_eq!(role, "sender");
    let mut sender = spsc::Ring::attach(&arguments[0]).unwrap().sender().unwrap();
    for number in 0..20_u64 {
        sender.send(&number.to_le_bytes(), Deadline::NEVER).unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(LONG);
}

fn is_readable(fd: &impl AsFd, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)).unwrap() == 1
}

#[test]
fn a_descriptor_is_readable_after_a_message_and_not_before() {
    let ring = spsc::Ring::anonymous(1 << 10).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let ready = receiver.readiness().unwrap();
    for number in 0..100_u8 {
        ready.rearm().unwrap();
        assert_eq!(receiver.try_receive(), Ok(None));
        assert!(!is_readable(&ready, Duration::ZERO));
        sender.send(&[number], Deadline::NOW).unwrap();
        assert!(is_readable(&ready, LONG));
        assert_eq!(receiver.try_receive(), Ok(Some(&[number][..])));
    }
}

#[test]
fn a_full_rings_sender_is_told_of_room() {
    let ring = spsc::Ring::anonymous(1 << 8).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let ready = sender.readiness().unwrap();
    ready.rearm().unwrap();
    while sender.try_send(&[0; 24]).unwrap() {}
    assert!(!is_readable(&ready, Duration::from_millis(5)));
    while receiver.try_receive().unwrap().is_some() {}
    assert!(is_readable(&ready, LONG));
    assert_eq!(sender.try_send(&[0; 24]), Ok(true));
}

/// By epoll, as event loops do; and the sender's end comes by the same descriptor.
#[test]
fn an_event_loop_gets_each_message_of_another_process_and_its_death() {
    let name = fresh_name();
    let mut receiver = spsc::Ring::create(&name, 1 << 10).unwrap().receiver().unwrap();
    let ready = receiver.readiness().unwrap();
    let loops = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let data = epoll::EventData::new_u64(7);
    epoll::add(&loops, &ready, data, epoll::EventFlags::IN).unwrap();
    let mut peer = Some(Peer::start("sender", &[&name]));
    let mut next = 0_u64;
    let error = loop {
        ready.rearm().unwrap();
        while let Some(record) = receiver.try_receive().unwrap() {
            assert_eq!(record, next.to_le_bytes());
            next += 1;
        }
        if let Err(error) = receiver.check_peer() {
            break error;
        }
        if next == 20 {
            drop(peer.take());
        }
        let mut events = Vec::with_capacity(1);
        let room = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(&loops, room, Some(&Timespec::try_from(LONG).unwrap())).unwrap();
        assert_eq!(events.iter().map(|event| event.data.u64()).collect::<Vec<_>>(), [7]);
    };
    assert_eq!(next, 20);
    assert!(matches!(error, RingError::PeerDied(_)), "{error}");
}

#[test]
fn one_set_waits_for_rings_of_both_kinds() {
    let options = broadcast::Options {
        capacity_messages: 8,
        message_octets_max: 16,
        subscribers_max: 1,
        slow_reader: SlowReader::Overwrite,
    };
    let lines: Vec<_> = (0..10).map(|_| spsc::Ring::anonymous(1 << 10).unwrap()).collect();
    let mut receivers: Vec<_> = lines.iter().map(|ring| ring.receiver().unwrap()).collect();
    let news = broadcast::Ring::anonymous(options).unwrap();
    let mut subscriber = news.subscriber().unwrap();
    let mut set = WaitSet::new();
    for receiver in &receivers {
        set.add(receiver.readiness().unwrap());
    }
    assert_eq!(set.add(subscriber.readiness().unwrap()), 10);
    set.rearm().unwrap();
    assert!(set.wait(Deadline::after(Duration::from_millis(1))).unwrap().is_empty());
    let mut senders: Vec<_> = lines.iter().map(|ring| ring.sender().unwrap()).collect();
    let mut publisher = news.publisher().unwrap();
    // Each sender's coming was told.
    thread::sleep(Duration::from_millis(20));
    for round in 0..20 {
        set.rearm().unwrap();
        let index = round % 11;
        match senders.get_mut(index) {
            Some(sender) => sender.send(b"line", Deadline::NOW).unwrap(),
            None => assert!(publisher.send(b"news", Deadline::NOW).unwrap()),
        }
        assert_eq!(set.wait(Deadline::after(LONG)).unwrap(), [index]);
        if let Some(receiver) = receivers.get_mut(index) {
            assert_eq!(receiver.try_receive().unwrap().unwrap(), b"line");
        } else {
            let mut buffer = [0; 16];
            assert_eq!(subscriber.try_receive(&mut buffer).unwrap().unwrap().octets, 4);
        }
    }
}

/// Context switches that threads of this name have made.
fn switches_of(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let switches: Vec<u64> = tasks
        .filter_map(|task| {
            let path = task.unwrap().path();
            let comm = fs::read_to_string(path.join("comm")).ok()?;
            let status = fs::read_to_string(path.join("status")).ok()?;
            let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
            (comm.trim() == name).then(|| {
                lines.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum()
            })
        })
        .collect();
    assert!(!switches.is_empty(), "no such thread");
    switches.iter().sum()
}

#[test]
fn the_thread_behind_a_descriptor_sleeps_while_nothing_happens() {
    let name = fresh_name();
    let receiver = spsc::Ring::create(&name, 1 << 10).unwrap().receiver().unwrap();
    let _sender = spsc::Ring::attach(&name).unwrap().sender().unwrap();
    let ready = receiver.readiness().unwrap();
    ready.rearm().unwrap();
    // Other tests of this program have such threads too, while they run.
    let started = Instant::now();
    loop {
        thread::sleep(Duration::from_millis(50));
        let before = switches_of("farend-ready");
        thread::sleep(Duration::from_millis(300));
        if switches_of("farend-ready") == before {
            break;
        }
        assert!(started.elapsed() < LONG, "it wakes again and again");
    }
}
