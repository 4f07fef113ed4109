//! Which processes live, and since when.
#![expect(unsafe_code, reason = "a promise about processes, kept by the system")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use farend_core::{
    ring::{Liveness, Owner},
    sync::primitive::AtomicU32,
};
use farend_futex::process::{Life, life};

use crate::watch;

/// The processes of this machine, as far as this one sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {}

// SAFETY: a process is named by its id and its start; it is dead if no process has
// that id, or one that has ended or that started at another time. Barriers are the
// kernel's, which says whether it ran them.
unsafe impl Liveness for Processes {
    fn me() -> Owner {
        static ME: AtomicU64 = AtomicU64::new(0);
        static ME_FORKS: AtomicU32 = AtomicU32::new(0);
        let ThisProcess { pid, forks } = ThisProcess::now();
        // Acquire: pairs with the Release below, so that the owner is as new.
        let is_of_this_process = ME_FORKS.load(Ordering::Acquire) == forks;
        let known = Owner::from_word(ME.load(Ordering::Relaxed));
        // Not so at the first call, and after a fork.
        if is_of_this_process && known.pid() == pid {
            return known;
        }
        let me = Owner::new(pid, start_of(life(pid)));
        ME.store(me.to_word(), Ordering::Relaxed);
        ME_FORKS.store(forks, Ordering::Release);
        me
    }

    fn is_alive(owner: Owner) -> bool {
        let now = life(owner.pid());
        let start = start_of(now);
        now != Life::Gone && (start == owner.start() || start == 0 || owner.start() == 0)
    }

    fn be_ordered() -> bool {
        barrier::register()
    }

    fn order_others() -> bool {
        barrier::run()
    }

    fn watched(owners: impl Iterator<Item = Owner>, word: &AtomicU32, sleep: impl FnOnce(bool)) {
        watch::watched(owners, word, sleep);
    }
}

/// This process, and no child that it forks: that can have the same id, in a pid
/// namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThisProcess {
    pid: u32,
    /// How many forks there were from the first process that asked to this one.
    forks: u32,
}

static FORKS: AtomicU32 = AtomicU32::new(0);

impl ThisProcess {
    /// The process that calls.
    pub(crate) fn now() -> Self {
        static ARE_COUNTED: AtomicBool = AtomicBool::new(false);
        extern "C" fn count() {
            FORKS.fetch_add(1, Ordering::Relaxed);
        }
        if !ARE_COUNTED.load(Ordering::Relaxed) {
            // SAFETY: in a forked child it may be called: it changes one atomic word.
            let refused = unsafe { libc::pthread_atfork(None, None, Some(count)) };
            // Threads that come here at the same time have each fork counted twice,
            // which is as good.
            ARE_COUNTED.store(refused == 0, Ordering::Relaxed);
        }
        Self { pid: std::process::id(), forks: FORKS.load(Ordering::Relaxed) }
    }

    /// Whether it is the process that calls.
    pub(crate) fn is_here(self) -> bool {
        self == Self::now()
    }
}

/// Barriers in the threads of other processes.
///
/// # References
/// `membarrier(2)`: `MEMBARRIER_CMD_GLOBAL_EXPEDITED`.
#[cfg(target_os = "linux")]
mod barrier {
    use rustix::thread::{MembarrierCommand, membarrier};

    /// Lets the barriers of all processes reach this one, as long as it lives.
    pub(super) fn register() -> bool {
        membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok()
    }

    /// Runs a barrier in all threads that run, of all processes that are registered;
    /// a thread that does not run has passed one.
    pub(super) fn run() -> bool {
        membarrier(MembarrierCommand::GlobalExpedited).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod barrier {
    /// There are no such barriers.
    pub(super) const fn register() -> bool {
        false
    }

    /// Nobody is registered.
    pub(super) const fn run() -> bool {
        true
    }
}

/// The end of the time at which a process started, so that it fits; 0 if it is not
/// known.
fn start_of(life: Life) -> u32 {
    match life {
        Life::Since(0) | Life::Gone | Life::Unknown => 0,
        Life::Since(started) => {
            let low = u32::try_from(started & u64::from(u32::MAX)).unwrap_or(u32::MAX);
            low.max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn this_process_lives_and_is_itself() {
        assert_eq!(Processes::me(), Processes::me());
        assert_eq!(Processes::me().pid(), std::process::id());
        assert_ne!(Processes::me().start(), 0);
        assert!(Processes::is_alive(Processes::me()));
    }

    #[test]
    fn a_killed_child_is_dead_even_before_it_is_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner::new(child.id(), start_of(life(child.id())));
        assert_ne!(owner.start(), 0);
        assert!(Processes::is_alive(owner));
        child.kill().unwrap();
        let patience = std::time::Instant::now();
        while Processes::is_alive(owner) && patience.elapsed().as_secs() < 5 {
            std::thread::yield_now();
        }
        assert!(!Processes::is_alive(owner), "a zombie counts as dead");
        child.wait().unwrap();
        assert!(!Processes::is_alive(owner));
    }

    #[test]
    fn a_later_process_with_the_same_id_is_another_one() {
        let me = Processes::me();
        let earlier = Owner::new(me.pid(), me.start().wrapping_sub(1));
        assert!(!Processes::is_alive(earlier));
    }

    #[test]
    fn what_cannot_be_a_process_is_dead() {
        for pid in [0, u32::MAX, 1 << 31] {
            assert!(!Processes::is_alive(Owner::new(pid, 1)));
        }
    }
}
