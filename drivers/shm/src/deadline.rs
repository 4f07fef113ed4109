//! Until when to wait.

use std::time::Duration;

use farend_core::sync::Clock;
use rustix::event::Timespec;

/// A time at which a call gives up waiting, on the clock of a backend: this system's, if no
/// other is named.
pub type Deadline<F = farend_futex::Default> = farend_core::sync::Deadline<F>;

/// The longest that `poll` is asked to wait at once. macOS takes milliseconds in 31 bits:
/// 24.8 days.
const POLL_MAX: Duration = Duration::from_hours(24);

/// How long it is until then, or to [`POLL_MAX`]: `None` for ever, as `poll` takes it. It
/// may be [over](is_over) only after more than one wait.
pub(crate) fn left_timespec(deadline: Deadline) -> Option<Timespec> {
    (deadline != Deadline::NEVER).then(|| {
        let left = left(deadline).min(POLL_MAX);
        Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    })
}

/// Whether it is then, or later.
pub(crate) fn is_over(deadline: Deadline) -> bool {
    farend_futex::Default::now_ns() >= deadline.as_ns()
}

/// How long it is until then.
pub(crate) fn left(deadline: Deadline) -> Duration {
    Duration::from_nanos(deadline.as_ns().saturating_sub(farend_futex::Default::now_ns()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_longer_than_any_system_can() {
        let month = Deadline::after(Duration::from_hours(30 * 24));
        let milliseconds = left_timespec(month).unwrap().tv_sec * 1_000;
        assert!(i32::try_from(milliseconds).is_ok(), "{milliseconds}");
        assert!(!is_over(month) && is_over(Deadline::NOW));
        assert_eq!(left_timespec(Deadline::NEVER), None);
    }
}
