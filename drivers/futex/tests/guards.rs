//! What guards and locks give beside exclusion.
#![cfg(unix)]
#![deny(unsafe_code)]

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use farend_core::sync::{MappedMutexGuard, MutexGuard, ReadGuard, TimedOut, Waited, WriteGuard};
use farend_futex::private::{AutoResetEvent, Barrier, Condvar, Mutex, Once, RwLock};

#[test]
fn data_goes_in_and_comes_out() {
    let mut mutex = Mutex::from(String::from("a"));
    mutex.get_mut().push('b');
    mutex.lock().push('c');
    assert_eq!(mutex.into_inner(), "abc");
    let mut lock = RwLock::from(vec![1]);
    lock.get_mut().push(2);
    assert_eq!(lock.into_inner(), [1, 2]);
    assert_eq!(*Mutex::<u32>::default().lock(), 0);
    assert_eq!(*RwLock::<u32>::default().read(), 0);
}

#[test]
fn data_of_unknown_size_is_guarded() {
    let numbers = Mutex::new([1, 2, 3]);
    let slice: &Mutex<[i32]> = &numbers;
    slice.lock()[1] = 20;
    assert_eq!(slice.lock().iter().sum::<i32>(), 24);
    let lock = RwLock::new(7_u8);
    let shown: &RwLock<dyn std::fmt::Display + Send + Sync> = &lock;
    assert_eq!(shown.read().to_string(), "7");
}

#[test]
fn a_downgraded_writer_shares_what_it_wrote() {
    let lock = RwLock::new(1);
    let mut guard = lock.write();
    *guard = 2;
    thread::scope(|scope| {
        let reader = scope.spawn(|| *lock.read());
        thread::sleep(Duration::from_millis(20));
        assert!(!reader.is_finished(), "a reader beside a writer");
        let guard = WriteGuard::downgrade(guard);
        assert_eq!(reader.join().unwrap(), 2);
        assert!(lock.try_write().is_err(), "a writer beside a reader");
        assert_eq!(*guard, 2);
    });
    *lock.try_write().unwrap() = 3;
}

/// It holds the mutex for ever, as it would any lock that does not know its owner.
#[test]
fn a_thread_that_locks_twice_unchecked_waits_for_ever() {
    static MUTEX: Mutex<()> = Mutex::new(());
    let waiting = thread::spawn(|| {
        let _guard = MUTEX.lock();
        let _again = MUTEX.lock();
    });
    thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished());
    assert!(MUTEX.try_lock().is_err());
}

#[test]
fn a_condition_is_waited_for_with_a_limit() {
    let (mutex, condvar) = (Mutex::new(0), Condvar::new());
    let timeout = Duration::from_millis(20);
    let (guard, waited) = condvar.wait_while_for(mutex.lock(), timeout, |value| *value == 0);
    assert_eq!((*guard, waited), (0, Waited::TimedOut));
    drop(guard);
    thread::scope(|scope| {
        scope.spawn(|| {
            *mutex.lock() = 1;
            condvar.notify_one();
        });
        let minute = Duration::from_mins(1);
        let (guard, waited) = condvar.wait_while_for(mutex.lock(), minute, |value| *value == 0);
        assert_eq!((*guard, waited), (1, Waited::Woken));
    });
}

#[test]
fn a_part_of_the_data_keeps_the_lock() {
    let mutex = Mutex::new((1, String::from("a")));
    let mut text = MutexGuard::map(mutex.lock(), |pair| &mut pair.1);
    text.push('b');
    assert!(mutex.try_lock().is_err());
    let mut octets = MappedMutexGuard::map(text, |text| text.as_mut_str());
    octets.make_ascii_uppercase();
    drop(octets);
    assert_eq!(*mutex.lock(), (1, String::from("AB")));
    let guard = MutexGuard::try_map(mutex.lock(), |_| None::<&mut u32>).unwrap_err();
    drop(guard);
    assert!(mutex.try_lock().is_ok());

    let lock = RwLock::new([1, 2, 3]);
    let mut last = WriteGuard::map(lock.write(), |numbers| &mut numbers[2]);
    *last += 1;
    assert!(lock.try_read().is_err());
    drop(last);
    let first = ReadGuard::map(lock.read(), |numbers| &numbers[0]);
    let last = ReadGuard::map(lock.read(), |numbers| &numbers[2]);
    assert_eq!((*first, *last), (1, 4));
    assert!(lock.try_write().is_err());
    drop((first, last));
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_part_that_cannot_be_found_gives_the_lock_up() {
    let mutex = Mutex::new(0);
    let panicking = thread::scope(|scope| {
        let panics = || drop(MutexGuard::map(mutex.lock(), |_| -> &mut i32 { panic!("no part") }));
        scope.spawn(panics).join()
    });
    assert!(panicking.is_err());
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn what_is_done_once_is_done_again_only_after_a_panic() {
    static DONE: Once = Once::new();
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let panicking = thread::spawn(|| DONE.call_once(|| panic!("not done"))).join();
    assert!(panicking.is_err() && !DONE.is_done());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                DONE.call_once(|| {
                    thread::sleep(Duration::from_millis(5));
                    TIMES.fetch_add(1, Ordering::Relaxed);
                });
                assert_eq!(TIMES.load(Ordering::Relaxed), 1);
            });
        }
    });
}

#[test]
fn a_barrier_lets_all_go_on_turn_by_turn() {
    let barrier = Barrier::new(3).unwrap();
    let (come, lasts) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for turn in 1..=1_000 {
                    come.fetch_add(1, Ordering::Relaxed);
                    lasts.fetch_add(u32::from(barrier.wait()), Ordering::Relaxed);
                    assert!(come.load(Ordering::Relaxed) >= 3 * turn);
                }
            });
        }
    });
    assert_eq!(lasts.into_inner(), 1_000);
    assert_eq!(barrier.wait_for(Duration::from_millis(1)), Err(TimedOut));
    assert!(Barrier::new(Barrier::PARTIES_MAX + 1).is_err());
    assert!(Barrier::for_one().wait());
}

#[test]
fn an_event_that_one_takes_lets_one_go_for_each_time_it_is_set() {
    let event = AutoResetEvent::new();
    let gone = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                event.wait();
                gone.fetch_add(1, Ordering::Relaxed);
            });
        }
        for expected in 1..=3 {
            event.set();
            while gone.load(Ordering::Relaxed) < expected {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(2));
            assert_eq!(gone.load(Ordering::Relaxed), expected);
        }
    });
    event.set();
    event.set();
    assert!(event.reset() && !event.reset());
    assert_eq!(event.wait_for(Duration::from_millis(1)), Err(TimedOut));
}
