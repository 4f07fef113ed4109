//! Values that processes share.
#![deny(unsafe_code)] // As users do without.

#[macro_use]
mod support;

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use farend_core::sync::{Taken, WriteGuard};
use farend_futex::shared::{AutoResetEvent, Barrier, Event, Mutex, Once, RwLock};
use farend_shm::{
    Deadline, LayoutError, SegmentError, Shareable, Shared, SlowReader, broadcast, spsc,
};
use support::{DONE, LONG, Peer, THERE, fresh_name};

#[derive(Shareable)]
#[repr(C)]
struct Page {
    hits: AtomicU64,
    samples: Mutex<[u64; 4]>,
    done: Event,
}

/// The same fields in another order.
#[derive(Shareable)]
#[repr(C)]
struct OtherPage {
    samples: Mutex<[u64; 4]>,
    hits: AtomicU64,
    done: Event,
}

#[derive(Shareable)]
#[repr(C)]
struct Count {
    _a: AtomicU32,
    _b: AtomicU32,
}

/// Where processes meet.
#[derive(Shareable)]
#[repr(C)]
struct Meeting {
    made: Once,
    begun: AtomicU32,
    barrier: Barrier,
    turn: AutoResetEvent,
    turns: AtomicU32,
    table: RwLock<u64>,
}

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let name = &arguments[0];
    match role {
        "adds" => {
            let page = Shared::<Page>::attach_when_there(name, Deadline::after(LONG)).unwrap();
            for _ in 0..1_000 {
                page.hits.fetch_add(1, Ordering::Relaxed);
                page.samples.lock().unwrap()[1] += 1;
            }
            page.done.set();
        }
        "opens" => {
            let page = Shared::<Page>::open_or_create(name).unwrap();
            page.hits.fetch_add(1, Ordering::Relaxed);
            while page.hits.load(Ordering::Relaxed) < 4 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        "meets" => {
            let meeting = Shared::<Meeting>::attach(name).unwrap();
            meeting.barrier.wait_for(LONG).unwrap();
            meeting
                .made
                .call_once(|_| {
                    meeting.begun.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
            for _ in 0..100 {
                meeting.turn.wait_for(LONG).unwrap();
                let turns = meeting.turns.load(Ordering::Relaxed);
                meeting.turns.store(turns + 1, Ordering::Relaxed);
                meeting.turn.set();
            }
        }
        "dies as it makes" => {
            let meeting = Shared::<Meeting>::attach(name).unwrap();
            let _never = meeting.made.call_once(|_| {
                meeting.begun.fetch_add(1, Ordering::Relaxed);
                println!("{THERE}");
                thread::sleep(LONG);
            });
        }
        "reads" => {
            let meeting = Shared::<Meeting>::attach(name).unwrap();
            assert_eq!(*meeting.table.read_for(LONG).unwrap(), 7);
            assert!(meeting.table.try_write().is_err(), "beside a reader");
        }
        "makes late" => {
            thread::sleep(Duration::from_millis(50));
            let ring = spsc::Ring::create(name, 1 << 10).unwrap();
            ring.sender().unwrap().send(b"late", Deadline::NEVER).unwrap();
            thread::sleep(LONG);
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

#[test]
fn two_processes_share_counters_locks_and_events() {
    let name = fresh_name();
    let peer = Peer::start("adds", &[&name]);
    // The other one waits for it.
    thread::sleep(Duration::from_millis(20));
    let page = Shared::<Page>::create(&name).unwrap();
    for _ in 0..1_000 {
        page.samples.lock().unwrap()[1] += 1;
    }
    page.done.wait();
    peer.finish();
    assert_eq!(page.hits.load(Ordering::Relaxed), 1_000);
    assert_eq!(page.samples.lock().unwrap()[1], 2_000);
}

#[test]
fn of_processes_that_open_or_create_all_get_the_same_value() {
    for _ in 0..20 {
        let name = fresh_name();
        let peers: Vec<_> = (0..4).map(|_| Peer::start("opens", &[&name])).collect();
        peers.into_iter().for_each(Peer::finish);
    }
}

#[test]
fn a_value_of_another_type_is_refused() {
    let name = fresh_name();
    let _page = Shared::<Page>::create(&name).unwrap();
    for refused in [
        Shared::<OtherPage>::attach(&name).err().unwrap(),
        Shared::<Count>::open_or_create(&name).err().unwrap(),
        Shared::<AtomicU64>::attach(&name).err().unwrap(),
    ] {
        assert!(matches!(refused, SegmentError::Layout(LayoutError::Type)), "{refused}");
    }
    let refused = spsc::Ring::attach(&name).unwrap_err();
    assert!(matches!(refused, SegmentError::Layout(LayoutError::Kind { .. })), "{refused}");
    let ring_name = fresh_name();
    let _ring = spsc::Ring::create(&ring_name, 1 << 10).unwrap();
    let refused = Shared::<Page>::attach(&ring_name).err().unwrap();
    assert!(matches!(refused, SegmentError::Layout(LayoutError::Kind { .. })), "{refused}");
}

#[test]
fn a_value_that_nobody_makes_is_missing_at_the_deadline() {
    let deadline = Deadline::after(Duration::from_millis(30));
    let refused = Shared::<Count>::attach_when_there(&fresh_name(), deadline).err().unwrap();
    assert!(matches!(refused, SegmentError::Missing { .. }), "{refused}");
}

#[test]
fn a_ring_that_is_made_later_is_waited_for() {
    let name = fresh_name();
    let peer = Peer::start("makes late", &[&name]);
    let ring = spsc::Ring::attach_when_there(&name, Deadline::after(LONG)).unwrap();
    assert_eq!(ring.receiver().unwrap().receive(Deadline::after(LONG)).unwrap(), b"late");
    drop(peer);
    farend_shm::unlink(&name).unwrap();
}

#[test]
fn a_ring_is_opened_or_made_by_whoever_is_first() {
    let name = fresh_name();
    let first = spsc::Ring::open_or_create(&name, 1 << 10).unwrap();
    let second = spsc::Ring::open_or_create(&name, 1 << 12).unwrap();
    assert_eq!(second.layout().capacity(), 1 << 10);
    first.sender().unwrap().send(b"one ring", Deadline::NOW).unwrap();
    assert_eq!(second.receiver().unwrap().receive(Deadline::NOW).unwrap(), b"one ring");
    drop((first, second));
    assert!(matches!(spsc::Ring::attach(&name), Err(SegmentError::Missing { .. })));
}

#[test]
fn values_are_received_as_they_were_sent_until_the_sender_leaves() {
    let ring = spsc::Ring::anonymous(1 << 10).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for number in 0..10_u32 {
        sender.send_value(&[number, !number], Deadline::NOW).unwrap();
    }
    drop(sender);
    let mut next = 0;
    for value in receiver.values::<[u32; 2]>() {
        assert_eq!(value.unwrap(), [next, !next]);
        next += 1;
    }
    assert_eq!(next, 10);
}

#[test]
fn a_record_of_another_length_is_no_value() {
    use farend_shm::RingError;
    let ring = spsc::Ring::anonymous(1 << 10).unwrap();
    let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
    sender.send(&[0; 7], Deadline::NOW).unwrap();
    sender.send(&[0; 9], Deadline::NOW).unwrap();
    let refused = receiver.receive_value::<u64>(Deadline::NOW).unwrap_err();
    assert_eq!(refused, RingError::OtherLength { octets: 7, wanted: 8 });
    let refused = receiver.receive_value::<u64>(Deadline::NOW).unwrap_err();
    assert_eq!(refused, RingError::BufferTooShort { octets: 9, buffer_octets: 8 });
    let mut buffer = [1; 9];
    assert_eq!(receiver.receive_copy(&mut buffer, Deadline::NOW), Ok(9));
    assert_eq!(buffer, [0; 9]);
}

#[test]
fn values_are_published_to_all_subscribers() {
    let options = broadcast::Options {
        capacity_messages: 16,
        message_octets_max: 8,
        subscribers_max: 2,
        slow_reader: SlowReader::Overwrite,
    };
    let ring = broadcast::Ring::anonymous(options).unwrap();
    let mut publisher = ring.publisher().unwrap();
    let mut subscribers = [ring.subscriber().unwrap(), ring.subscriber().unwrap()];
    for number in 0..10_u64 {
        assert!(publisher.send_value(&number, Deadline::NOW).unwrap());
    }
    drop(publisher);
    for subscriber in &mut subscribers {
        let values: Result<Vec<u64>, _> = subscriber.values().collect();
        assert_eq!(values.unwrap(), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn processes_meet_at_a_barrier_take_turns_and_make_once() {
    let name = fresh_name();
    let fill = |meeting: &Meeting| meeting.barrier.set_parties(4).unwrap();
    let meeting = Shared::<Meeting>::create_with(&name, fill).unwrap();
    let peers: Vec<_> = (0..3).map(|_| Peer::start("meets", &[&name])).collect();
    meeting.barrier.wait_for(LONG).unwrap();
    meeting.turn.set();
    peers.into_iter().for_each(Peer::finish);
    assert!(meeting.made.is_done());
    assert_eq!(meeting.begun.load(Ordering::Relaxed), 1);
    assert_eq!(meeting.turns.load(Ordering::Relaxed), 300, "two had the event");
}

#[test]
fn what_a_killed_process_had_begun_is_done_by_the_next_who_is_told() {
    let name = fresh_name();
    let meeting = Shared::<Meeting>::create(&name).unwrap();
    let mut peer = Peer::start("dies as it makes", &[&name]);
    assert!(peer.said().any(|line| line.contains(THERE)));
    drop(peer);
    let mut told = None;
    meeting.made.call_once(|taken| told = Some(taken)).unwrap();
    assert_eq!(told, Some(Taken::OwnerDied));
    assert!(meeting.made.is_done());
}

#[test]
fn a_writer_that_goes_on_reading_shares_the_lock_with_processes() {
    let name = fresh_name();
    let meeting = Shared::<Meeting>::create(&name).unwrap();
    let mut guard = meeting.table.write().unwrap();
    *guard = 7;
    let peer = Peer::start("reads", &[&name]);
    thread::sleep(Duration::from_millis(20));
    let guard = WriteGuard::downgrade_checked(guard).unwrap();
    peer.finish();
    assert_eq!(*guard, 7);
    drop(guard);
    *meeting.table.try_write().unwrap() = 8;
}
