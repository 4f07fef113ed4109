//! A network namespace without a name.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::resume_unwind,
    process::Command,
    thread,
};

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{Process, link, sys};

/// A network of its own, as long as this value or a process inside lives.
#[derive(Debug)]
pub struct Namespace {
    fd: OwnedFd,
}

impl Namespace {
    /// Makes a network with nothing but a loopback interface, which is up.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, above all without root.
    pub fn new() -> Result<Self> {
        let fd = thread::scope(|scope| {
            let maker = scope.spawn(|| -> Result<OwnedFd> {
                sys::enter_new_network()
                    .context("cannot make a network namespace; this needs root")?;
                link::set_up("lo")?;
                Ok(File::open("/proc/thread-self/ns/net")?.into())
            });
            maker.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        Ok(Self { fd })
    }

    /// Runs a closure on a thread of its own inside the namespace and waits
    /// for it. Sockets that it makes stay inside, wherever they are used.
    ///
    /// A panic of the closure goes on in the caller.
    ///
    /// # Errors
    ///
    /// If the thread cannot enter.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter()?;
                Ok(work())
            });
            worker.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Moves the calling thread inside, for good: for threads that a test
    /// starts itself.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
            .context("cannot enter a network namespace")
    }

    /// Starts a program inside. It is killed when the returned value is
    /// dropped, and when the thread that called this ends, however it ends.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Process> {
        sys::start_inside(&mut command, self.fd.try_clone()?);
        Process::start(command)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
