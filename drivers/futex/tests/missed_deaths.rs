//! Owners that are gone although the kernel did not walk their list of locks.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![deny(unsafe_code)]

mod support;

use std::{
    os::unix::process::CommandExt as _,
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{NoOwner, Refused, Taken, Unlock as _};
use farend_futex::shared::RawMutex;

use support::{Arena, child_value};

/// Takes the lock and becomes another program, which goes on living.
fn hold_and_exec(lock: &RawMutex) -> ! {
    let _taken = lock.lock().expect("the lock");
    let error = Command::new("sleep").arg("600").exec();
    panic!("cannot become another program: {error}");
}

/// A thread that is not its process's first one gets the first one's id by `exec`.
#[test]
fn a_lock_of_a_program_that_became_another_is_told_of() {
    const NAME: &str = "a_lock_of_a_program_that_became_another_is_told_of";
    if let Some((_, lock)) = child_value::<RawMutex>() {
        thread::spawn(move || hold_and_exec(lock)).join().expect("another program");
    }
    let arena = Arena::<RawMutex>::new();
    let _becomes_another = arena.spawn(NAME, "other");
    let start = Instant::now();
    while !arena.value.is_locked() && start.elapsed() < Duration::from_secs(20) {
        thread::yield_now();
    }
    assert_eq!(arena.value.lock_for(Duration::from_secs(10)), Ok(Taken::OwnerDied));
}

#[test]
fn whoever_only_tries_learns_of_a_death_that_was_missed() {
    const NAME: &str = "whoever_only_tries_learns_of_a_death_that_was_missed";
    if let Some((_, lock)) = child_value::<RawMutex>() {
        thread::spawn(move || hold_and_exec(lock)).join().expect("another program");
    }
    let arena = Arena::<RawMutex>::new();
    let _becomes_another = arena.spawn(NAME, "other");
    let start = Instant::now();
    loop {
        match arena.value.try_lock() {
            Ok(Taken::OwnerDied) => break,
            Ok(Taken::Clean) => arena.value.unlock().expect("mine"),
            Err(refused) => assert_eq!(refused, Refused::Busy),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "busy for ever");
    }
}

/// The kernel follows only so many links: whoever holds more locks is refused, and each
/// lock that a thread did get is told of.
#[test]
fn no_thread_holds_more_locks_than_the_kernel_looks_after() {
    const NAME: &str = "no_thread_holds_more_locks_than_the_kernel_looks_after";
    const LOCKS: usize = 2_100;
    if let Some((_, locks)) = child_value::<[RawMutex; LOCKS]>() {
        let refused = locks.iter().map(RawMutex::lock).position(|taken| taken.is_err());
        let held = refused.expect("a lock too many");
        assert_eq!(locks[held].lock(), Err(Refused::NoOwner(NoOwner::TooManyLocks)));
        assert_eq!(locks[held].try_lock(), Err(Refused::NoOwner(NoOwner::TooManyLocks)));
        // One less, and there is room for another.
        locks[0].unlock().expect("mine");
        assert_eq!(locks[held].lock(), Ok(Taken::Clean));
        locks[held].unlock().expect("mine");
        assert_eq!(locks[0].lock(), Ok(Taken::Clean));
        process::exit(0);
    }
    let arena = Arena::<[RawMutex; LOCKS]>::new();
    arena.spawn(NAME, "other").join();
    let mut taken = arena.value.iter().map(|lock| {
        let taken = lock.lock_for(Duration::from_millis(50));
        lock.unlock().expect("mine");
        taken
    });
    let held = taken.by_ref().take_while(|taken| *taken == Ok(Taken::OwnerDied)).count();
    assert!(held >= 1_900, "only {held}");
    assert!(taken.all(|taken| taken == Ok(Taken::Clean)));
}
