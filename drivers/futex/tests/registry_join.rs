//! What is refused as a registry. In a program of its own, because a process joins
//! one registry for ever.
#![cfg(unix)]
#![deny(unsafe_code)]

use std::process;

use farend_futex::registry::{JoinError, join};
use rustix::{
    fs::{Mode, fchmod, ftruncate},
    io::write,
    shm::{self, OFlags},
};

/// Shared memory of that size and beginning, under a name of this process.
fn make(name: &str, octets: u64, start: &[u8], mode: Mode) -> String {
    let name = format!("/farend-{name}-{}", process::id());
    let memory = shm::open(&*name, OFlags::CREATE | OFlags::RDWR, Mode::RUSR | Mode::WUSR).unwrap();
    fchmod(&memory, mode).unwrap();
    ftruncate(&memory, octets).unwrap();
    if !start.is_empty() {
        write(&memory, start).unwrap();
    }
    name
}

#[test]
fn what_is_no_registry_of_this_user_is_refused_with_a_reason() {
    let own = Mode::RUSR | Mode::WUSR;
    for name in ["", "/", "no-slash", "/a/b", "/with\0zero", "/a-name-of-more-than-31-characters"] {
        assert_eq!(join(name), Err(JoinError::Name), "{name:?}");
    }

    let cases = [
        (make("short", 100, b"", own), JoinError::Truncated { octets: 100 }),
        (
            make("foreign", 40_000, b"PNG12345", own),
            JoinError::Foreign { magic: u64::from_le_bytes(*b"PNG12345") },
        ),
        (make("open", 0, b"", own | Mode::RGRP), JoinError::NotOwn),
    ];
    for (name, expected) in cases {
        let refused = join(&name);
        shm::unlink(&*name).unwrap();
        assert_eq!(refused, Err(expected), "{name}");
        assert!(!expected.to_string().contains('\n'));
    }

    // None of them counts as joined; an empty one becomes a registry.
    let (first, second) = (make("first", 0, b"", own), make("second", 0, b"", own));
    let joined = [join(&first), join(&first), join(&second)];
    shm::unlink(&*first).unwrap();
    shm::unlink(&*second).unwrap();
    assert_eq!(joined, [Ok(()), Ok(()), Err(JoinError::JoinedAnother)]);
}
