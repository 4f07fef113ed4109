//! A shared-memory ring whose words another process has overwritten: errors, but
//! neither a panic nor an access outside of it.
#![no_main]

use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::FileExt},
};

use farend_shm::{Deadline, SlowReader, broadcast, spsc};
use libfuzzer_sys::fuzz_target;

/// Octets of a patch: the place of a word, then its value.
const PATCH_OCTETS: usize = 10;

fuzz_target!(|octets: &[u8]| {
    let Some((sort, patches)) = octets.split_first() else { return };
    if sort % 2 == 0 { one_to_one(patches) } else { one_to_many(patches) }
});

fn one_to_one(patches: &[u8]) {
    let ring = spsc::Ring::anonymous(1 << 12).unwrap();
    overwrite(ring.as_fd(), patches);
    let fd = ring.as_fd().try_clone_to_owned().unwrap();
    let Ok(other) = spsc::Ring::from_fd(fd) else { return };
    if let Ok(mut sender) = other.sender() {
        for length in [0, 7, 100, 3_000] {
            let _result = sender.try_send(&[0x5a; 3_000][..length]);
        }
        overwrite(ring.as_fd(), patches);
    }
    if let Ok(mut receiver) = other.receiver() {
        for _ in 0..16 {
            if let Ok(Some(record)) = receiver.try_receive() {
                assert!(record.len() <= 1 << 12);
            }
        }
    }
}

fn one_to_many(patches: &[u8]) {
    let options = broadcast::Options {
        capacity_messages: 8,
        message_octets_max: 100,
        subscribers_max: 2,
        slow_reader: SlowReader::Overwrite,
    };
    let ring = broadcast::Ring::anonymous(options).unwrap();
    overwrite(ring.as_fd(), patches);
    let fd = ring.as_fd().try_clone_to_owned().unwrap();
    let Ok(other) = broadcast::Ring::from_fd(fd) else { return };
    let Ok(mut subscriber) = other.subscriber() else { return };
    if let Ok(mut publisher) = other.publisher() {
        for length in [0, 7, 100] {
            let _result = publisher.try_send(&[0x5a; 100][..length]);
        }
        overwrite(ring.as_fd(), patches);
    }
    let mut buffer = [0; 4_096];
    for _ in 0..16 {
        let _result = subscriber.try_receive(&mut buffer);
        if let Ok(message) = subscriber.receive_in_place(Deadline::NOW) {
            assert!(message.len() <= 4_096);
        }
    }
}

/// Puts each patch in its place, through the file behind the memory.
fn overwrite(fd: impl AsFd, patches: &[u8]) {
    let file = File::from(fd.as_fd().try_clone_to_owned().unwrap());
    let words = file.metadata().unwrap().len() / 8;
    for patch in patches.chunks_exact(PATCH_OCTETS) {
        let (place, value) = patch.split_at(2);
        let place = u64::from(u16::from_le_bytes([place[0], place[1]])) % words;
        file.write_all_at(value, place * 8).unwrap();
    }
}
