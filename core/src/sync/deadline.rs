//! Until when to wait.

use core::{cmp::Ordering, fmt, marker::PhantomData, time::Duration};

use super::futex::{Clock, NEVER};

/// A time at which a call gives up waiting, on the clock of a backend.
///
/// The clock stands in the type, so that no lock is given another clock's time.
pub struct Deadline<C> {
    at_ns: u64,
    clock: PhantomData<fn() -> C>,
}

impl<C> Deadline<C> {
    /// Waits as long as it takes.
    pub const NEVER: Self = Self::at_ns(NEVER);

    /// Does not wait.
    pub const NOW: Self = Self::at_ns(0);

    /// Gives up at this time of the clock ([`Clock::now_ns`]); [`NEVER`] is none.
    #[must_use]
    pub const fn at_ns(at_ns: u64) -> Self {
        Self { at_ns, clock: PhantomData }
    }

    /// The time, on the clock.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.at_ns
    }
}

impl<C: Clock> Deadline<C> {
    /// Gives up when `timeout` has gone by. What lies beyond the clock's range, some 584
    /// years, never comes.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(NEVER);
        Self::at_ns(C::now_ns().saturating_add(timeout_ns))
    }
}

impl<C> Clone for Deadline<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Deadline<C> {}

impl<C> PartialEq for Deadline<C> {
    fn eq(&self, other: &Self) -> bool {
        self.at_ns == other.at_ns
    }
}

impl<C> Eq for Deadline<C> {}

impl<C> PartialOrd for Deadline<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C> Ord for Deadline<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at_ns.cmp(&other.at_ns)
    }
}

impl<C> fmt::Debug for Deadline<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_ns == NEVER {
            return formatter.write_str("Deadline(never)");
        }
        write!(formatter, "Deadline({} ns)", self.at_ns)
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Five {}

    impl Clock for Five {
        fn now_ns() -> u64 {
            5
        }
    }

    #[test]
    fn the_longest_timeout_is_never() {
        assert_eq!(Deadline::<Five>::after(Duration::MAX), Deadline::NEVER);
        assert_eq!(Deadline::<Five>::after(Duration::from_nanos(NEVER - 5)), Deadline::NEVER);
        assert_eq!(Deadline::<Five>::after(Duration::from_nanos(NEVER - 6)).as_ns(), NEVER - 1);
        assert_eq!(Deadline::<Five>::after(Duration::ZERO).as_ns(), 5);
        assert!(Deadline::<Five>::NOW < Deadline::after(Duration::ZERO));
        assert!(Deadline::<Five>::after(Duration::from_secs(1)) < Deadline::NEVER);
    }
}
