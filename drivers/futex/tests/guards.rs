//! What guards and locks give beside exclusion.
#![cfg(unix)]
#![deny(unsafe_code)]

use std::{thread, time::Duration};

use farend_core::sync::{Waited, WriteGuard};
use farend_futex::private::{Condvar, Mutex, RwLock};

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
    assert_eq!(*RwLock::<u32>::default().read().unwrap(), 0);
}

#[test]
fn data_of_unknown_size_is_guarded() {
    let numbers = Mutex::new([1, 2, 3]);
    let slice: &Mutex<[i32]> = &numbers;
    slice.lock()[1] = 20;
    assert_eq!(slice.lock().iter().sum::<i32>(), 24);
    let lock = RwLock::new(7_u8);
    let shown: &RwLock<dyn std::fmt::Display + Send + Sync> = &lock;
    assert_eq!(shown.read().unwrap().to_string(), "7");
}

#[test]
fn a_downgraded_writer_shares_what_it_wrote() {
    let lock = RwLock::new(1);
    let mut guard = lock.write().unwrap();
    *guard = 2;
    thread::scope(|scope| {
        let reader = scope.spawn(|| *lock.read().unwrap());
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
