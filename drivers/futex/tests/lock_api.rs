//! The private locks under those of the crate `lock_api`.
#![cfg(unix)]
#![deny(unsafe_code)]

use std::{thread, time::Duration};

use farend_futex::private::{RawMutex, RawRwLock};

type Mutex<T> = lock_api::Mutex<RawMutex, T>;

#[test]
fn a_generic_mutex_over_ours_excludes_and_times_out() {
    let mutex = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| *mutex.lock() += 1));
        }
    });
    let guard = mutex.lock();
    assert_eq!(*guard, 40_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(mutex.try_lock().is_none() && mutex.is_locked());
            assert!(mutex.try_lock_for(Duration::from_millis(1)).is_none());
        });
    });
    drop(guard);
    assert!(mutex.try_lock_for(Duration::ZERO).is_some());
    assert!(!mutex.is_locked());
}

#[test]
fn a_generic_reader_writer_lock_over_ours_shares_and_excludes() {
    type RwLock<T> = lock_api::RwLock<RawRwLock, T>;

    let lock = RwLock::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| *lock.write() += 1));
        }
    });
    let (first, second) = (lock.read(), lock.read());
    assert_eq!((*first, *second), (40_000, 40_000));
    assert!(lock.is_locked() && lock.try_write_for(Duration::from_millis(1)).is_none());
    drop((first, second));
    let reader = lock_api::RwLockWriteGuard::downgrade(lock.write());
    assert!(lock.try_read().is_some() && lock.try_write().is_none());
    drop(reader);
    assert!(!lock.is_locked());
}
