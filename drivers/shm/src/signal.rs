//! A descriptor that one thread makes readable for another.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, read, write};

/// Readable from [`raise`](Self::raise) until [`clear`](Self::clear).
#[derive(Debug)]
pub(crate) struct Signal {
    readable: OwnedFd,
    /// The other end, if it is another descriptor.
    writable: Option<OwnedFd>,
}

impl Signal {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> Result<Self, Errno> {
        use rustix::event::{EventfdFlags, eventfd};

        let readable = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { readable, writable: None })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> Result<Self, Errno> {
        use rustix::{
            fs::{OFlags, fcntl_getfl, fcntl_setfl},
            io::{FdFlags, fcntl_setfd},
            pipe::pipe,
        };

        let (readable, writable) = pipe()?;
        for end in [&readable, &writable] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        Ok(Self { readable, writable: Some(writable) })
    }

    /// Makes the descriptor readable.
    pub(crate) fn raise(&self) {
        // An event's count is a word. If there is no room, it is readable already.
        let _full = write(self.writable.as_ref().unwrap_or(&self.readable), &1_u64.to_ne_bytes());
    }

    /// Makes the descriptor unreadable.
    pub(crate) fn clear(&self) -> Result<(), Errno> {
        loop {
            match read(&self.readable, &mut [0; 64]) {
                Ok(1..) | Err(Errno::INTR) => {}
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
