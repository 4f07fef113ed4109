//! Locks between processes whose owners stand in a registry: their death is
//! noticed by looking, which every system can.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "shares memory with other processes, and forks")]

use std::{
    cell::RefCell,
    env,
    io::{self, BufRead, BufReader},
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, Stdio},
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use farend_core::sync::{
    LockError, Mutex, MutexGuard, Owners, RawShared, Refused, RwLock, Shared, Unlock as _,
    WriteGuard,
};
use farend_futex::{Linux, Registered, linux::Memory, registry};

type Backend = Registered<Linux>;
type Lock = Mutex<u64, Shared, Backend>;
type ReadersWriter = RwLock<u64, Shared, Backend>;

const ROLE: &str = "FAREND_TEST_ROLE";

/// Joins a registry of this test's own, which is removed when the tests are over.
fn join() {
    static JOINED: Once = Once::new();
    JOINED.call_once(|| {
        registry::join(&name()).unwrap();
        if env::var_os(ROLE).is_none() {
            // SAFETY: the function only removes a file.
            unsafe { libc::atexit(remove) };
        }
    });
}

extern "C" fn remove() {
    // Already gone is as good.
    let _removed = rustix::shm::unlink(name());
}

fn name() -> String {
    let process = env::var("FAREND_TEST_PARENT").unwrap_or_else(|_| std::process::id().to_string());
    format!("/farend-test-{process}")
}

fn rounds() -> usize {
    if farend_effort::is_long() { 500 } else { 30 }
}

fn memory<T: farend_core::sync::SharedLayout>() -> (Memory, &'static T) {
    let memory = Memory::create::<T>().unwrap();
    // SAFETY: whoever maps it in this test maps it as this type.
    let there = unsafe { memory.map() }.unwrap();
    (memory, there)
}

/// This program as another process, in a role of [`another_process`].
fn start(role: &str, memory: &Memory) -> Child {
    start_by(Command::new(env::current_exe().unwrap()), role, memory)
}

/// The same by a command that runs a program in another namespace.
fn start_in_namespace(unshare: &[&str], role: &str, memory: &Memory) -> Child {
    let mut command = Command::new("unshare");
    command.args(unshare).arg(env::current_exe().unwrap());
    start_by(command, role, memory)
}

fn start_by(mut program: Command, role: &str, memory: &Memory) -> Child {
    program
        .args(["--exact", "another_process", "--ignored", "--nocapture"])
        .env(ROLE, format!("{role} {} {}", std::process::id(), memory.as_fd().as_raw_fd()))
        .env("FAREND_TEST_PARENT", std::process::id().to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the other process says a word.
fn wait_for(child: &mut Child, word: &str) {
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    let said = output.lines().any(|line| line.unwrap().contains(word));
    assert!(said, "the other process ended before it said {word}");
}

/// Not a test by itself: what the other processes run.
#[test]
#[ignore = "a process that other tests start"]
fn another_process() {
    let Ok(role) = env::var(ROLE) else { return };
    let words: Vec<_> = role.split(' ').collect();
    let memory = Memory::open_in(words[1].parse().unwrap(), words[2].parse().unwrap()).unwrap();
    join();
    if let Some(role) = words[0].strip_prefix("rw-") {
        // SAFETY: the parent maps it as this type.
        let lock: &ReadersWriter = unsafe { memory.map() }.unwrap();
        return hold(lock, role);
    }
    // SAFETY: the parent maps it as this type.
    let lock: &Lock = unsafe { memory.map() }.unwrap();
    match words[0] {
        "holder" => {
            let mut guard = lock.lock().unwrap();
            *guard += 1;
            println!("\nholding");
            thread::sleep(Duration::from_mins(10));
            drop(guard);
        }
        "leaks" => {
            thread::spawn(move || std::mem::forget(lock.lock().unwrap())).join().unwrap();
            println!("\nholding");
            thread::sleep(Duration::from_mins(10));
        }
        "waiter" => {
            println!("\nwaiting");
            println!("\n{}", learn(lock));
        }
        other => panic!("no role {other}"),
    }
}

fn hold(lock: &ReadersWriter, role: &str) {
    if role == "reader" {
        std::mem::forget(lock.read().unwrap());
    } else {
        std::mem::forget(lock.write().unwrap());
    }
    println!("\nholding");
    thread::sleep(Duration::from_mins(10));
}

/// Takes the lock, makes its data sound if need be, and gives it up again.
fn learn(lock: &Lock) -> &'static str {
    match lock.lock_for(Duration::from_secs(30)) {
        Ok(_) => "taken",
        Err(LockError::OwnerDied(guard)) => {
            MutexGuard::make_consistent(&guard).unwrap();
            "died"
        }
        Err(LockError::Refused(refused)) => panic!("{refused}"),
    }
}

#[test]
fn every_waiter_learns_soon_that_the_holder_was_killed() {
    const WAITERS: usize = 3;
    join();
    let (memory, lock) = memory::<Lock>();
    let mut delays = Vec::new();
    for round in 0..rounds() {
        let mut holder = start("holder", &memory);
        wait_for(&mut holder, "holding");
        let (report, reports) = mpsc::channel();
        let threads: Vec<_> = (0..WAITERS)
            .map(|_| {
                let report = report.clone();
                thread::spawn(move || report.send((learn(lock), Instant::now())).unwrap())
            })
            .collect();
        // Some of the time the holder dies before anybody sleeps.
        thread::sleep(Duration::from_micros(u64::try_from(round).unwrap() * 977 % 15_000));
        let killed = Instant::now();
        holder.kill().unwrap();
        let told: Vec<_> = reports.iter().take(WAITERS).collect();
        // Only now: a zombie must do.
        holder.wait().unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        let died = told.iter().filter(|(how, _)| *how == "died").count();
        assert_eq!(died, 1, "one is told, the data is sound for the others");
        delays.extend(told.iter().map(|(_, at)| at.saturating_duration_since(killed)));
    }
    delays.sort_unstable();
    let median = delays[delays.len() / 2];
    let longest = delays[delays.len() - 1];
    println!("learned after {median:?}, at most {longest:?}");
    assert!(median <= Duration::from_millis(50), "half of them only after {median:?}");
    // Any longer is the machine's doing, unless it is for ever.
    assert!(longest <= Duration::from_secs(5), "one only after {longest:?}");
    assert_eq!(*lock.lock().unwrap(), u64::try_from(rounds()).unwrap());
}

#[test]
fn a_waiter_of_another_process_learns_it_too() {
    join();
    let (memory, lock) = memory::<Lock>();
    let mut holder = start("holder", &memory);
    wait_for(&mut holder, "holding");
    let mut waiter = start("waiter", &memory);
    wait_for(&mut waiter, "waiting");
    thread::sleep(Duration::from_millis(30));
    holder.kill().unwrap();
    wait_for(&mut waiter, "died");
    holder.wait().unwrap();
    assert!(waiter.wait().unwrap().success());
    assert_eq!(learn(lock), "taken");
}

/// What was borrowed from its guard may be in use in another thread.
#[test]
fn a_thread_that_leaks_a_guard_keeps_the_lock_until_its_process_ends() {
    join();
    let (memory, lock) = memory::<Lock>();
    let borrowed =
        thread::spawn(move || &mut **Box::leak(Box::new(lock.lock().unwrap()))).join().unwrap();
    *borrowed += 1;
    let refused = lock.lock_for(Duration::from_nanos(5 * registry::SLICE_NS));
    assert!(matches!(refused, Err(LockError::Refused(Refused::TimedOut))), "{refused:?}");
    assert!(matches!(lock.try_lock(), Err(LockError::Refused(Refused::Busy))));
    *borrowed += 1;
    drop(memory);

    let (memory, lock) = self::memory::<Lock>();
    let mut leaks = start("leaks", &memory);
    wait_for(&mut leaks, "holding");
    assert!(matches!(lock.try_lock(), Err(LockError::Refused(Refused::Busy))));
    leaks.kill().unwrap();
    assert_eq!(learn(lock), "died");
    leaks.wait().unwrap();
    assert_eq!(learn(lock), "taken");
}

#[test]
fn short_waits_learn_of_a_death_too() {
    join();
    for timeout_ns in [0, 1, 1_000_000] {
        let (memory, lock) = memory::<Lock>();
        let mut holder = start("holder", &memory);
        wait_for(&mut holder, "holding");
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert!(
            matches!(lock.lock_for(Duration::from_nanos(timeout_ns)), Err(LockError::OwnerDied(_))),
            "{timeout_ns}"
        );
    }
}

#[test]
fn a_killed_reader_bars_nobody_and_a_killed_writer_is_told() {
    join();
    let (memory, lock) = memory::<ReadersWriter>();
    for role in ["rw-reader", "rw-writer"] {
        let mut holder = start(role, &memory);
        wait_for(&mut holder, "holding");
        assert!(lock.write_for(Duration::from_millis(20)).is_err(), "{role} lives");
        holder.kill().unwrap();
        holder.wait().unwrap();
        match lock.write_for(Duration::from_secs(30)) {
            Ok(_) => assert_eq!(role, "rw-reader"),
            Err(LockError::OwnerDied(guard)) => {
                assert_eq!(role, "rw-writer");
                WriteGuard::make_consistent(&guard).unwrap();
            }
            Err(LockError::Refused(refused)) => panic!("{role}: {refused}"),
        }
        assert!(lock.read().is_ok());
    }
}

#[test]
fn a_living_holder_keeps_the_lock_however_long() {
    join();
    let (memory, lock) = memory::<Lock>();
    let mut holder = start("holder", &memory);
    wait_for(&mut holder, "holding");
    let refused = lock.lock_for(Duration::from_nanos(5 * registry::SLICE_NS));
    assert!(matches!(refused, Err(LockError::Refused(Refused::TimedOut))));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(learn(lock), "died");
}

/// The clock since boot, by which starts of processes are told, is another one in
/// another time namespace: what is read there of a living process must not make it
/// another one.
#[test]
fn a_living_holder_in_another_time_namespace_keeps_the_lock() {
    if !rustix::process::geteuid().is_root() {
        return farend_effort::skip("making a time namespace needs root");
    }
    join();
    let (memory, lock) = memory::<Lock>();
    let unshare = ["--time", "--boottime", "1000000", "--fork", "--kill-child"];
    let mut holder = start_in_namespace(&unshare, "holder", &memory);
    wait_for(&mut holder, "holding");
    let refused = lock.lock_for(Duration::from_nanos(5 * registry::SLICE_NS));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(matches!(refused, Err(LockError::Refused(Refused::TimedOut))), "{refused:?}");
}

/// Who only tries does not wait for a slice to pass.
#[test]
fn those_who_only_try_learn_of_a_death() {
    join();
    let (memory, lock) = memory::<Lock>();
    let mut holder = start("holder", &memory);
    wait_for(&mut holder, "holding");
    assert!(matches!(lock.try_lock(), Err(LockError::Refused(Refused::Busy))));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let start = Instant::now();
    let guard = loop {
        match lock.try_lock() {
            Err(LockError::OwnerDied(guard)) => break guard,
            Err(LockError::Refused(Refused::Busy)) => {}
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(1), "busy for a second");
    };
    MutexGuard::make_consistent(&guard).unwrap();
}

#[test]
fn trying_readers_and_writers_learn_of_a_death_and_waiting_ones_soon() {
    join();
    let (memory, lock) = memory::<ReadersWriter>();
    let until_had = |what: &str, is_had: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_had() {
            assert!(start.elapsed() < Duration::from_secs(1), "{what} is busy for a second");
        }
    };
    let kill = |role| {
        let mut holder = start(role, &memory);
        wait_for(&mut holder, "holding");
        holder.kill().unwrap();
        holder.wait().unwrap();
    };
    kill("rw-reader");
    until_had("try_write after a reader's death", &|| lock.try_write().is_ok());
    kill("rw-writer");
    let is_told = |refused: &LockError<_>| matches!(refused, LockError::OwnerDied(_));
    until_had("try_read after a writer's death", &|| lock.try_read().is_err_and(|e| is_told(&e)));
    match lock.write() {
        Err(LockError::OwnerDied(guard)) => WriteGuard::make_consistent(&guard).unwrap(),
        other => panic!("{other:?}"),
    }
    kill("rw-writer");
    let start = Instant::now();
    match lock.write() {
        Err(LockError::OwnerDied(guard)) => WriteGuard::make_consistent(&guard).unwrap(),
        other => panic!("{other:?}"),
    }
    // Sixteen locks of one dead owner, which is looked for once.
    assert!(start.elapsed() < Duration::from_millis(80), "after {:?}", start.elapsed());
}

/// A guard that a thread drops as late as safe code can: when its thread-local data
/// goes. Nobody may be told before that the thread is dead.
#[test]
fn a_thread_is_not_dead_while_its_thread_locals_still_write() {
    static IS_WRITING: AtomicBool = AtomicBool::new(false);

    struct Late(RefCell<Option<MutexGuard<'static, u64, Shared, Backend>>>);

    impl Drop for Late {
        fn drop(&mut self) {
            if let Some(mut guard) = self.0.take() {
                IS_WRITING.store(true, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(100));
                *guard += 1;
                IS_WRITING.store(false, Ordering::SeqCst);
            }
        }
    }

    thread_local! {
        static LATE: Late = const { Late(RefCell::new(None)) };
    }

    join();
    let (_memory, lock) = memory::<Lock>();
    let (taken, is_taken) = mpsc::channel();
    let writer = thread::spawn(move || {
        // Made known before the backend's own thread-local data, so dropped after it.
        LATE.with(|late| {
            *late.0.borrow_mut() = None;
            *late.0.borrow_mut() = Some(lock.lock().unwrap());
        });
        taken.send(()).unwrap();
    });
    is_taken.recv().unwrap();
    let guard = lock.lock_for(Duration::from_secs(10));
    assert!(!IS_WRITING.load(Ordering::SeqCst), "two have the data");
    assert_eq!(*guard.expect("a lock that was given up"), 1);
    writer.join().unwrap();
}

#[test]
fn ids_are_kept_and_those_of_ended_threads_are_dead() {
    join();
    let id = || Backend::id(Backend::caller().unwrap());
    let own = id();
    assert_eq!(id(), own);
    let others: Vec<_> = (0..3_000).map(|_| thread::spawn(id).join().unwrap()).collect();
    assert!(Backend::is_alive(own));
    assert!(others.iter().all(|&other| other != own && !Backend::is_alive(other)));
}

#[test]
fn the_child_of_a_fork_is_another_owner() {
    join();
    let (_memory, lock) = memory::<RawShared<Backend>>();
    let _taken = lock.lock().unwrap();
    let mut command = Command::new("true");
    let in_child = move || {
        let is_other = lock.unlock().is_err()
            && lock.lock_for(Duration::from_micros(1)) == Err(Refused::TimedOut);
        if is_other { Ok(()) } else { Err(io::Error::other("the child owns the lock")) }
    };
    // SAFETY: only the child's own thread runs in it, and malloc works there.
    unsafe { command.pre_exec(in_child) };
    assert!(command.status().unwrap().success());
    assert!(Backend::is_alive(Backend::id(Backend::caller().unwrap())));
    lock.unlock().unwrap();
}
