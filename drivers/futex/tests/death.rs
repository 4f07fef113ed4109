//! Processes that are killed while they hold locks.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(unsafe_code, reason = "a structure of shared types is one, by promise")]

mod support;

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{LockError, NoOwner, Refused, SharedLayout, Taken, Unlock, WriteGuard};
use farend_futex::{
    linux::Linux,
    shared::{Mutex, RawMutex, RwLock},
};

use support::{Arena, Moments, child_value, rounds, wait_for_count};

/// How soon a waiter must know that the owner is dead.
const NOTICE: Duration = Duration::from_millis(10);

/// What holder and waiters share.
#[repr(C)]
struct Bench {
    lock: RawMutex,
    data: RwLock<[u64; 2]>,
    turns: AtomicU64,
    is_torn: AtomicU32,
}

// SAFETY: repr(C), each field is such a type or an atomic.
unsafe impl SharedLayout for Bench {}

/// Takes the lock and gives it up for ever; marks the moments in between.
fn churn(bench: &Bench) -> ! {
    loop {
        match bench.lock.lock() {
            Ok(Taken::Clean) => {}
            Ok(Taken::OwnerDied) => bench.lock.make_consistent().expect("mine"),
            Err(refused) => panic!("{refused}"),
        }
        bench.is_torn.store(1, Ordering::Relaxed);
        bench.turns.fetch_add(1, Ordering::Relaxed);
        (0..200).for_each(|_| std::hint::spin_loop());
        bench.is_torn.store(0, Ordering::Relaxed);
        bench.lock.unlock().expect("mine");
    }
}

/// One of the children is killed at a random moment, often while it holds the lock.
/// The others and the parent go on, and a death in the middle is told once.
#[test]
fn a_killed_owner_strands_nobody() {
    const NAME: &str = "a_killed_owner_strands_nobody";
    if let Some((_, bench)) = child_value::<Bench>() {
        churn(bench);
    }
    let arena = Arena::<Bench>::new();
    let bench = arena.value;
    let _steady = arena.spawn(NAME, "churn");
    let mut moments = Moments::new();
    let mut torn = 0;
    for _ in 0..rounds(100, 1_000) {
        let mut victim = arena.spawn(NAME, "churn");
        wait_for_count(&bench.turns, bench.turns.load(Ordering::Relaxed) + 100);
        thread::sleep(Duration::from_micros(moments.below(3_000)));
        victim.kill();
        let asked = Instant::now();
        let taken =
            bench.lock.lock_for(Duration::from_secs(5)).expect("a lock that nobody dead holds");
        let waited = asked.elapsed();
        assert!(waited < Duration::from_secs(1), "waited {waited:?}");
        if taken == Taken::OwnerDied {
            torn += bench.is_torn.swap(0, Ordering::Relaxed);
            bench.lock.make_consistent().expect("mine");
        } else {
            assert_eq!(bench.is_torn.load(Ordering::Relaxed), 0, "nobody was told");
        }
        bench.lock.unlock().expect("mine");
    }
    println!("{torn} of the killed had the data half changed");
}

/// Takes the lock, says so, and holds it until killed.
fn hold(bench: &Bench) -> ! {
    let _taken = bench.lock.lock().expect("the lock");
    bench.turns.fetch_add(1, Ordering::Relaxed);
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

/// Waiters that sleep when the holder dies each get the lock, the first one is told,
/// and it knows soon.
#[test]
fn sleepers_know_of_a_death_within_ten_milliseconds() {
    const NAME: &str = "sleepers_know_of_a_death_within_ten_milliseconds";
    if let Some((_, bench)) = child_value::<Bench>() {
        hold(bench);
    }
    let arena = Arena::<Bench>::new();
    let bench = arena.value;
    let mut longest = Vec::new();
    for _ in 0..rounds(20, 200) {
        let before = bench.turns.load(Ordering::Relaxed);
        let mut holder = arena.spawn(NAME, "hold");
        wait_for_count(&bench.turns, before + 1);
        let told = AtomicU32::new(0);
        thread::scope(|scope| {
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let taken = bench.lock.lock_for(Duration::from_secs(10)).expect("the lock");
                        let at = Instant::now();
                        if taken == Taken::OwnerDied {
                            told.fetch_add(1, Ordering::Relaxed);
                            bench.lock.make_consistent().expect("mine");
                        }
                        bench.lock.unlock().expect("mine");
                        at
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(5));
            let killed = Instant::now();
            holder.kill();
            let first = waiters.into_iter().map(|waiter| waiter.join().expect("a waiter")).min();
            longest.push(first.expect("three waiters").duration_since(killed));
        });
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
    longest.sort_unstable();
    let median = longest[longest.len() / 2];
    println!("told after {median:?} (median), {:?} (longest)", longest.last());
    // The median: the machine may be busy with something else just then.
    assert!(median < NOTICE, "told only after {median:?}");
}

/// Writes both words, with a moment in between.
fn write(bench: &Bench) -> ! {
    loop {
        match bench.data.write() {
            Ok(mut words) => step(&mut words, bench),
            Err(LockError::OwnerDied(mut words)) => {
                words[1] = words[0];
                WriteGuard::make_consistent(&words).expect("mine");
                step(&mut words, bench);
            }
            Err(LockError::Refused(refused)) => panic!("{refused}"),
        }
    }
}

fn step(words: &mut [u64; 2], bench: &Bench) {
    words[0] += 1;
    bench.turns.fetch_add(1, Ordering::Relaxed);
    (0..200).for_each(|_| std::hint::spin_loop());
    words[1] += 1;
}

fn read(bench: &Bench) -> ! {
    loop {
        match bench.data.read() {
            Ok(words) => assert_eq!(words[0], words[1]),
            // Half written, and said so; the writer that follows repairs it.
            Err(LockError::OwnerDied(_)) => {}
            Err(LockError::Refused(refused)) => panic!("{refused}"),
        }
        bench.turns.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn killed_readers_and_writers_strand_nobody() {
    const NAME: &str = "killed_readers_and_writers_strand_nobody";
    if let Some((role, bench)) = child_value::<Bench>() {
        if role == "write" { write(bench) } else { read(bench) }
    }
    let arena = Arena::<Bench>::new();
    let bench = arena.value;
    let _steady = arena.spawn(NAME, "read");
    let mut moments = Moments::new();
    for round in 0..rounds(60, 1_000) {
        let mut victim = arena.spawn(NAME, if round % 2 == 0 { "write" } else { "read" });
        wait_for_count(&bench.turns, bench.turns.load(Ordering::Relaxed) + 100);
        thread::sleep(Duration::from_micros(moments.below(3_000)));
        victim.kill();
        match bench.data.write_for(Duration::from_secs(5)) {
            Ok(words) => assert_eq!(words[0], words[1], "nobody was told"),
            Err(LockError::OwnerDied(mut words)) => {
                words[1] = words[0];
                WriteGuard::make_consistent(&words).expect("mine");
            }
            Err(LockError::Refused(refused)) => panic!("{refused}"),
        }
    }
}

#[test]
fn a_process_that_ends_with_the_lock_is_told_of() {
    let mutex = Arena::<Mutex<u64>>::new().value;
    let status = c_library::in_fork(|| {
        let Ok(mut guard) = mutex.lock() else { return 1 };
        *guard = 7;
        std::mem::forget(guard);
        0
    });
    assert_eq!(status, 0);
    let Err(LockError::OwnerDied(guard)) = mutex.lock() else { panic!("nobody was told") };
    assert_eq!(*guard, 7);
    // Dropped without make_consistent: lost for all.
    drop(guard);
    assert_eq!(mutex.lock().unwrap_err().refused(), Some(Refused::NotRecoverable));
    assert_eq!(mutex.try_lock().unwrap_err().refused(), Some(Refused::NotRecoverable));
}

#[test]
fn a_dead_writers_lock_is_lost_if_nobody_repairs_the_data() {
    let lock = Arena::<RwLock<u32>>::new().value;
    let die_writing = || {
        let status = c_library::in_fork(|| {
            std::mem::forget(lock.write());
            0
        });
        assert_eq!(status, 0);
    };
    die_writing();
    assert!(matches!(lock.read(), Err(LockError::OwnerDied(_))));
    let Err(LockError::OwnerDied(guard)) = lock.write() else { panic!("nobody was told") };
    WriteGuard::make_consistent(&guard).unwrap();
    drop(guard);
    assert!(lock.read().is_ok());

    die_writing();
    drop(lock.write().unwrap_err());
    assert_eq!(lock.read().map(drop).unwrap_err().refused(), Some(Refused::NotRecoverable));
    assert_eq!(lock.write().map(drop).unwrap_err().refused(), Some(Refused::NotRecoverable));
}

/// Takes locks of ours and of the C library in turn, and gives some up out of the middle,
/// from both sides.
fn take_in_turn(ours: &[&RawMutex], others: &[c_library::Robust]) {
    let take = |index: usize| ours[index].lock().map(drop).expect("free");
    for (index, other) in others.iter().enumerate() {
        take(index);
        other.lock();
    }
    ours[1].unlock().expect("mine");
    others[1].unlock();
    ours[2].unlock().expect("mine");
    take(2);
}

/// Locks of ours and robust mutexes of the C library are in one list: the kernel finds
/// both, in whatever order they were taken and given up.
#[test]
fn locks_share_the_list_with_the_c_librarys() {
    let locks: Vec<_> = (0..3).map(|_| Arena::<RawMutex>::new().value).collect();
    let theirs: Vec<_> = (0..3).map(|_| c_library::Robust::new()).collect();
    let status = c_library::in_fork(|| {
        take_in_turn(&locks, &theirs);
        0
    });
    assert_eq!(status, 0);
    assert_eq!(locks[0].lock(), Ok(Taken::OwnerDied));
    assert_eq!(locks[1].lock(), Ok(Taken::Clean));
    assert_eq!(locks[2].lock(), Ok(Taken::OwnerDied));
}

/// The end of a thread leaves the C library's mutexes in the list for the kernel, and
/// takes ours out: they are the process's then.
#[test]
fn a_thread_that_ends_leaves_the_c_librarys_in_the_list() {
    let locks: Vec<_> = (0..3).map(|_| Arena::<RawMutex>::new().value).collect();
    let theirs: Vec<_> = (0..3).map(|_| c_library::Robust::new()).collect();
    let (ours, others) = (locks.clone(), theirs.clone());
    thread::spawn(move || take_in_turn(&ours, &others)).join().expect("a thread");
    let are_held: Vec<_> = locks.iter().map(|lock| lock.is_locked()).collect();
    assert_eq!(are_held, [true, false, true]);
    assert_eq!(locks[1].lock(), Ok(Taken::Clean));
    assert_eq!(theirs[0].lock(), libc::EOWNERDEAD);
    assert_eq!(theirs[1].lock(), 0);
    assert_eq!(theirs[2].lock(), libc::EOWNERDEAD);
}

/// The child of a fork has its parent's guard, but does not hold the lock.
#[test]
fn the_child_of_a_fork_cannot_give_up_its_parents_lock() {
    let arena = Arena::<RawMutex>::new();
    let lock = arena.value;
    assert_eq!(lock.lock(), Ok(Taken::Clean));
    let status = c_library::in_fork(|| {
        let is_refused = lock.unlock().is_err() && lock.try_lock() == Err(Refused::Busy);
        i32::from(!is_refused)
    });
    assert_eq!(status, 0);
    assert!(lock.is_locked());
    lock.unlock().expect("mine");
    // And it can take locks of its own, and die with them.
    let status = c_library::in_fork(|| i32::from(lock.lock() != Ok(Taken::Clean)));
    assert_eq!(status, 0);
    assert_eq!(lock.lock_for(Duration::from_secs(1)), Ok(Taken::OwnerDied));
    lock.make_consistent().expect("mine");
    lock.unlock().expect("mine");
}

/// There the parent's id is nobody's, or somebody else's.
#[test]
fn a_child_in_another_pid_namespace_does_not_judge_its_parents_lock() {
    if !rustix::process::geteuid().is_root() {
        return farend_effort::skip("making a pid namespace needs root");
    }
    let lock = Arena::<RawMutex>::new().value;
    let status = c_library::in_fork(|| {
        if lock.lock() != Ok(Taken::Clean) || !c_library::children_get_a_pid_namespace() {
            return 1;
        }
        let status = c_library::in_fork(|| match lock.lock_for(Duration::from_millis(300)) {
            Err(Refused::NoOwner(NoOwner::OtherNamespace)) => 0,
            Err(_) => 2,
            Ok(_) => 3,
        });
        if lock.unlock().is_ok() { status } else { 4 }
    });
    assert_eq!(status, 0);
}

/// The whole layout is that of the C library's mutex, as far as the kernel looks.
#[test]
fn a_shared_lock_is_forty_octets() {
    assert_eq!(size_of::<farend_core::sync::RawShared<Linux>>(), 40);
}

/// What the C library does itself.
mod c_library {
    use std::{mem::MaybeUninit, ptr};

    /// A robust mutex, which stays in its place.
    #[derive(Clone, Copy)]
    pub(crate) struct Robust(&'static Cell);

    struct Cell(std::cell::UnsafeCell<libc::pthread_mutex_t>);

    // SAFETY: the C library's functions take it from any thread.
    unsafe impl Sync for Cell {}

    impl Robust {
        pub(crate) fn new() -> Self {
            let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
            let attributes = attributes.as_mut_ptr();
            let mutex = libc::PTHREAD_MUTEX_INITIALIZER;
            let cell = Box::leak(Box::new(Cell(std::cell::UnsafeCell::new(mutex))));
            // SAFETY: made here and initialised first.
            unsafe { libc::pthread_mutexattr_init(attributes) };
            // SAFETY: initialised above.
            unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) };
            // SAFETY: a fresh mutex of this function, and attributes from above.
            unsafe { libc::pthread_mutex_init(cell.0.get(), attributes) };
            Self(cell)
        }

        pub(crate) fn lock(self) -> i32 {
            // SAFETY: initialised, and never destroyed.
            unsafe { libc::pthread_mutex_lock(self.0.0.get()) }
        }

        pub(crate) fn unlock(self) {
            // SAFETY: as above.
            unsafe { libc::pthread_mutex_unlock(self.0.0.get()) };
        }
    }

    /// Has children of this process born in a pid namespace of their own.
    pub(crate) fn children_get_a_pid_namespace() -> bool {
        // SAFETY: says what becomes of children, and changes no memory.
        unsafe { libc::unshare(libc::CLONE_NEWPID) == 0 }
    }

    /// Runs `body` in the child of a fork, which ends with its result.
    pub(crate) fn in_fork(body: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child calls `body`, which takes locks and allocates nothing,
        // and ends.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "no fork");
        if child == 0 {
            let status = body();
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(status) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above.
        let ended = unsafe { libc::waitpid(child, ptr::from_mut(&mut status), 0) };
        assert_eq!(ended, child);
        libc::WEXITSTATUS(status)
    }
}
