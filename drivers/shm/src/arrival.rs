//! Segments that another process is about to make.

use std::io;

use farend_core::{ring::LayoutError, sync::Clock};

use crate::{Deadline, SegmentError};

/// How often attaching and making take turns before giving up: others may make and
/// remove segments of the same name meanwhile.
const ATTEMPTS: u32 = 8;

/// Attaches, or makes what is not there.
pub(crate) fn open_or_create<R>(
    attach: impl Fn() -> Result<R, SegmentError>,
    create: impl Fn() -> Result<R, SegmentError>,
) -> Result<R, SegmentError> {
    for _ in 0..ATTEMPTS {
        match attach() {
            Err(SegmentError::Missing { .. }) => {}
            other => return other,
        }
        match create() {
            // By somebody who was faster.
            Err(SegmentError::InUse { .. }) => {}
            other => return other,
        }
    }
    attach()
}

/// Attaches as soon as there is something to attach to.
pub(crate) fn when_there<R>(
    deadline: Deadline,
    attach: impl Fn() -> Result<R, SegmentError>,
) -> Result<R, SegmentError> {
    let failed = SegmentError::system("wait for the segment");
    // First, so that nothing comes unseen between a look and a wait.
    let mut arrivals = arrivals::Arrivals::new().map_err(io::Error::from).map_err(failed)?;
    loop {
        match attach() {
            Err(
                SegmentError::Missing { .. }
                | SegmentError::Layout(LayoutError::Blank | LayoutError::Initialising { .. }),
            ) if farend_futex::Default::now_ns() < deadline.as_ns() => {}
            other => return other,
        }
        let failed = SegmentError::system("wait for the segment");
        arrivals.wait(deadline).map_err(io::Error::from).map_err(failed)?;
    }
}

/// What comes into the folder of all segments, as the kernel tells it.
#[cfg(target_os = "linux")]
mod arrivals {
    use std::os::fd::OwnedFd;

    use rustix::{
        event::{PollFd, PollFlags, poll},
        fs::inotify,
        io::{Errno, read},
    };

    use crate::{Deadline, deadline::left_timespec};

    pub(super) struct Arrivals(OwnedFd);

    impl Arrivals {
        pub(super) fn new() -> Result<Self, Errno> {
            let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
            let arrivals = inotify::init(flags)?;
            inotify::add_watch(&arrivals, "/dev/shm", inotify::WatchFlags::CREATE)?;
            Ok(Self(arrivals))
        }

        /// Waits for something to come, at most until the deadline.
        pub(super) fn wait(&mut self, deadline: Deadline) -> Result<(), Errno> {
            let timeout = left_timespec(deadline);
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
            // Whatever came: what is sought is looked for by its name.
            loop {
                match read(&self.0, &mut [0; 4096]) {
                    Ok(1..) | Err(Errno::INTR) => {}
                    Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
}

/// A system that does not tell: one looks now and then.
#[cfg(not(target_os = "linux"))]
mod arrivals {
    use std::{thread, time::Duration};

    use rustix::io::Errno;

    use crate::{Deadline, deadline::left};

    /// Between two looks.
    const INTERVAL: Duration = Duration::from_millis(5);

    pub(super) struct Arrivals {
        interval: Duration,
    }

    impl Arrivals {
        #[expect(clippy::unnecessary_wraps, reason = "as where the system tells")]
        pub(super) const fn new() -> Result<Self, Errno> {
            Ok(Self { interval: INTERVAL })
        }

        #[expect(clippy::unnecessary_wraps, reason = "as where the system tells")]
        pub(super) fn wait(&mut self, deadline: Deadline) -> Result<(), Errno> {
            thread::sleep(left(deadline).min(self.interval));
            Ok(())
        }
    }
}
