//! Misuse: each is a typed error, and changes nothing.
#![cfg(target_os = "linux")]

use std::{thread, time::Duration};

use farend_core::sync::{
    NotOwner, Overflow, Private, RawMutex, Refused, SharedLayout, Taken, Unlock,
};
use farend_futex::{
    linux::{Linux, Memory},
    private, shared,
};

fn mapped<T: SharedLayout>() -> &'static T {
    #![expect(unsafe_code, reason = "maps memory of this test alone")]
    let memory = Memory::create::<T>().unwrap();
    // SAFETY: nobody else maps it.
    unsafe { memory.map() }.unwrap()
}

#[test]
fn locking_twice_is_refused_in_both_scopes() {
    let mutex = private::Mutex::new(1);
    let guard = mutex.lock();
    assert_eq!(mutex.lock_checked().map(drop), Err(Refused::Reentrant));
    assert_eq!(mutex.try_lock().map(drop), Err(Refused::Reentrant));
    assert_eq!(mutex.lock_for(Duration::from_micros(1)).map(drop), Err(Refused::Reentrant));
    drop(guard);
    assert_eq!(*mutex.lock(), 1);

    let lock: &shared::RawMutex = mapped();
    assert_eq!(lock.lock(), Ok(Taken::Clean));
    assert_eq!(lock.lock(), Err(Refused::Reentrant));
    assert_eq!(lock.try_lock(), Err(Refused::Reentrant));
    lock.unlock().unwrap();
    assert_eq!(lock.lock(), Ok(Taken::Clean));
    lock.unlock().unwrap();
}

#[test]
fn unlocking_by_another_thread_is_refused_in_both_scopes() {
    let ours = RawMutex::<Private, Linux>::new();
    let theirs: &shared::RawMutex = mapped();
    assert_eq!((ours.unlock(), theirs.unlock()), (Err(NotOwner), Err(NotOwner)));
    ours.lock().unwrap();
    assert_eq!(theirs.lock(), Ok(Taken::Clean));
    thread::scope(|scope| {
        let other = scope.spawn(|| (ours.unlock(), theirs.unlock(), theirs.make_consistent()));
        assert_eq!(other.join().unwrap(), (Err(NotOwner), Err(NotOwner), Err(NotOwner)));
    });
    assert!(ours.is_locked() && theirs.is_locked());
    assert_eq!((ours.unlock(), theirs.unlock()), (Ok(()), Ok(())));
}

#[test]
fn a_semaphore_that_is_full_refuses_and_stays_full() {
    let semaphore = private::Semaphore::new(private::Semaphore::COUNT_MAX).unwrap();
    let one_more = private::Semaphore::COUNT_MAX + 1;
    assert_eq!(private::Semaphore::new(one_more).map(drop), Err(Overflow));
    assert_eq!(semaphore.post(), Err(Overflow));
    assert_eq!(semaphore.count(), private::Semaphore::COUNT_MAX);
    assert_eq!(semaphore.try_acquire(), Ok(()));
    assert_eq!(semaphore.post(), Ok(()));
}

#[test]
fn a_semaphore_without_units_is_busy() {
    assert_eq!(private::Semaphore::empty().try_acquire(), Err(Refused::Busy));
}

#[test]
fn a_writer_that_locks_again_is_refused_in_both_scopes() {
    let ours = private::RwLock::new(0);
    let guard = ours.write();
    assert_eq!(ours.write_checked().map(drop), Err(Refused::Reentrant));
    assert_eq!(ours.read_checked().map(drop), Err(Refused::Reentrant));
    drop(guard);

    let theirs: &shared::RwLock<u32> = mapped();
    let guard = theirs.write().unwrap();
    assert_eq!(theirs.write().map(drop).unwrap_err().refused(), Some(Refused::Reentrant));
    assert_eq!(theirs.read().map(drop).unwrap_err().refused(), Some(Refused::Reentrant));
    drop(guard);
    // A reader that wants to write would wait for itself.
    let reader = theirs.read().unwrap();
    assert_eq!(theirs.write().map(drop).unwrap_err().refused(), Some(Refused::Reentrant));
    drop(reader);
    drop(theirs.write().unwrap());
}

#[test]
fn a_held_lock_is_busy_for_others() {
    let mutex = private::Mutex::new(0);
    let rwlock = private::RwLock::new(0);
    let theirs: &shared::RwLock<u32> = mapped();
    let (_mutex, _reader, _their_reader) = (mutex.lock(), rwlock.read(), theirs.read().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(mutex.try_lock().map(drop), Err(Refused::Busy));
            assert_eq!(rwlock.try_write().map(drop), Err(Refused::Busy));
            assert_eq!(rwlock.try_read().map(drop), Ok(()));
            assert_eq!(theirs.try_write().map(drop).unwrap_err().refused(), Some(Refused::Busy));
            assert!(theirs.try_read().is_ok());
        });
    });
}

/// Fifteen readers fit; the sixteenth waits for one to leave.
#[test]
fn a_reader_without_a_slot_waits_for_one() {
    const FIT: usize = farend_core::sync::RawRwShared::<farend_futex::Default>::READERS_MAX;
    let lock: &shared::RwLock<u32> = mapped();
    let is_over = private::Event::new();
    let inside = private::Semaphore::empty();
    thread::scope(|scope| {
        for _ in 0..FIT {
            scope.spawn(|| {
                let _reader = lock.read().unwrap();
                inside.post().unwrap();
                is_over.wait();
            });
        }
        (0..FIT).for_each(|_| inside.acquire());
        let refused = lock.read_for(Duration::from_millis(1)).map(drop).unwrap_err().refused();
        assert_eq!(refused, Some(Refused::TimedOut));
        assert_eq!(lock.try_read().map(drop).unwrap_err().refused(), Some(Refused::Busy));
        is_over.set();
        drop(lock.read().unwrap());
    });
}

/// Whichever leaves: a reader does not wait for one slot only.
#[test]
fn a_reader_without_a_slot_gets_the_first_that_is_free() {
    const FIT: usize = farend_core::sync::RawRwShared::<farend_futex::Default>::READERS_MAX;
    for leaves in [0, 1] {
        let lock: &shared::RwLock<u32> = mapped();
        let may_leave: [private::Event; FIT] = std::array::from_fn(|_| private::Event::new());
        let inside = private::Semaphore::empty();
        thread::scope(|scope| {
            for may_leave in &may_leave {
                scope.spawn(|| {
                    let _reader = lock.read().unwrap();
                    inside.post().unwrap();
                    may_leave.wait();
                });
            }
            (0..FIT).for_each(|_| inside.acquire());
            let late = scope.spawn(|| lock.read_for(Duration::from_secs(5)).is_ok());
            thread::sleep(Duration::from_millis(20));
            may_leave[leaves].set();
            let is_in = late.join().unwrap();
            may_leave.iter().for_each(private::Event::set);
            assert!(is_in, "a reader left, and another did not get in");
        });
    }
}

#[test]
fn a_reader_reads_again_where_nobody_wants_to_write() {
    let lock: &shared::RwLock<u32> = mapped();
    let first = lock.read().unwrap();
    let second = lock.read().unwrap();
    assert_eq!(*first, *second);
    assert!(lock.try_read().is_ok());
}

#[test]
fn memory_of_another_size_or_without_seals_is_refused() {
    #![expect(unsafe_code, reason = "maps memory of this test alone")]
    let memory = Memory::create::<shared::Mutex<u32>>().unwrap();
    // SAFETY: refused before anything is mapped.
    let refused = unsafe { memory.map::<shared::Mutex<[u64; 9]>>() }.map(drop).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    let file = std::fs::File::open("/dev/zero").unwrap();
    assert_eq!(Memory::open(file).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
