//! The one clock of the tester: monotonic, in nanoseconds.
//!
//! The kernel stamps arrivals with the clock of the day. Both clocks run at
//! the same rate, so a stamp is moved over by their difference, read anew for
//! every burst: a step of the day's clock in between is the only error.

use rustix::time::{ClockId, clock_gettime};

const NS_PER_S: u64 = 1_000_000_000;

/// The monotonic time.
#[must_use]
pub fn now_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// Moves times of the clock of the day over to the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct DayToMonotonic {
    ahead_ns: u64,
}

impl DayToMonotonic {
    /// Reads both clocks.
    #[must_use]
    pub fn read_now() -> Self {
        let before = now_ns();
        let day = read(ClockId::Realtime);
        let after = now_ns();
        let monotonic = before + (after - before) / 2;
        Self { ahead_ns: day.wrapping_sub(monotonic) }
    }

    /// The monotonic time of a stamp.
    #[must_use]
    pub const fn convert(self, seconds: u64, nanoseconds: u64) -> u64 {
        seconds.wrapping_mul(NS_PER_S).wrapping_add(nanoseconds).wrapping_sub(self.ahead_ns)
    }
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock is before its start, nor is a second longer than itself.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * NS_PER_S + nanoseconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_now_is_the_monotonic_now() {
        let before = now_ns();
        let day = read(ClockId::Realtime);
        let converted = DayToMonotonic::read_now().convert(day / NS_PER_S, day % NS_PER_S);
        // However busy the machine is, the stamp was taken after `before` and
        // conversion is exact but for the reading of two clocks.
        assert!(converted + 50_000_000 > before);
        assert!(converted < now_ns() + 50_000_000);
    }
}
