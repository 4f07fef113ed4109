//! Guards that are leaked, so that what was borrowed from them outlives their thread.
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#![deny(unsafe_code)]

mod support;

use std::{
    mem, thread,
    time::{Duration, Instant},
};

use farend_core::sync::{LockError, MutexGuard, Refused};
use farend_futex::shared::{Mutex, RwLock};

use support::{Arena, child_value};

const PATIENCE: Duration = Duration::from_millis(300);

/// Has a thread leak a guard and end, and returns what was borrowed from the guard.
fn leaked<T: Send>(borrow: impl FnOnce() -> &'static mut T + Send + 'static) -> &'static mut T {
    thread::spawn(borrow).join().expect("a thread")
}

/// What a thread is told that is not the process's first one, which would be told that
/// the lock is its own.
fn elsewhere<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(ask).join().expect("a thread")
}

#[test]
fn nobody_gets_a_mutex_whose_leaked_guard_lends_its_data() {
    let mutex = Arena::<Mutex<u64>>::new().value;
    let data = leaked(|| &mut **Box::leak(Box::new(mutex.lock().expect("free"))));
    *data += 1;
    let refused = elsewhere(|| mutex.lock_for(PATIENCE).map(drop).map_err(|e| e.refused()));
    *data += 1;
    assert_eq!(refused, Err(Some(Refused::TimedOut)));
}

#[test]
fn nobody_writes_beside_what_a_leaked_guard_of_a_reader_lends() {
    let lock = Arena::<RwLock<u64>>::new().value;
    let data =
        thread::spawn(|| -> &'static u64 { Box::leak(Box::new(lock.read().expect("free"))) })
            .join()
            .expect("a thread");
    let refused = elsewhere(|| lock.write_for(PATIENCE).map(drop).map_err(|e| e.refused()));
    assert_eq!((*data, refused), (0, Err(Some(Refused::TimedOut))));
    assert!(elsewhere(|| lock.read().is_ok()), "another reader");
}

#[test]
fn nobody_gets_a_lock_whose_leaked_guard_of_a_writer_lends_its_data() {
    let lock = Arena::<RwLock<u64>>::new().value;
    let data = leaked(|| &mut **Box::leak(Box::new(lock.write().expect("free"))));
    *data += 1;
    let refused = elsewhere(|| lock.read_for(PATIENCE).map(drop).map_err(|e| e.refused()));
    assert_eq!((*data, refused), (1, Err(Some(Refused::TimedOut))));
}

/// Those who wait learn of it when the process ends, even if nobody waits for it.
#[test]
fn a_leaked_lock_is_told_of_when_its_process_ends() {
    const NAME: &str = "a_leaked_lock_is_told_of_when_its_process_ends";
    if let Some((_, mutex)) = child_value::<Mutex<u64>>() {
        let data = leaked(|| &mut **Box::leak(Box::new(mutex.lock().expect("free"))));
        *data = 7;
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
    let arena = Arena::<Mutex<u64>>::new();
    let mutex = arena.value;
    let mut child = arena.spawn(NAME, "leaks");
    let start = Instant::now();
    // Held, and by nobody who ends by himself.
    while mutex.try_lock().map(drop).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "the child does not get on");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(mutex.lock_for(PATIENCE), Err(LockError::Refused(Refused::TimedOut))));
    child.kill_only();
    match mutex.lock_for(Duration::from_secs(10)) {
        Err(LockError::OwnerDied(guard)) => {
            assert_eq!(*guard, 7);
            MutexGuard::make_consistent(&guard).expect("mine");
        }
        other => panic!("{other:?}"),
    }
}

/// A guard that is merely forgotten is leaked as well.
#[test]
fn a_thread_that_ends_without_a_lock_leaves_nothing_behind() {
    let mutex = Arena::<Mutex<u64>>::new().value;
    for round in 0..100 {
        elsewhere(|| *mutex.lock().expect("given up") += 1);
        assert_eq!(*mutex.lock().expect("given up"), round + 1);
    }
    elsewhere(|| mem::forget(mutex.lock()));
    assert!(elsewhere(|| mutex.try_lock().is_err()));
}
