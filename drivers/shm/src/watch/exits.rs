//! The ends of processes, as the system tells of them.
#![cfg_attr(target_vendor = "apple", expect(unsafe_code, reason = "kevent, over no descriptor"))]

#[cfg(target_vendor = "apple")]
pub(super) use darwin::{Exit, Exits};
#[cfg(target_os = "linux")]
pub(super) use linux::{Exit, Exits};
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(super) use none::{Exit, Exits};

/// A descriptor of each process, and one that tells which of them are readable.
#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;

    use rustix::{
        event::epoll,
        io::Errno,
        process::{Pid, PidfdFlags, pidfd_open},
    };

    /// A process that is watched for as long as this lives.
    pub(crate) struct Exit(#[expect(dead_code, reason = "open is what it must be")] OwnedFd);

    pub(crate) struct Exits(OwnedFd);

    impl Exits {
        pub(crate) fn new() -> Result<Self, Errno> {
            epoll::create(epoll::CreateFlags::CLOEXEC).map(Self)
        }

        /// Watches a process, whose end [`wait`](Self::wait) tells by `id`.
        pub(crate) fn add(&self, pid: u32, id: u64) -> Result<Exit, Errno> {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
            let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
            // Once: it stays readable until it is closed.
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
            epoll::add(&self.0, &pidfd, epoll::EventData::new_u64(id), flags)?;
            Ok(Exit(pidfd))
        }

        /// Waits until processes end.
        pub(crate) fn wait(&self) -> Result<Vec<u64>, Errno> {
            let mut events = Vec::with_capacity(16);
            loop {
                match epoll::wait(&self.0, rustix::buffer::spare_capacity(&mut events), None) {
                    Ok(_some) => return Ok(events.iter().map(|event| event.data.u64()).collect()),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
}

/// A queue of the kernel's.
///
/// # References
/// `kqueue(2)`: `EVFILT_PROC` with `NOTE_EXIT`.
#[cfg(target_vendor = "apple")]
mod darwin {
    use std::os::fd::OwnedFd;

    use rustix::{
        event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue},
        io::Errno,
        process::Pid,
    };

    /// A process that is watched until it ends.
    pub(crate) struct Exit;

    pub(crate) struct Exits(OwnedFd);

    impl Exits {
        pub(crate) fn new() -> Result<Self, Errno> {
            kqueue().map(Self)
        }

        /// Watches a process, whose end [`wait`](Self::wait) tells by `id`.
        pub(crate) fn add(&self, pid: u32, id: u64) -> Result<Exit, Errno> {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
            let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
            let id = usize::try_from(id).map_err(|_| Errno::OVERFLOW)?;
            let data = std::ptr::without_provenance_mut(id);
            let event = Event::new(filter, EventFlags::ADD | EventFlags::ONESHOT, data);
            let none: &mut [Event] = &mut [];
            // SAFETY: a filter of processes, which refers to no descriptor.
            unsafe { kevent(&self.0, &[event], none, None) }?;
            Ok(Exit)
        }

        /// Waits until processes end.
        pub(crate) fn wait(&self) -> Result<Vec<u64>, Errno> {
            let mut events = Vec::with_capacity(16);
            loop {
                let room = rustix::buffer::spare_capacity(&mut events);
                // SAFETY: nothing is changed.
                match unsafe { kevent(&self.0, &[], room, None) } {
                    Ok(_some) => {
                        return Ok(events
                            .iter()
                            .map(|event| event.udata().addr() as u64)
                            .collect());
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
}

/// A system that does not tell.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
mod none {
    use rustix::io::Errno;

    pub(crate) struct Exit;

    pub(crate) struct Exits;

    impl Exits {
        pub(crate) fn new() -> Result<Self, Errno> {
            Err(Errno::NOSYS)
        }

        pub(crate) fn add(&self, _pid: u32, _id: u64) -> Result<Exit, Errno> {
            Err(Errno::NOSYS)
        }

        pub(crate) fn wait(&self) -> Result<Vec<u64>, Errno> {
            Err(Errno::NOSYS)
        }
    }
}
