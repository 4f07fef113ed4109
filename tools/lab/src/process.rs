//! A child process that does not outlive its test.

use std::{
    io,
    ops::{Deref, DerefMut},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::sys;

/// How often a process that should end is looked at.
const LOOK_INTERVAL_MS: u64 = 5;

/// A child process, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program where this process is. It is killed when the returned
    /// value is dropped, and when the thread that called this ends.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self> {
        sys::die_with_parent(&mut command);
        Self::start(command)
    }

    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("the process has no id")?, signal).map_err(io::Error::from)?;
        Ok(())
    }

    /// Waits for the end of the process, but not longer than this.
    ///
    /// # Errors
    ///
    /// If it still runs then.
    pub fn wait_for(&mut self, longest: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + longest;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(anyhow!("process {} still runs after {longest:?}", self.child.id()));
            }
            thread::sleep(Duration::from_millis(LOOK_INTERVAL_MS));
        }
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if the process has ended, which is what is wanted.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
