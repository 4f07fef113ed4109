//! Which processes live, and since when.

/// What the system knows of a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// A process of that id runs, and when it started, in units of the system; 0 if
    /// that cannot be known.
    Since(u64),
    /// There is none, or it is dead and only not yet asked for by its parent.
    Gone,
    /// The system does not say.
    Unknown,
}

/// Looks for a process.
///
/// # References
/// `proc_pid_stat(5)`: fields 3, 20 and 22; `proc_pid_status(5)`: `NSpid`.
#[cfg(target_os = "linux")]
#[must_use]
pub fn life(id: u32) -> Life {
    use std::fs;

    // First, because /proc may be that of another pid namespace.
    let found = signalled(id);
    if found == Life::Gone {
        return Life::Gone;
    }
    if !linux::is_own_proc() {
        return found;
    }
    match fs::read(format!("/proc/{id}/stat")) {
        Ok(stat) => linux::life(&stat),
        // It died while it was read.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Life::Gone,
        // /proc shows one's own processes alone.
        Err(_) => found,
    }
}

/// Looks for a process.
///
/// # References
/// xnu `bsd/kern/proc_info.c`: `PROC_PIDTBSDINFO`.
#[cfg(target_vendor = "apple")]
#[must_use]
pub fn life(id: u32) -> Life {
    darwin::life(id, crate::darwin::sys::process_start_us(id))
}

/// Looks for a process.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
#[must_use]
pub fn life(id: u32) -> Life {
    signalled(id)
}

/// Identifies the processes that [`life`] describes in the same way here and there:
/// two processes that read the same realm can judge each other. 0 if there is only
/// one realm.
///
/// Process ids differ between pid namespaces, and the start of a process is read on
/// the clock of the reader's time namespace. So the realm is both: the number of the
/// pid namespace in the upper half, that of the time namespace in the lower half, each
/// 0 if it is not known.
///
/// # References
/// `pid_namespaces(7)`, `time_namespaces(7)`.
#[must_use]
pub fn namespace() -> u64 {
    // Namespaces are numbered with 32 bits.
    pid_namespace() << 32 | time_namespace() & u64::from(u32::MAX)
}

/// The pid namespace: which processes [`life`] can see. 0 if it is not known.
#[cfg(target_os = "linux")]
pub(crate) fn pid_namespace() -> u64 {
    linux::pid_namespace().1
}

/// Whether this process is in the pid namespace that was asked for first, by it or by
/// those it was forked from, whose memory it has. "Yes" if /proc does not say.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
pub(crate) fn is_in_first_pid_namespace() -> bool {
    let (first, now) = linux::pid_namespace();
    now == 0 || now == first
}

/// The time namespace: whose clock [`Life::Since`] is read on. 0 if it is not known.
#[cfg(target_os = "linux")]
pub(crate) fn time_namespace() -> u64 {
    linux::namespace("time")
}

/// There are no others.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pid_namespace() -> u64 {
    0
}

/// There are no others.
#[cfg(not(target_os = "linux"))]
pub(crate) fn time_namespace() -> u64 {
    0
}

/// Looks for a process by sending it no signal, which finds zombies too.
fn signalled(id: u32) -> Life {
    use rustix::{
        io::Errno,
        process::{Pid, test_kill_process},
    };

    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return Life::Gone };
    match test_kill_process(pid) {
        Err(Errno::SRCH) => Life::Gone,
        // EPERM: there is one, of somebody else.
        Ok(()) | Err(Errno::PERM) => Life::Since(0),
        Err(_) => Life::Unknown,
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs,
        os::unix::fs::MetadataExt,
        process,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::Life;

    /// The number of the pid namespace that was found first, and of this process's.
    pub(super) fn pid_namespace() -> (u64, u64) {
        /// Inherited by a fork, and not by another program.
        static FIRST: AtomicU64 = AtomicU64::new(0);
        let now = namespace("pid");
        match FIRST.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => (now, now),
            Err(first) => (first, now),
        }
    }

    /// Whether /proc numbers processes as this one does. A new pid namespace keeps the
    /// /proc of the one before until another is mounted, and there the same number is
    /// another process.
    pub(super) fn is_own_proc() -> bool {
        let Ok(own) = fs::read_link("/proc/self") else { return false };
        if own.to_str() != Some(&process::id().to_string()) {
            return false;
        }
        // The numbers can be equal by chance. The system says in how many namespaces the
        // process has one, from that of /proc inwards, since Linux 4.1.
        fs::read_to_string("/proc/self/status").is_ok_and(|status| counts_one_namespace(&status))
    }

    fn counts_one_namespace(status: &str) -> bool {
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        numbers.is_none_or(|numbers| numbers.split_ascii_whitespace().count() == 1)
    }

    /// The number of this process's namespace of a kind, or 0 if /proc does not say.
    pub(super) fn namespace(kind: &str) -> u64 {
        let found = fs::metadata(format!("/proc/self/ns/{kind}"));
        found.map_or(0, |namespace| namespace.ino())
    }

    /// Of what stands after the name, which ends with the last parenthesis: the
    /// state, how many threads there are, and the start in clock ticks since the
    /// machine's.
    const STATE: usize = 0;
    const THREADS: usize = 17;
    const STARTED: usize = 19;

    pub(super) fn life(stat: &[u8]) -> Life {
        read(stat).unwrap_or(Life::Unknown)
    }

    fn read(stat: &[u8]) -> Option<Life> {
        let end = stat.iter().rposition(|&octet| octet == b')')?;
        let rest = String::from_utf8_lossy(&stat[end + 1..]);
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.nth(STATE)?;
        let threads: u64 = fields.nth(THREADS - STATE - 1)?.parse().ok()?;
        let started = fields.nth(STARTED - THREADS - 1)?.parse().ok()?;
        // A zombie, or even less. A main thread that ended is one, too, while
        // others run.
        let is_gone = matches!(state, "Z" | "X" | "x") && threads <= 1;
        Some(if is_gone { Life::Gone } else { Life::Since(started) })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_process_with_numbers_in_two_namespaces_is_not_in_that_of_proc() {
            assert!(counts_one_namespace("Name:\ta\nNSpid:\t42\nNSpgid:\t42 1\n"));
            assert!(!counts_one_namespace("Name:\ta\nNSpid:\t42\t42\nNSpgid:\t42\n"));
            assert!(counts_one_namespace("Name:\tNSpid: 1 2\n"), "before Linux 4.1");
        }

        #[test]
        fn a_name_with_parentheses_and_blanks_does_not_confuse() {
            let stat = b"42 (a) Z (b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77123 9 9";
            assert_eq!(life(stat), Life::Since(77_123));
        }

        #[test]
        fn a_zombie_is_gone_and_half_a_line_is_unknown() {
            let zombie = b"42 (a) Z 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77123 9 9";
            assert_eq!(life(zombie), Life::Gone);
            for stat in [&b""[..], b"42 (a", b"42 (a)", b"42 (a) S 1 2 3", &zombie[..40]] {
                assert_eq!(life(stat), Life::Unknown);
            }
        }

        #[test]
        fn a_process_whose_main_thread_ended_lives_by_the_others() {
            let stat = b"42 (a) Z 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 77123 9 9";
            assert_eq!(life(stat), Life::Since(77_123));
        }
    }
}

#[cfg(any(target_vendor = "apple", test))]
mod darwin {
    use super::{Life, signalled};

    /// What it means when a process is said to have started then, or an error
    /// number is answered.
    pub(super) fn life(id: u32, started_us: Result<u64, i32>) -> Life {
        match started_us {
            Ok(started_us) => Life::Since(started_us),
            // So zombies are answered, which a signal would find (`kill(2)`).
            Err(libc::ESRCH) => Life::Gone,
            Err(_) => signalled(id),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_zombie_is_gone_and_a_process_of_others_lives() {
            let mut child = std::process::Command::new("true").spawn().unwrap();
            // Not waited for, it is there for signals, running or not.
            assert_eq!(signalled(child.id()), Life::Since(0));
            assert_eq!(life(child.id(), Err(libc::ESRCH)), Life::Gone);
            assert_eq!(life(child.id(), Err(libc::EPERM)), Life::Since(0));
            assert_eq!(life(child.id(), Ok(4711)), Life::Since(4711));
            child.wait().unwrap();
            assert_eq!(life(child.id(), Err(libc::EPERM)), Life::Gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn this_process_lives_and_its_start_does_not_change() {
        let own = life(std::process::id());
        assert!(matches!(own, Life::Since(1..)), "{own:?}");
        assert_eq!(life(std::process::id()), own);
    }

    #[test]
    fn a_zombie_and_a_process_that_never_was_are_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = child.id();
        let start = Instant::now();
        // Not waited for, so it stays as a zombie.
        while life(id) != Life::Gone {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", life(id));
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(life(id), Life::Gone);
        for id in [0, 0x7fff_fff0, u32::MAX] {
            assert_eq!(life(id), Life::Gone);
        }
    }
}
