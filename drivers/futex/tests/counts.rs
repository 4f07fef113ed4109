//! What is asked of the system: nothing, where nobody sleeps.
#![cfg(target_os = "linux")]

use farend_core::sync::{Condvar, Event, Mutex, Private, RwLock, Semaphore, Shared};
use farend_futex::{
    Calls, Counting,
    linux::{Linux, Memory},
};

const TIMES: u32 = 1_000_000;

/// Runs `body` a million times and expects no call.
fn asks_nothing(body: impl Fn()) {
    let before = Calls::so_far();
    for _ in 0..TIMES {
        body();
    }
    assert_eq!(Calls::so_far().since(before), Calls::default());
}

#[test]
fn a_private_mutex_that_nobody_waits_for_asks_nothing() {
    let mutex = Mutex::<u64, Private, Counting<Linux>>::new(0);
    asks_nothing(|| *mutex.lock() += 1);
    assert_eq!(*mutex.lock(), u64::from(TIMES));
}

#[test]
#[cfg(target_env = "gnu")]
fn a_shared_mutex_that_nobody_waits_for_asks_nothing() {
    #![expect(unsafe_code, reason = "maps memory of this test alone")]
    let memory = Memory::create::<Mutex<u64, Shared, Counting<Linux>>>().unwrap();
    // SAFETY: nobody else maps it.
    let mutex: &Mutex<u64, Shared, Counting<Linux>> = unsafe { memory.map() }.unwrap();
    asks_nothing(|| *mutex.lock().unwrap() += 1);
    assert_eq!(*mutex.lock().unwrap(), u64::from(TIMES));
}

#[test]
fn a_semaphore_with_units_asks_nothing() {
    let units = Semaphore::<Shared, Counting<Linux>>::empty();
    asks_nothing(|| {
        units.post().unwrap();
        units.acquire();
    });
}

#[test]
fn an_event_that_nobody_waits_for_asks_nothing() {
    let event = Event::<Shared, Counting<Linux>>::new();
    asks_nothing(|| {
        event.set();
        event.wait();
        event.reset();
    });
}

#[test]
fn a_notice_that_nobody_waits_for_asks_nothing() {
    let condvar = Condvar::<Private, Counting<Linux>>::new();
    asks_nothing(|| {
        condvar.notify_one();
        condvar.notify_all();
    });
}

#[test]
fn a_lock_that_only_readers_take_asks_nothing() {
    let lock = RwLock::<u64, Private, Counting<Linux>>::new(0);
    asks_nothing(|| {
        let first = lock.read();
        let second = lock.read();
        assert_eq!(*first, *second);
    });
    asks_nothing(|| *lock.write() += 1);
}
