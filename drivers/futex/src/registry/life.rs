//! Whether a process lives, and since when.

/// One life of one process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub id: u32,
    /// When it started, as [`Life::Since`].
    pub started: u64,
    /// Which processes its number is unique among.
    pub space: u64,
}

/// What the system knows of a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// A process of that id runs, and when it started, in units of the system; 0 if
    /// that cannot be known.
    Since(u64),
    /// There is none, or it is dead and only not yet asked for by its parent.
    Gone,
    /// The system does not say.
    Unknown,
}

/// What is asked of the system.
pub(super) trait Processes {
    /// Looks for a process.
    fn life(&self, id: u32) -> Life;
    /// Which processes [`life`](Self::life) can see.
    fn own_space(&self) -> u64;
}

/// The system that runs.
#[derive(Debug)]
pub(super) struct System;

impl System {
    /// This process.
    pub(super) fn own(&self) -> Process {
        let id = std::process::id();
        let started = match self.life(id) {
            Life::Since(started) => started,
            Life::Gone | Life::Unknown => 0,
        };
        Process { id, started, space: self.own_space() }
    }
}

#[cfg(target_os = "linux")]
impl Processes for System {
    /// # References
    /// `proc_pid_stat(5)`, fields 3 and 22.
    fn life(&self, id: u32) -> Life {
        use std::{fs, io::ErrorKind};

        match fs::read(format!("/proc/{id}/stat")) {
            Ok(stat) => linux::life(&stat),
            Err(error) if error.kind() == ErrorKind::NotFound => signalled(id),
            // ESRCH: it died while it was read.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Life::Gone,
            Err(_) => signalled(id),
        }
    }

    /// # References
    /// `pid_namespaces(7)`.
    fn own_space(&self) -> u64 {
        use std::{fs, os::unix::fs::MetadataExt};

        fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
    }
}

#[cfg(target_vendor = "apple")]
impl Processes for System {
    /// # References
    /// xnu `bsd/kern/proc_info.c`: `PROC_PIDTBSDINFO`, which does not find the dead.
    fn life(&self, id: u32) -> Life {
        match crate::darwin::sys::process_start_us(id) {
            Ok(started_us) => Life::Since(started_us),
            Err(_) => signalled(id),
        }
    }

    fn own_space(&self) -> u64 {
        0
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
impl Processes for System {
    fn life(&self, id: u32) -> Life {
        signalled(id)
    }

    fn own_space(&self) -> u64 {
        0
    }
}

/// Looks for a process by sending it no signal.
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
    use super::Life;

    /// Of what stands after the name, which ends with the last parenthesis: the
    /// state, and the start in clock ticks since the machine's.
    const STATE: usize = 0;
    const STARTED: usize = 19;

    pub(super) fn life(stat: &[u8]) -> Life {
        let Some(end) = stat.iter().rposition(|&octet| octet == b')') else {
            return Life::Unknown;
        };
        let rest = String::from_utf8_lossy(&stat[end..]);
        let mut fields = rest.split_ascii_whitespace().skip(1);
        let (Some(state), Some(started)) = (fields.nth(STATE), fields.nth(STARTED - STATE - 1))
        else {
            return Life::Unknown;
        };
        match (state, started.parse()) {
            // A zombie, or even less.
            ("Z" | "X" | "x", _) => Life::Gone,
            (_, Ok(started)) => Life::Since(started),
            (_, Err(_)) => Life::Unknown,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_name_with_parentheses_and_blanks_does_not_confuse() {
            let stat = b"42 (a) R (b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77123 9 9";
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_start_does_not_change() {
        let own = System.own();
        assert_eq!(own.id, std::process::id());
        assert_ne!(own.started, 0);
        assert_eq!(System.life(own.id), Life::Since(own.started));
    }

    #[test]
    fn a_zombie_and_a_process_that_never_was_are_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = child.id();
        let start = std::time::Instant::now();
        // Not waited for, so it stays as a zombie.
        while System.life(id) != Life::Gone {
            assert!(start.elapsed().as_secs() < 30, "{:?}", System.life(id));
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(System.life(id), Life::Gone);
        for id in [0, 0x7fff_fff0, u32::MAX] {
            assert_eq!(System.life(id), Life::Gone);
        }
    }
}
