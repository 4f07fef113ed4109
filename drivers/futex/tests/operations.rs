//! Many operations by several processes and threads: every one counts.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(unsafe_code, reason = "a structure of shared types is one, by promise")]

mod support;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::SharedLayout;
use farend_futex::{
    private,
    shared::{Condvar, Event, Mutex, RwLock, Semaphore},
};

use support::{Arena, child_value, rounds};

/// Processes beside the first one.
const CHILDREN: u32 = 3;

#[repr(C)]
struct Work {
    start: Event,
    mutex: Mutex<u64>,
    rwlock: RwLock<[u64; 2]>,
    ping: Semaphore,
    pong: Semaphore,
    baton: Mutex<u64>,
    passed: Condvar,
}

// SAFETY: repr(C), each field is such a type.
unsafe impl SharedLayout for Work {}

fn count(work: &Work, times: u32) {
    work.start.wait();
    for _ in 0..times {
        *work.mutex.lock().unwrap() += 1;
    }
}

#[test]
fn a_counter_behind_a_mutex_is_exact_across_processes() {
    const NAME: &str = "a_counter_behind_a_mutex_is_exact_across_processes";
    // A million together, ten million in a long run.
    let times = rounds(250_000, 2_500_000);
    if let Some((_, work)) = child_value::<Work>() {
        return count(work, times);
    }
    let arena = Arena::<Work>::new();
    let children: Vec<_> = (0..CHILDREN).map(|_| arena.spawn(NAME, "count")).collect();
    arena.value.start.set();
    count(arena.value, times);
    children.into_iter().for_each(support::Reaped::join);
    let total = *arena.value.mutex.lock().unwrap();
    assert_eq!(total, u64::from(times) * u64::from(CHILDREN + 1));
}

fn read_and_write(work: &Work, times: u32) {
    work.start.wait();
    for time in 0..times {
        if time % 8 == 0 {
            let mut words = work.rwlock.write().unwrap();
            words[0] += 1;
            words[1] += 1;
        } else {
            let words = work.rwlock.read().unwrap();
            assert_eq!(words[0], words[1], "a reader saw half a change");
        }
    }
}

#[test]
fn readers_across_processes_see_whole_changes() {
    const NAME: &str = "readers_across_processes_see_whole_changes";
    let times = rounds(8_000, 800_000);
    if let Some((_, work)) = child_value::<Work>() {
        return read_and_write(work, times);
    }
    let arena = Arena::<Work>::new();
    let children: Vec<_> = (0..CHILDREN).map(|_| arena.spawn(NAME, "both")).collect();
    arena.value.start.set();
    read_and_write(arena.value, times);
    children.into_iter().for_each(support::Reaped::join);
    let words = arena.value.rwlock.read().unwrap();
    assert_eq!(words[0], u64::from(times / 8) * u64::from(CHILDREN + 1));
}

#[test]
fn semaphores_pass_each_turn_across_processes() {
    const NAME: &str = "semaphores_pass_each_turn_across_processes";
    let turns = rounds(20_000, 1_000_000);
    if let Some((_, work)) = child_value::<Work>() {
        for _ in 0..turns {
            work.ping.acquire();
            work.pong.post().unwrap();
        }
        return;
    }
    let arena = Arena::<Work>::new();
    let child = arena.spawn(NAME, "pong");
    for _ in 0..turns {
        arena.value.ping.post().unwrap();
        arena.value.pong.acquire_for(Duration::from_secs(20)).expect("an answer");
    }
    child.join();
    assert_eq!((arena.value.ping.count(), arena.value.pong.count()), (0, 0));
}

/// Takes every turn whose number is odd, or even.
fn pass(work: &Work, turns: u32, own: u64) {
    for _ in 0..turns {
        let guard = work.baton.lock().unwrap();
        let mut guard = work.passed.wait_while(guard, |turn| *turn % 2 != own).unwrap();
        *guard += 1;
        drop(guard);
        work.passed.notify_one();
    }
}

#[test]
fn a_condition_passes_each_turn_across_processes() {
    const NAME: &str = "a_condition_passes_each_turn_across_processes";
    let turns = rounds(20_000, 1_000_000);
    if let Some((_, work)) = child_value::<Work>() {
        return pass(work, turns, 1);
    }
    let arena = Arena::<Work>::new();
    let child = arena.spawn(NAME, "odd");
    pass(arena.value, turns, 0);
    child.join();
    assert_eq!(*arena.value.baton.lock().unwrap(), 2 * u64::from(turns));
}

/// Readers come without end, two at a time so that the lock is never free: writers
/// get in all the same.
#[test]
fn readers_without_end_do_not_keep_writers_out() {
    let lock = private::RwLock::new(0_u64);
    starve(&|| drop(lock.read()), &|| {
        lock.write_for(Duration::from_secs(10)).map(|mut value| *value += 1).is_ok()
    });
    let arena = Arena::<Work>::new();
    let lock = &arena.value.rwlock;
    starve(&|| drop(lock.read().unwrap()), &|| {
        lock.write_for(Duration::from_secs(10)).map(|mut words| words[0] += 1).is_ok()
    });
}

#[test]
fn writers_without_end_do_not_keep_readers_out() {
    let lock = private::RwLock::new(0_u64);
    starve(&|| *lock.write() += 1, &|| lock.read_for(Duration::from_secs(10)).is_ok());
    let arena = Arena::<Work>::new();
    let lock = &arena.value.rwlock;
    starve(&|| lock.write().unwrap()[0] += 1, &|| lock.read_for(Duration::from_secs(10)).is_ok());
}

/// Three threads do `common` without a pause; `rare` must succeed many times.
fn starve(common: &(dyn Fn() + Sync), rare: &(dyn Fn() -> bool + Sync)) {
    let is_over = AtomicBool::new(false);
    let commons = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    common();
                    commons.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let started = Instant::now();
        let mut times = 0;
        let mut is_fed = true;
        while times < 50 && is_fed {
            // The others are at it.
            let seen = commons.load(Ordering::Relaxed);
            while commons.load(Ordering::Relaxed) < seen + 3 {
                thread::yield_now();
            }
            is_fed = rare();
            times += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(is_fed, "kept out for ten seconds after {times} times");
        assert!(started.elapsed() < Duration::from_mins(1));
    });
}

/// More threads than processors, all on one lock, with a sleep now and then.
#[test]
fn many_threads_on_one_private_mutex_lose_nothing() {
    const THREADS: u32 = 8;
    let times = rounds(50_000, 1_250_000);
    let mutex = private::Mutex::new(0_u64);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..times {
                    *mutex.lock() += 1;
                }
            });
        }
    });
    assert_eq!(*mutex.lock(), u64::from(times) * u64::from(THREADS));
}
