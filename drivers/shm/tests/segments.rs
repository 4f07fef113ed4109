//! Segments that are not there, not ours, not whole or not needed any more.
#![cfg(target_os = "linux")] // Reaches behind segments by their files.

#[macro_use]
mod support;

use std::{
    fs::{self, File, OpenOptions, Permissions},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileExt, PermissionsExt, chown},
    },
    time::Duration,
};

use farend_shm::{
    Deadline, LayoutError, RingError, SegmentError, SlowReader, broadcast, spsc, unlink,
};
use support::{DONE, LONG, Peer, fresh_name};

peer_process!(play);

/// What processes that these tests start do.
fn play(role: &str, arguments: &[String]) {
    match role {
        "owner" => {
            let ring = spsc::Ring::create(&arguments[0], 1 << 12).unwrap();
            let mut sender = ring.sender().unwrap();
            sender.send(b"from the owner", Deadline::NEVER).unwrap();
            std::thread::sleep(LONG);
        }
        "receiver of a file descriptor" => {
            let path = format!("/proc/self/fd/{}", arguments[0]);
            let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
            let mut receiver = spsc::Ring::from_fd(file.into()).unwrap().receiver().unwrap();
            assert_eq!(receiver.receive(Deadline::after(LONG)), Ok(&b"by descriptor"[..]));
        }
        "other pid namespace" => {
            let refused = spsc::Ring::attach(&arguments[0]).unwrap_err();
            assert!(matches!(refused, SegmentError::OtherRealm), "{refused}");
            let refused = spsc::Ring::create(&arguments[0], 1 << 12).unwrap_err();
            assert!(matches!(refused, SegmentError::OtherRealm), "{refused}");
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

fn file_of(name: &str) -> String {
    format!("/dev/shm{name}")
}

/// A file where a segment of this name would be, removed at the end.
struct Planted(String);

impl Planted {
    fn new(octets: &[u8]) -> Self {
        let name = fresh_name();
        fs::write(file_of(&name), octets).unwrap();
        fs::set_permissions(file_of(&name), Permissions::from_mode(0o600)).unwrap();
        Self(name)
    }

    fn refused(&self) -> SegmentError {
        spsc::Ring::attach(&self.0).unwrap_err()
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _gone = fs::remove_file(file_of(&self.0));
    }
}

#[test]
fn a_segment_is_its_users_alone_and_goes_with_its_maker() {
    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 12).unwrap();
    let mode = fs::metadata(file_of(&name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let sender = ring.sender().unwrap();
    drop(ring);
    assert!(fs::exists(file_of(&name)).unwrap(), "a side keeps the segment");
    drop(sender);
    assert!(!fs::exists(file_of(&name)).unwrap());
}

#[test]
fn a_missing_segment_is_named() {
    let refused = spsc::Ring::attach("/farend-not-there").unwrap_err();
    assert!(matches!(&refused, SegmentError::Missing { name } if name == "/farend-not-there"));
    assert!(refused.to_string().contains("/farend-not-there"));
}

#[test]
fn a_name_that_is_too_long_is_refused_before_anything_is_made() {
    let name = format!("/{}", "x".repeat(31));
    let refused = spsc::Ring::create(&name, 1 << 12).unwrap_err();
    assert!(matches!(refused, SegmentError::Name { .. }), "{refused}");
    assert!(matches!(spsc::Ring::attach(&name), Err(SegmentError::Name { .. })));
}

#[test]
fn a_capacity_that_no_ring_has_is_refused_before_anything_is_made() {
    let name = fresh_name();
    for capacity in [0, 31, 100, u64::MAX] {
        let refused = spsc::Ring::create(&name, capacity).unwrap_err();
        let layout = SegmentError::Layout(LayoutError::Capacity { found: capacity, least: 32 });
        assert_eq!(refused.to_string(), layout.to_string());
        assert!(spsc::Ring::anonymous(capacity).is_err());
    }
    assert!(!fs::exists(file_of(&name)).unwrap());
}

#[test]
fn more_memory_than_there_is_is_an_error_and_leaves_nothing() {
    let name = fresh_name();
    let refused = spsc::Ring::create(&name, 1 << 40).unwrap_err();
    assert!(matches!(refused, SegmentError::System { .. }), "{refused}");
    let refused = spsc::Ring::anonymous(1 << 40).unwrap_err();
    assert!(matches!(refused, SegmentError::System { .. }), "{refused}");
    assert!(!fs::exists(file_of(&name)).unwrap());
}

#[test]
fn a_living_makers_segment_is_not_taken_and_it_is_named() {
    let name = fresh_name();
    let owner = Peer::start("owner", &[&name]);
    let ring = attached(&name);
    let refused = spsc::Ring::create(&name, 1 << 12).unwrap_err();
    assert!(matches!(&refused, SegmentError::InUse { pid, .. } if *pid == owner.pid()));
    assert!(refused.to_string().contains(&owner.pid().to_string()));
    let mut receiver = ring.receiver().unwrap();
    assert_eq!(receiver.receive(Deadline::after(LONG)), Ok(&b"from the owner"[..]));
    let refused = ring.sender().unwrap_err();
    assert!(matches!(refused, RingError::Taken(by) if by.pid() == owner.pid()), "{refused}");
    drop(owner);
    unlink(&name).unwrap();
}

#[test]
fn a_killed_makers_segment_is_replaced_and_the_old_one_is_left_alone() {
    let name = fresh_name();
    let owner = Peer::start("owner", &[&name]);
    let old = attached(&name);
    let mut receiver = old.receiver().unwrap();
    assert_eq!(receiver.receive(Deadline::after(LONG)), Ok(&b"from the owner"[..]));
    drop(owner);
    let new = spsc::Ring::create(&name, 1 << 13).unwrap();
    assert_eq!(new.layout().capacity(), 1 << 13);
    new.sender().unwrap().send(b"new", Deadline::NOW).unwrap();
    let died = receiver.receive(Deadline::after(LONG));
    assert!(matches!(died, Err(RingError::PeerDied(_))), "{died:?}");
}

/// The ring of a process that is about to make it.
fn attached(name: &str) -> spsc::Ring {
    let started = std::time::Instant::now();
    loop {
        match spsc::Ring::attach(name) {
            Ok(ring) => return ring,
            Err(error) => assert!(started.elapsed() < LONG, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_file_that_is_no_ring_is_refused_and_not_removed() {
    let planted = Planted::new(&[0x55; 8192]);
    let foreign = |error| matches!(error, SegmentError::Layout(LayoutError::Foreign));
    assert!(foreign(planted.refused()));
    assert!(foreign(spsc::Ring::create(&planted.0, 1 << 12).unwrap_err()));
    assert_eq!(fs::read(file_of(&planted.0)).unwrap(), [0x55; 8192]);
    let short = Planted::new(&[0x55; 100]);
    assert!(foreign(spsc::Ring::create(&short.0, 1 << 12).unwrap_err()));
    let refused = short.refused();
    assert!(matches!(refused, SegmentError::Layout(LayoutError::Truncated { .. })), "{refused}");
}

/// A ring whose file was changed after it was made.
fn changed(change: impl FnOnce(&File)) -> SegmentError {
    let name = fresh_name();
    let ring = spsc::Ring::create(&name, 1 << 12).unwrap();
    change(&OpenOptions::new().write(true).open(file_of(&name)).unwrap());
    let refused = spsc::Ring::attach(&name).unwrap_err();
    drop(ring);
    refused
}

#[test]
fn a_ring_of_another_version_or_that_is_still_being_made_is_refused() {
    let refused = changed(|file| file.write_all_at(&9_u32.to_ne_bytes(), 8).unwrap());
    assert!(matches!(refused, SegmentError::Layout(LayoutError::Version { found: 9 })));
    let refused = changed(|file| file.write_all_at(&1_u32.to_ne_bytes(), 16).unwrap());
    let SegmentError::Layout(LayoutError::Initialising { creator }) = refused else {
        panic!("{refused}")
    };
    assert_eq!(creator.pid(), std::process::id());
}

#[test]
fn a_segment_that_was_shortened_is_refused() {
    let refused = changed(|file| file.set_len(4096).unwrap());
    let SegmentError::Layout(LayoutError::Truncated { octets: 4096, .. }) = refused else {
        panic!("{refused}")
    };
}

#[test]
fn a_segment_that_others_may_open_is_refused() {
    let refused = changed(|file| file.set_permissions(Permissions::from_mode(0o604)).unwrap());
    assert!(matches!(refused, SegmentError::Exposed { mode: 0o604 }), "{refused}");
}

#[test]
fn another_users_segment_is_refused() {
    if !rustix::process::geteuid().is_root() {
        farend_effort::skip("only root can give a file to another user");
        return;
    }
    let planted = Planted::new(&[0; 8192]);
    chown(file_of(&planted.0), Some(65_534), None).unwrap();
    assert!(matches!(planted.refused(), SegmentError::OtherUser { uid: 65_534 }));
    let refused = spsc::Ring::create(&planted.0, 1 << 12).unwrap_err();
    assert!(matches!(refused, SegmentError::OtherUser { uid: 65_534 }));
}

#[test]
fn processes_of_another_pid_namespace_are_refused() {
    let name = fresh_name();
    let _ring = spsc::Ring::create(&name, 1 << 12).unwrap();
    Peer::in_namespaces(&["--pid", "--fork", "--mount-proc"], "other pid namespace", &name);
}

#[test]
fn an_anonymous_segment_is_passed_by_descriptor_and_cannot_be_shortened() {
    let ring = spsc::Ring::anonymous(1 << 12).unwrap();
    let fd = ring.as_fd().try_clone_to_owned().unwrap();
    assert!(File::from(fd.try_clone().unwrap()).set_len(0).is_err());
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&fd).to_string();
    ring.sender().unwrap().send(b"by descriptor", Deadline::NOW).unwrap();
    Peer::start("receiver of a file descriptor", &[&number]).finish();
}

#[test]
fn memory_that_is_not_sealed_is_refused() {
    let planted = Planted::new(&[0; 8192]);
    let file = OpenOptions::new().read(true).write(true).open(file_of(&planted.0)).unwrap();
    let refused = spsc::Ring::from_fd(OwnedFd::from(file)).unwrap_err();
    assert!(matches!(refused, SegmentError::NotSealed), "{refused}");
}

#[test]
fn a_broadcast_ring_attaches_by_name_and_says_what_it_is_for() {
    let name = fresh_name();
    let options = broadcast::Options {
        capacity_messages: 8,
        message_octets_max: 100,
        subscribers_max: 2,
        slow_reader: SlowReader::Overwrite,
    };
    let ring = broadcast::Ring::create(&name, options).unwrap();
    let mut publisher = ring.publisher().unwrap();
    let other = broadcast::Ring::attach(&name).unwrap();
    let mut subscriber = other.subscriber().unwrap();
    assert_eq!(other.layout().slow_reader(), SlowReader::Overwrite);
    assert_eq!(publisher.send(b"one", Deadline::NEVER), Ok(true));
    let mut buffer = [0; 100];
    let message = subscriber.receive(&mut buffer, Deadline::NOW).unwrap();
    assert_eq!((&buffer[..message.octets], message.lost), (&b"one"[..], 0));
    let wrong = spsc::Ring::attach(&name).unwrap_err();
    assert!(matches!(wrong, SegmentError::Layout(LayoutError::Kind { .. })), "{wrong}");
}

#[test]
fn receiving_in_place_and_by_copy_in_turn_loses_no_message() {
    let options = broadcast::Options {
        capacity_messages: 8,
        message_octets_max: 16,
        subscribers_max: 1,
        slow_reader: SlowReader::Block,
    };
    let ring = broadcast::Ring::anonymous(options).unwrap();
    let mut publisher = ring.publisher().unwrap();
    let mut subscriber = ring.subscriber().unwrap();
    for number in 1..=4_u8 {
        assert!(publisher.try_send(&vec![number; usize::from(number)]).unwrap());
    }
    let mut buffer = [0; 16];
    assert_eq!(subscriber.receive_in_place(Deadline::NOW), Ok(&[1][..]));
    let message = subscriber.receive(&mut buffer, Deadline::NOW).unwrap();
    assert_eq!(buffer[..message.octets], [2, 2]);
    assert_eq!(subscriber.receive_in_place(Deadline::NOW), Ok(&[3; 3][..]));
    let message = subscriber.try_receive(&mut buffer).unwrap().unwrap();
    assert_eq!(buffer[..message.octets], [4; 4]);
    assert_eq!(subscriber.release(), Ok(()));
    assert_eq!(subscriber.try_receive(&mut buffer), Ok(None));
}
