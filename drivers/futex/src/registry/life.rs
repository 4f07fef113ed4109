//! What a table asks of the system, or of a test's script.

pub(super) use crate::process::Life;
use crate::process::{life, pid_namespace, time_namespace};

/// One life of one process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub id: u32,
    /// When it started, as [`Life::Since`].
    pub started: u64,
    /// Which processes its number is unique among.
    pub space: u64,
    /// Whose clock its start was read on.
    pub clock: u64,
}

/// What is asked of the system.
pub(super) trait Processes {
    /// Looks for a process.
    fn life(&self, id: u32) -> Life;
    /// Which processes [`life`](Self::life) can see.
    fn own_space(&self) -> u64;
    /// Whose clock [`life`](Self::life) reads starts on.
    fn own_clock(&self) -> u64;
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
        Process { id, started, space: self.own_space(), clock: self.own_clock() }
    }
}

impl Processes for System {
    fn life(&self, id: u32) -> Life {
        life(id)
    }

    fn own_space(&self) -> u64 {
        pid_namespace()
    }

    fn own_clock(&self) -> u64 {
        time_namespace()
    }
}
