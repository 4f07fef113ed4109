//! A process that overwrites the rings of others with anything: they get errors,
//! and go on.
#![cfg(target_os = "linux")] // Reaches behind segments by their files.

#[macro_use]
mod support;

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    thread,
    time::{Duration, Instant},
};

use farend_shm::{Deadline, RingError, SlowReader, broadcast, spsc};
use support::{Numbers, Peer, fresh_name};

const LASTS: Duration = Duration::from_millis(400);

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    assert_eq!(role, "scribbler");
    let path = format!("/dev/shm{}", arguments[0]);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let words = file.metadata().unwrap().len() / 8;
    let mut numbers = Numbers::new();
    loop {
        // The header and the cursors more often than the messages.
        let index = if numbers.below(2) == 0 { numbers.below(64) } else { numbers.below(words) };
        let value = match numbers.below(3) {
            0 => numbers.below(u64::MAX),
            1 => numbers.below(256) * 8,
            _ => u64::MAX - numbers.below(64),
        };
        file.write_all_at(&value.to_ne_bytes(), index.min(words - 1) * 8).unwrap();
        if numbers.below(64) == 0 {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Calls `turn` until the time is over; each call must come back soon.
fn for_a_while(mut turn: impl FnMut()) -> u64 {
    let started = Instant::now();
    let mut turns = 0;
    while started.elapsed() < LASTS {
        let before = Instant::now();
        turn();
        assert!(before.elapsed() < Duration::from_secs(10), "a call hangs");
        turns += 1;
    }
    turns
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_micros(300))
}

#[test]
fn sender_and_receiver_outlive_a_process_that_overwrites_their_ring() {
    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 12).unwrap();
    let mut sender = ring.sender().unwrap();
    let mut receiver = ring.receiver().unwrap();
    let scribbler = Peer::start("scribbler", &[&name]);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut corrupt = 0_u32;
            for_a_while(|| {
                if let Err(RingError::Corrupt(_)) = sender.send(&[7; 100], soon()) {
                    corrupt += 1;
                }
            });
            assert!(corrupt > 0);
        });
        let (mut octets, mut corrupt) = (0_u64, 0_u32);
        for_a_while(|| match receiver.receive(soon()) {
            Ok(record) => octets += record.iter().map(|octet| u64::from(*octet)).sum::<u64>(),
            Err(RingError::Corrupt(_)) => corrupt += 1,
            Err(_) => {}
        });
        assert!(corrupt > 0, "{octets}");
    });
    drop(scribbler);
    drop((sender, receiver));
    // Whatever is there now: refused or not, but nothing worse.
    let _any = (ring.sender(), ring.receiver(), spsc::Ring::attach(&name));
}

#[test]
fn publisher_and_subscribers_outlive_a_process_that_overwrites_their_ring() {
    for slow_reader in [SlowReader::Block, SlowReader::DropNewest, SlowReader::Overwrite] {
        let name = fresh_name();
        let options = broadcast::Options {
            capacity_messages: 16,
            message_octets_max: 100,
            subscribers_max: 2,
            slow_reader,
        };
        let ring = broadcast::Ring::create(&name, options).unwrap();
        let mut publisher = ring.publisher().unwrap();
        let mut subscriber = ring.subscriber().unwrap();
        let scribbler = Peer::start("scribbler", &[&name]);
        thread::scope(|scope| {
            scope.spawn(|| {
                for_a_while(|| {
                    let _any = publisher.send(&[7; 100], soon());
                });
            });
            let mut buffer = [0; 100];
            for_a_while(|| match subscriber.receive(&mut buffer, soon()) {
                Ok(message) => assert!(message.octets <= 100),
                Err(RingError::Corrupt(_)) => {
                    // Hopeless as it stands: begin again, if there is a place.
                    if let Ok(other) = ring.subscriber() {
                        subscriber = other;
                    }
                }
                Err(_) => {}
            });
        });
        drop(scribbler);
        drop((publisher, subscriber));
        let _any = (ring.publisher(), ring.subscriber(), broadcast::Ring::attach(&name));
    }
}
