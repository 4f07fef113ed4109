//! Wakes a reactor at a time, within microseconds: `epoll` alone counts milliseconds.

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::Timer;
#[cfg(target_os = "linux")]
pub(crate) use linux::Timer;

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io,
        os::fd::{AsRawFd as _, OwnedFd},
        time::{Duration, Instant},
    };

    use mio::{Interest, Registry, Token, unix::SourceFd};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };

    /// A timer of the kernel among the reactor's descriptors.
    #[derive(Debug)]
    pub(crate) struct Timer {
        descriptor: OwnedFd,
        /// For when it is set.
        due: Option<Instant>,
    }

    impl Timer {
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let raw = descriptor.as_raw_fd();
            registry.register(&mut SourceFd(&raw), token, Interest::READABLE)?;
            Ok(Self { descriptor, due: None })
        }

        /// Sets it, and says how long to wait at most for events.
        pub(crate) fn wait(&mut self, due: Instant) -> Duration {
            let left = due.saturating_duration_since(Instant::now());
            if self.due != Some(due) && !left.is_zero() {
                let value = Timespec {
                    tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: i64::from(left.subsec_nanos()),
                };
                let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
                let set = Itimerspec { it_interval: interval, it_value: value };
                let flags = TimerfdTimerFlags::empty();
                if timerfd_settime(&self.descriptor, flags, &set).is_ok() {
                    self.due = Some(due);
                }
            }
            // Should the timer fail, this one wakes a little later.
            left + if left.is_zero() { Duration::ZERO } else { Duration::from_millis(1) }
        }

        /// It went off.
        pub(crate) fn clear(&mut self) {
            self.due = None;
            let _times = rustix::io::read(&self.descriptor, &mut [0_u8; 8]);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::{
        io,
        time::{Duration, Instant},
    };

    use mio::{Registry, Token};

    /// `kevent` counts nanoseconds: its own timeout is enough.
    #[derive(Debug)]
    pub(crate) struct Timer;

    impl Timer {
        #[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
        pub(crate) fn new(_registry: &Registry, _token: Token) -> io::Result<Self> {
            Ok(Self)
        }

        #[expect(clippy::unused_self, reason = "as on Linux")]
        pub(crate) fn wait(&mut self, due: Instant) -> Duration {
            due.saturating_duration_since(Instant::now())
        }

        #[expect(clippy::unused_self, reason = "as on Linux")]
        pub(crate) fn clear(&mut self) {}
    }
}
