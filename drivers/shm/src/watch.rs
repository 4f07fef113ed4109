//! Wakes threads that sleep when a process ends, so that they need not look.
//!
//! One thread of this process, started when somebody first sleeps beside a living peer,
//! waits for the ends of all processes that anybody sleeps beside. It never wakes while
//! none ends.
//!
//! | step | sleeper | thread |
//! |---|---|---|
//! | 1 | puts its word into the table | |
//! | 2 | asks once whether the process lives | it ends |
//! | 3 | sleeps while the word is unchanged | changes the word, wakes who sleeps on it |
//! | 4 | takes its word out of the table | |
//!
//! If the process ends before 1, step 2 finds out; if after it, step 3 of the thread
//! does not let the sleeper sleep.
#![expect(unsafe_code, reason = "words of sleepers, reached by another thread")]

mod exits;

use std::{
    cell::Cell,
    ptr::NonNull,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
};

use farend_core::{
    ring::{Liveness, Owner},
    sync::{
        Futex, Shared,
        primitive::{AtomicU32, AtomicU64, Ordering},
    },
};

use crate::process::{Processes, ThisProcess};
use exits::{Exit, Exits};

/// Octets of the thread's stack: it calls little.
const STACK_OCTETS: usize = 64 << 10;

/// How often the table is tried before a sleeper does without it. In a forked child it
/// could be locked for ever by a thread that is not there.
const ATTEMPTS: u32 = 1_000;

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

/// Those whom this process watches over.
struct Table {
    /// The process that has the thread: a forked child has none.
    process: ThisProcess,
    exits: Arc<Exits>,
    peers: Vec<Peer>,
    last_id: u64,
}

/// A process that has not ended, and who sleeps beside it.
struct Peer {
    owner: Owner,
    id: u64,
    /// Keeps it watched.
    _exit: Exit,
    sleepers: Vec<Sleeper>,
}

/// The word that a thread sleeps on; others may sleep on the same one.
#[derive(Clone, Copy)]
struct Sleeper {
    word: NonNull<AtomicU32>,
    id: u64,
}

// SAFETY: an atomic word that is there for as long as it is in the table.
unsafe impl Send for Sleeper {}

/// Calls `sleep`; if one of `owners` ends meanwhile, `word` changes and its sleepers are
/// woken. See [`Liveness::watched`].
pub(crate) fn watched(
    owners: impl Iterator<Item = Owner>,
    word: &AtomicU32,
    sleep: impl FnOnce(bool),
) {
    static ENTRIES: AtomicU64 = AtomicU64::new(0);
    let id = ENTRIES.fetch_add(1, Ordering::Relaxed);
    let sleeper = Sleeper { word: NonNull::from(word), id };
    let entry = Entry { sleeper, is_tabled: Cell::new(false) };
    match entry.put(owners) {
        Put::Watched => sleep(true),
        Put::Ended => {}
        Put::Unwatched => sleep(false),
    }
}

/// What came of putting a word into the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    Watched,
    /// One of the processes has ended.
    Ended,
    /// The system does not tell of one of them.
    Unwatched,
}

/// A word in the table, until this is dropped.
struct Entry {
    sleeper: Sleeper,
    /// Whether it may be in the table. If not, the table could be locked for ever.
    is_tabled: Cell<bool>,
}

impl Entry {
    fn put(&self, owners: impl Iterator<Item = Owner>) -> Put {
        let Some(mut table) = try_lock() else { return Put::Unwatched };
        let Some(table) = Table::of_this_process(&mut table) else { return Put::Unwatched };
        self.is_tabled.set(true);
        for owner in owners {
            let put = table.put(self.sleeper, owner);
            if put != Put::Watched {
                return put;
            }
        }
        Put::Watched
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_tabled.get() {
            return;
        }
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        for peer in table.iter_mut().flat_map(|table| &mut table.peers) {
            peer.sleepers.retain(|sleeper| sleeper.id != self.sleeper.id);
        }
    }
}

fn try_lock() -> Option<MutexGuard<'static, Option<Table>>> {
    for _ in 0..ATTEMPTS {
        match TABLE.try_lock() {
            Ok(table) => return Some(table),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

impl Table {
    /// The table with its thread; `None` if the system has none to give.
    fn of_this_process(table: &mut Option<Self>) -> Option<&mut Self> {
        if table.as_ref().is_none_or(|table| !table.process.is_here()) {
            let exits = Arc::new(Exits::new().ok()?);
            start(Arc::clone(&exits))?;
            *table =
                Some(Self { process: ThisProcess::now(), exits, peers: Vec::new(), last_id: 0 });
        }
        table.as_mut()
    }

    fn put(&mut self, sleeper: Sleeper, owner: Owner) -> Put {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.owner == owner) {
            peer.sleepers.push(sleeper);
            return Put::Watched;
        }
        // Before it: to watch a later process of the same id would, on macOS, take it
        // from whom it is watched for already.
        if !Processes::is_alive(owner) {
            return Put::Ended;
        }
        self.last_id += 1;
        let id = self.last_id;
        let exit = self.exits.add(owner.pid(), id);
        // And after it: what is watched from here on cannot have been reused before.
        if !Processes::is_alive(owner) {
            return Put::Ended;
        }
        let Ok(exit) = exit else { return Put::Unwatched };
        self.peers.push(Peer { owner, id, _exit: exit, sleepers: vec![sleeper] });
        Put::Watched
    }

    /// Wakes who sleeps beside a process that has ended.
    fn ended(&mut self, id: u64) {
        let Some(index) = self.peers.iter().position(|peer| peer.id == id) else { return };
        for Sleeper { word, .. } in self.peers.swap_remove(index).sleepers {
            // SAFETY: whoever put the word into the table keeps it until it has taken it
            // out, which waits for the table's lock.
            let word = unsafe { word.as_ref() };
            // Relaxed: that it changes is all that matters.
            word.fetch_add(1, Ordering::Relaxed);
            <farend_futex::Default as Futex<Shared>>::wake_all(word);
        }
    }
}

/// Starts the thread, which no signal interrupts: those are for the program's own.
fn start(exits: Arc<Exits>) -> Option<()> {
    let _blocked = Blocked::all();
    thread::Builder::new()
        .name("farend-watch".to_owned())
        .stack_size(STACK_OCTETS)
        .spawn(move || {
            while let Ok(ended) = exits.wait() {
                let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(table) = &mut *table {
                    for id in ended {
                        table.ended(id);
                    }
                }
            }
            // The system tells no more: sleepers look by themselves.
            let table = TABLE.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut table) = table {
                let ids: Vec<_> = table.peers.iter().map(|peer| peer.id).collect();
                for id in ids {
                    table.ended(id);
                }
            }
        })
        .ok()
        .map(|_runs_for_ever| ())
}

/// All signals are blocked for the calling thread until this is dropped, but for the one
/// that tells of a segment cut short, which is handled where it comes.
pub(crate) struct Blocked(libc::sigset_t);

impl Blocked {
    pub(crate) fn all() -> Self {
        let mut all = std::mem::MaybeUninit::uninit();
        let mut before = std::mem::MaybeUninit::uninit();
        // SAFETY: there is room for a set, which this call fills.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        // SAFETY: a set that was filled.
        unsafe { libc::sigdelset(all.as_mut_ptr(), libc::SIGBUS) };
        // SAFETY: a set that was filled, and room for another, which this call fills.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: filled by the call above, which cannot fail with these arguments.
        Self(unsafe { before.assume_init() })
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set that was in force before; no room for another is asked for.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        time::{Duration, Instant},
    };

    use farend_core::ring::Liveness;

    use super::*;

    /// Whether a forked child ends by itself.
    fn ends(child: impl FnOnce()) -> bool {
        // SAFETY: the child calls what it is tested to be able to.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            child();
            // SAFETY: ends the child without destructors of the parent's.
            unsafe { libc::_exit(0) };
        }
        let started = Instant::now();
        let mut status = 0;
        // SAFETY: one word to write to.
        while unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == 0 {
            if started.elapsed() > Duration::from_secs(5) {
                // SAFETY: a child that was not waited for.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                // SAFETY: one word to write to.
                unsafe { libc::waitpid(pid, &raw mut status, 0) };
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    #[test]
    fn a_child_forked_while_the_table_was_locked_sleeps_and_goes_on() {
        let (locked, is_locked) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let holding = thread::spawn(move || {
            let _table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
            locked.send(()).unwrap();
            released.recv().unwrap();
        });
        is_locked.recv().unwrap();
        let word = AtomicU32::new(0);
        let has_ended = ends(|| {
            let mut told = None;
            watched(std::iter::once(Processes::me()), &word, |is_told| told = Some(is_told));
            assert_eq!(told, Some(false), "nobody watches");
        });
        release.send(()).unwrap();
        holding.join().unwrap();
        assert!(has_ended, "the child hangs");
    }
}
