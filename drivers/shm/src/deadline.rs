//! Until when to wait.

use std::time::Duration;

use farend_core::sync::{Clock, NEVER};

/// A time at which a call gives up waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// Waits as long as it takes.
    pub const NEVER: Self = Self(NEVER);

    /// Does not wait.
    pub const NOW: Self = Self(0);

    /// Gives up when `timeout` has gone by.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(NEVER);
        Self(farend_futex::Default::now_ns().saturating_add(timeout_ns))
    }

    /// Gives up at this time of the backend's clock
    /// ([`farend_futex::Default::now_ns`](Clock::now_ns)).
    #[must_use]
    pub const fn at_ns(deadline_ns: u64) -> Self {
        Self(deadline_ns)
    }

    /// The time, on the backend's clock.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_timeout_is_never() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert!(Deadline::after(Duration::ZERO) < Deadline::after(Duration::from_secs(1)));
        assert!(Deadline::after(Duration::from_secs(1)) < Deadline::NEVER);
    }
}
