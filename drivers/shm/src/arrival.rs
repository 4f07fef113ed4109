//! Segments that another process is about to make.

use std::{io, thread, time::Duration};

use farend_core::ring::LayoutError;
use rustix::io::Errno;

use crate::{
    Deadline, SegmentError,
    deadline::{is_over, left},
};

/// How often attaching and making take turns before giving up: others may make and
/// remove segments of the same name meanwhile.
const ATTEMPTS: u32 = 8;

/// How long a segment that has a name may take to be filled: its maker may have been
/// killed meanwhile.
const FILLED: Duration = Duration::from_secs(1);

/// Between two looks, where the system does not tell.
const INTERVAL: Duration = Duration::from_millis(5);

/// Attaches, or makes what is not there. Waits a while for what is being made.
pub(crate) fn open_or_create<R>(
    attach: impl Fn() -> Result<R, SegmentError>,
    create: impl Fn() -> Result<R, SegmentError>,
) -> Result<R, SegmentError> {
    let filled = Deadline::after(FILLED);
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        let mut failed = attach();
        if matches!(failed, Err(SegmentError::Missing { .. })) {
            attempts += 1;
            failed = create();
        }
        match failed {
            // By somebody who was faster.
            Err(SegmentError::InUse { .. }) => {}
            // Where a segment has its name before it is filled.
            Err(error) if is_being_made(&error) && !is_over(filled) => thread::sleep(INTERVAL),
            other => return other,
        }
    }
    attach()
}

/// Whether somebody may be making the segment.
fn is_being_made(error: &SegmentError) -> bool {
    use LayoutError::{Blank, Initialising};
    matches!(error, SegmentError::Layout(Blank | Initialising { .. }))
}

/// Attaches as soon as there is something to attach to.
pub(crate) fn when_there<R>(
    deadline: Deadline,
    attach: impl Fn() -> Result<R, SegmentError>,
) -> Result<R, SegmentError> {
    let mut arrivals = None;
    loop {
        match attach() {
            Err(error) if is_awaited(&error) && !is_over(deadline) => {}
            other => return other,
        }
        let Some(arrivals) = &mut arrivals else {
            // And then another look, so that nothing comes unseen between a look and a
            // wait.
            arrivals = Some(Arrivals::new());
            continue;
        };
        let failed = SegmentError::system("wait for the segment");
        arrivals.wait(deadline).map_err(io::Error::from).map_err(failed)?;
    }
}

/// Whether the segment may come.
fn is_awaited(error: &SegmentError) -> bool {
    matches!(error, SegmentError::Missing { .. }) || is_being_made(error)
}

/// What comes into the folder of all segments.
enum Arrivals {
    /// As the system tells it.
    Told(told::Arrivals),
    /// The system does not tell, or not more than it does already: one looks now and
    /// then.
    Untold,
}

impl Arrivals {
    fn new() -> Self {
        told::Arrivals::new().map_or(Self::Untold, Self::Told)
    }

    /// Waits for something to come, at most until the deadline; perhaps not so long.
    fn wait(&mut self, deadline: Deadline) -> Result<(), Errno> {
        match self {
            Self::Told(arrivals) => arrivals.wait(deadline),
            Self::Untold => {
                thread::sleep(left(deadline).min(INTERVAL));
                Ok(())
            }
        }
    }
}

/// inotify.
#[cfg(target_os = "linux")]
mod told {
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

/// Nothing, on other systems.
#[cfg(not(target_os = "linux"))]
mod told {
    use rustix::io::Errno;

    use crate::Deadline;

    pub(super) enum Arrivals {}

    impl Arrivals {
        pub(super) const fn new() -> Result<Self, Errno> {
            Err(Errno::NOSYS)
        }

        pub(super) const fn wait(&mut self, _deadline: Deadline) -> Result<(), Errno> {
            match *self {}
        }
    }
}
