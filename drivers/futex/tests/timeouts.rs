//! Time-outs of every call that waits: never early, never for ever, also while
//! signals interrupt each sleep.
#![cfg(target_os = "linux")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{Clock, Deadline, NEVER, RawShared, Refused, TimedOut, Unlock, Waited};
use farend_futex::{
    linux::{Linux, Memory},
    private, shared,
};

/// Longer than a 32-bit count of microseconds: 71.6 minutes.
const HOURS_NS: u64 = 5_000_000_000_000;

/// Every primitive, in a state in which each call has to wait.
struct Closed {
    mutex: private::Mutex<u32>,
    condvar: private::Condvar,
    rwlock: private::RwLock<u32>,
    semaphore: private::Semaphore,
    event: private::Event,
    shared_mutex: &'static RawShared<Linux>,
    shared_rwlock: &'static shared::RwLock<u32>,
    shared_semaphore: shared::Semaphore,
    shared_event: shared::Event,
}

/// A call that waits until a deadline, and whether it said that it timed out.
type Call = (&'static str, fn(&Closed, u64) -> bool);

const CALLS: [Call; 11] = [
    ("mutex", |closed, deadline_ns| {
        matches!(closed.mutex.lock_until(Deadline::at_ns(deadline_ns)), Err(Refused::TimedOut))
    }),
    ("condvar", |closed, deadline_ns| {
        let own = private::Mutex::new(());
        let guard = own.lock();
        closed.condvar.wait_until(guard, Deadline::at_ns(deadline_ns)).1 == Waited::TimedOut
    }),
    ("read", |closed, deadline_ns| {
        matches!(closed.rwlock.read_until(Deadline::at_ns(deadline_ns)), Err(Refused::TimedOut))
    }),
    ("write", |closed, deadline_ns| {
        matches!(closed.rwlock.write_until(Deadline::at_ns(deadline_ns)), Err(Refused::TimedOut))
    }),
    ("semaphore", |closed, deadline_ns| {
        closed.semaphore.acquire_until(Deadline::at_ns(deadline_ns)) == Err(TimedOut)
    }),
    ("event", |closed, deadline_ns| {
        closed.event.wait_until(Deadline::at_ns(deadline_ns)) == Err(TimedOut)
    }),
    ("shared mutex", |closed, deadline_ns| {
        closed.shared_mutex.lock_until(Deadline::at_ns(deadline_ns)) == Err(Refused::TimedOut)
    }),
    ("shared read", |closed, deadline_ns| {
        let refused = closed.shared_rwlock.read_until(Deadline::at_ns(deadline_ns)).map(drop);
        matches!(refused, Err(error) if error.refused() == Some(Refused::TimedOut))
    }),
    ("shared write", |closed, deadline_ns| {
        let refused = closed.shared_rwlock.write_until(Deadline::at_ns(deadline_ns)).map(drop);
        matches!(refused, Err(error) if error.refused() == Some(Refused::TimedOut))
    }),
    ("shared semaphore", |closed, deadline_ns| {
        closed.shared_semaphore.acquire_until(Deadline::at_ns(deadline_ns)) == Err(TimedOut)
    }),
    ("shared event", |closed, deadline_ns| {
        closed.shared_event.wait_until(Deadline::at_ns(deadline_ns)) == Err(TimedOut)
    }),
];

/// Runs `body` while another thread holds every lock.
fn with_all_closed(body: impl FnOnce(&Closed)) {
    let closed = Closed {
        mutex: private::Mutex::new(0),
        condvar: private::Condvar::new(),
        rwlock: private::RwLock::new(0),
        semaphore: private::Semaphore::empty(),
        event: private::Event::new(),
        shared_mutex: mapped(),
        shared_rwlock: mapped(),
        shared_semaphore: shared::Semaphore::empty(),
        shared_event: shared::Event::new(),
    };
    let is_held = private::Event::new();
    let is_done = private::Event::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _mutex = closed.mutex.lock();
            let _rwlock = closed.rwlock.write();
            let _taken = closed.shared_mutex.lock().unwrap();
            let _shared = closed.shared_rwlock.write().unwrap();
            is_held.set();
            is_done.wait();
            closed.shared_mutex.unlock().unwrap();
        });
        is_held.wait();
        body(&closed);
        is_done.set();
    });
}

fn mapped<T: farend_core::sync::SharedLayout>() -> &'static T {
    #![expect(unsafe_code, reason = "maps memory of this test alone")]
    let memory = Memory::create::<T>().unwrap();
    // SAFETY: nobody else maps it.
    unsafe { memory.map() }.unwrap()
}

#[test]
fn every_call_times_out_at_its_deadline_and_not_before() {
    with_all_closed(|closed| {
        for (name, call) in CALLS {
            for timeout_ns in [0, 1, 999, 3_000_000] {
                let deadline_ns = Linux::now_ns() + timeout_ns;
                assert!(call(closed, deadline_ns), "{name} did not time out");
                assert!(Linux::now_ns() >= deadline_ns, "{name} timed out early");
            }
            assert!(call(closed, 0), "{name} waits although the deadline is past");
        }
    });
}

/// A deadline in hours, or none, does not end by itself, and ends when it should.
#[test]
fn a_far_deadline_is_far_and_a_release_ends_the_wait() {
    for deadline_ns in [Linux::now_ns() + HOURS_NS, NEVER - 1, NEVER] {
        let semaphore = private::Semaphore::empty();
        let event = shared::Event::new();
        let mutex = private::Mutex::new(0);
        let guard = mutex.lock();
        thread::scope(|scope| {
            let waiters = [
                scope.spawn(|| semaphore.acquire_until(Deadline::at_ns(deadline_ns)).is_ok()),
                scope.spawn(|| event.wait_until(Deadline::at_ns(deadline_ns)).is_ok()),
                scope.spawn(|| mutex.lock_until(Deadline::at_ns(deadline_ns)).is_ok()),
            ];
            thread::sleep(Duration::from_millis(30));
            assert!(waiters.iter().all(|waiter| !waiter.is_finished()), "a wait ended by itself");
            semaphore.post().unwrap();
            event.set();
            drop(guard);
            assert!(waiters.map(|waiter| waiter.join().unwrap()).iter().all(|is_ok| *is_ok));
        });
    }
}

#[test]
fn a_time_out_of_never_is_none_and_does_not_overflow() {
    let semaphore = private::Semaphore::new(2).unwrap();
    assert_eq!(semaphore.acquire_for(Duration::from_nanos(NEVER)), Ok(()));
    assert_eq!(semaphore.acquire_for(Duration::from_nanos(NEVER - 1)), Ok(()));
    let event = private::Event::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| event.wait_for(Duration::from_nanos(NEVER - 1)));
        thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished());
        event.set();
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

/// Signals arrive every 100 microseconds, without `SA_RESTART`: each sleep of the
/// waiting thread is interrupted many times.
#[test]
fn a_storm_of_signals_neither_shortens_nor_lengthens_a_wait() {
    signals::catch();
    with_all_closed(|closed| {
        let target = signals::this_thread();
        let is_over = Arc::new(AtomicBool::new(false));
        let storm = thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    signals::send(target);
                    thread::sleep(Duration::from_micros(100));
                }
            }
        });
        for (name, call) in CALLS {
            let timeout = Duration::from_millis(30);
            let started = Instant::now();
            let deadline_ns = Linux::now_ns() + 30_000_000;
            // A wait on a condition may end for no reason, and a signal is one.
            while !call(closed, deadline_ns) {
                assert_eq!(name, "condvar");
            }
            assert!(started.elapsed() >= timeout, "{name} ended early");
            assert!(started.elapsed() < timeout * 20, "{name} grew longer");
        }
        is_over.store(true, Ordering::Relaxed);
        storm.join().unwrap();
    });
    assert!(signals::caught() > 100, "the storm did not blow: {}", signals::caught());
}

mod signals {
    #![expect(unsafe_code, reason = "handles a signal and sends it to one thread")]

    use std::{
        mem, ptr,
        sync::atomic::{AtomicU32, Ordering},
    };

    static CAUGHT: AtomicU32 = AtomicU32::new(0);

    #[derive(Clone, Copy)]
    pub(crate) struct Thread(libc::pthread_t);

    extern "C" fn count(_signal: libc::c_int) {
        CAUGHT.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn catch() {
        // SAFETY: all-zero is a valid action: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = count as *const () as usize;
        // SAFETY: the handler adds to an atomic and nothing else.
        let result = unsafe { libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut()) };
        assert_eq!(result, 0);
    }

    pub(crate) fn this_thread() -> Thread {
        // SAFETY: has no conditions.
        Thread(unsafe { libc::pthread_self() })
    }

    pub(crate) fn send(thread: Thread) {
        // SAFETY: the sender is joined before the thread ends.
        let result = unsafe { libc::pthread_kill(thread.0, libc::SIGUSR2) };
        assert_eq!(result, 0);
    }

    pub(crate) fn caught() -> u32 {
        CAUGHT.load(Ordering::Relaxed)
    }
}
