//! Until when to wait.

use std::time::Duration;

use farend_core::sync::Clock;
use rustix::event::Timespec;

/// A time at which a call gives up waiting, on this system's clock.
pub type Deadline = farend_core::sync::Deadline<farend_futex::Default>;

/// How long it is until then: `None` for ever, as `poll` takes it.
pub(crate) fn left_timespec(deadline: Deadline) -> Option<Timespec> {
    (deadline != Deadline::NEVER).then(|| {
        let left = left(deadline);
        Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    })
}

/// How long it is until then.
pub(crate) fn left(deadline: Deadline) -> Duration {
    Duration::from_nanos(deadline.as_ns().saturating_sub(farend_futex::Default::now_ns()))
}
