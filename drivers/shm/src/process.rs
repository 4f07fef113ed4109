//! Which processes live, and since when.
#![expect(unsafe_code, reason = "a promise about processes, kept by the system")]

use std::sync::atomic::{AtomicU64, Ordering};

use farend_core::ring::{Liveness, Owner};
use rustix::{
    io::Errno,
    process::{Pid, getpid, test_kill_process},
};

/// The processes of this machine, as far as this one sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {}

// SAFETY: a process is named by its id and its start; it is dead if no process has
// that id, or one that has ended or that started at another time.
unsafe impl Liveness for Processes {
    fn me() -> Owner {
        static ME: AtomicU64 = AtomicU64::new(0);
        let pid = getpid();
        let known = Owner::from_word(ME.load(Ordering::Relaxed));
        let pid_number = pid.as_raw_nonzero().get().cast_unsigned();
        // Not so at the first call, and after a fork.
        if known.pid() == pid_number {
            return known;
        }
        let start = match start_of(pid) {
            Start::At(start) => start,
            Start::Unknown | Start::Ended => 0,
        };
        let me = Owner::new(pid_number, start);
        ME.store(me.to_word(), Ordering::Relaxed);
        me
    }

    fn is_alive(owner: Owner) -> bool {
        let Some(pid) = i32::try_from(owner.pid()).ok().and_then(Pid::from_raw) else {
            return false;
        };
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return false;
        }
        match start_of(pid) {
            Start::At(start) => start == owner.start() || owner.start() == 0,
            Start::Ended => false,
            Start::Unknown => true,
        }
    }
}

/// What the system says about a process's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// It runs, since then; modulo 2^32, and never 0.
    At(u32),
    /// It has ended; at most its parent has not noticed.
    Ended,
    /// The system does not say.
    Unknown,
}

impl Start {
    /// The end of a time, so that it fits; 0 stands for unknown elsewhere.
    fn at(time: u64) -> Self {
        let low = u32::try_from(time & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self::At(low.max(1))
    }
}

/// From `/proc`: the start in clock ticks since the machine started.
#[cfg(target_os = "linux")]
fn start_of(pid: Pid) -> Start {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    match std::fs::read_to_string(path) {
        Ok(stat) => parse_stat(&stat).unwrap_or(Start::Unknown),
        // No such file if /proc is not mounted, too.
        Err(_) => Start::Unknown,
    }
}

/// Reads a line of `/proc/pid/stat`, see proc(5): the state is field 3, the number of threads 20, the
/// start 22. The name before them is in brackets and may have any octet.
#[cfg(target_os = "linux")]
fn parse_stat(line: &str) -> Option<Start> {
    let (_name, fields) = line.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let start = fields.nth(1)?.parse().ok()?;
    // A main thread that ended leaves a zombie, too, while others run.
    let has_ended = matches!(state, "Z" | "X" | "x") && threads <= 1;
    Some(if has_ended { Start::Ended } else { Start::at(start) })
}

/// From `proc_pidinfo`: the start in microseconds since 1970.
#[cfg(target_vendor = "apple")]
fn start_of(pid: Pid) -> Start {
    match crate::sys::process_start(pid.as_raw_nonzero().get()) {
        Some((_, true)) => Start::Ended,
        Some((start_us, false)) => Start::at(start_us),
        None => Start::Unknown,
    }
}

/// Where process ids are known: the pid namespace's number, or 0 if it is not
/// known or there is only one.
#[cfg(target_os = "linux")]
pub(crate) fn realm() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino())
}

/// Where process ids are known: there is one place only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn realm() -> u64 {
    0
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
        let pid = Pid::from_child(&child);
        let Start::At(start) = start_of(pid) else { panic!("the child has no start") };
        let owner = Owner::new(child.id(), start);
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_with_brackets_and_spaces_does_not_hide_the_start() {
        let stat = "7 (a) Z (b c) S 1 7 7 0 -1 4 1 0 0 0 0 0 0 0 20 0 3 0 4711 1 1";
        assert_eq!(parse_stat(stat), Some(Start::At(4711)));
        let zombie = "7 (a) Z 1 7 7 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert_eq!(parse_stat(zombie), Some(Start::Ended));
        assert_eq!(parse_stat("7 (a"), None);
    }
}
