//! Named segments that another process of the same user cuts short: sides of rings get an
//! error, and no signal ends them.
#![cfg(target_os = "linux")]

#[macro_use]
mod support;

use std::{fs::OpenOptions, os::unix::process::ExitStatusExt, thread, time::Duration};

use farend_futex::shared::Mutex;
use farend_shm::{
    Deadline, LayoutError, RingError, SegmentError, Shared, SlowReader, broadcast, spsc,
};
use rustix::process::{Signal, getpid, kill_process};
use support::{DONE, Peer, THERE, fresh_name};

/// Cuts the segment of this name to so many octets.
fn shorten(name: &str, octets: u64) {
    let path = format!("/dev/shm{name}");
    OpenOptions::new().write(true).open(path).unwrap().set_len(octets).unwrap();
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(5))
}

const OPTIONS: broadcast::Options = broadcast::Options {
    capacity_messages: 64,
    message_octets_max: 1024,
    subscribers_max: 2,
    slow_reader: SlowReader::Block,
};

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let name = &arguments[0];
    match role {
        "receives" => {
            let mut receiver = spsc::Ring::attach(name).unwrap().receiver().unwrap();
            println!("{THERE}");
            while matches!(receiver.receive(soon()), Ok(_) | Err(RingError::TimedOut)) {}
        }
        "sleeps" => {
            let mut receiver = spsc::Ring::attach(name).unwrap().receiver().unwrap();
            println!("{THERE}");
            let got = receiver.receive(Deadline::NEVER).map(<[u8]>::len);
            assert!(got.is_err(), "{got:?}");
        }
        "subscribes" => {
            let ring = broadcast::Ring::attach(name).unwrap();
            let mut subscriber = ring.subscriber().unwrap();
            println!("{THERE}");
            let mut buffer = [0; 1024];
            loop {
                match subscriber.receive(&mut buffer, soon()) {
                    Ok(_) | Err(RingError::TimedOut) => {}
                    Err(RingError::PeerLeft | RingError::PeerDied(_)) => panic!("it lives"),
                    Err(_) => break,
                }
            }
        }
        "locks" => {
            let count = Shared::<Mutex<u64>>::attach(name).unwrap();
            println!("{THERE}");
            loop {
                let mut count = count.lock().unwrap();
                *count = count.wrapping_add(1);
            }
        }
        "is signalled" => {
            let _ring = spsc::Ring::attach(name).unwrap();
            // The standard library's handler takes the first one for a fault, which comes
            // again.
            for _ in 0..100 {
                kill_process(getpid(), Signal::BUS).unwrap();
                thread::sleep(Duration::from_millis(10));
            }
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

/// Starts a process in a role, and lets it work for a while.
fn start(role: &str, name: &str) -> Peer {
    let peer = Peer::start(role, &[name]);
    thread::sleep(Duration::from_millis(100));
    peer
}

#[test]
fn a_receiver_gets_an_error() {
    for octets in [0, 1, 384, 4096] {
        let name = fresh_name();
        let ring = spsc::Ring::create(&name, 1 << 14).unwrap();
        let mut sender = ring.sender().unwrap();
        let peer = start("receives", &name);
        shorten(&name, octets);
        // Until this side finds it broken too, or full of what nobody takes.
        while sender.send(&[7; 1000], soon()).is_ok() {}
        drop(sender);
        peer.finish();
    }
}

#[test]
fn a_receiver_that_sleeps_is_woken_by_its_peers_end() {
    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 14).unwrap();
    let sender = ring.sender().unwrap();
    let peer = start("sleeps", &name);
    shorten(&name, 0);
    drop(sender);
    peer.finish();
}

#[test]
fn a_subscriber_and_its_publisher_get_errors() {
    let name = fresh_name();
    let ring = broadcast::Ring::create(&name, OPTIONS).unwrap();
    let mut publisher = ring.publisher().unwrap();
    let peer = start("subscribes", &name);
    shorten(&name, 0);
    let mut sent = 0;
    let error = loop {
        match publisher.send(&[7; 1000], soon()) {
            Ok(_) if sent < 1_000 => sent += 1,
            Ok(_) => panic!("a broken ring takes messages"),
            Err(error) => break error,
        }
    };
    assert!(!matches!(error, RingError::PeerLeft), "{error}");
    peer.finish();
}

/// Its links to the other locks of its thread are gone.
#[test]
fn who_uses_a_lock_is_ended_by_the_signal() {
    let name = fresh_name();
    let _count = Shared::<Mutex<u64>>::create(&name).unwrap();
    let peer = Peer::command("locks", &[&name]).spawn().unwrap();
    thread::sleep(Duration::from_millis(100));
    shorten(&name, 0);
    let output = peer.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
}

#[test]
fn a_segment_that_is_too_short_is_not_taken() {
    let name = fresh_name();
    let _ring = spsc::Ring::create(&name, 1 << 14).unwrap();
    shorten(&name, 4096);
    let refused = spsc::Ring::attach(&name).unwrap_err();
    assert!(matches!(refused, SegmentError::Layout(LayoutError::Truncated { .. })), "{refused}");
}

#[test]
fn other_signals_of_the_same_number_end_the_process_as_before() {
    let name = fresh_name();
    let _ring = spsc::Ring::create(&name, 1 << 14).unwrap();
    let output = Peer::command("is signalled", &[&name]).output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
}

#[test]
fn named_segments_take_no_seals_which_is_why_a_signal_is_handled() {
    use rustix::{
        fs::{SealFlags, fcntl_add_seals},
        io::Errno,
    };

    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 14).unwrap();
    assert_eq!(fcntl_add_seals(&ring, SealFlags::SHRINK), Err(Errno::PERM));
    let sealed = spsc::Ring::anonymous(1 << 14).unwrap();
    assert_eq!(rustix::fs::ftruncate(&sealed, 0), Err(Errno::PERM));
}
