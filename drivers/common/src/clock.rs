//! The clock of the rate cap and of statistics: read once a burst.

use rustix::time::{ClockId, clock_gettime};

/// Ticks a second: what [`RateCap::new`](farend_core::reflect::policy::RateCap::new) is
/// given for workers in user space.
pub const TICKS_PER_SECOND: u64 = 1_000;

/// The cheapest monotonic clock that the operating system has. It may stand
/// still for some milliseconds.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A coarse monotonic clock in ticks of a millisecond.
#[derive(Clone, Copy, Debug)]
pub struct TickClock {
    start_ms: u64,
}

impl TickClock {
    /// Starts a clock.
    #[must_use]
    pub fn start() -> Self {
        Self { start_ms: now_ms() }
    }

    /// The current tick. Never goes back.
    #[must_use]
    pub fn now_tick(&self) -> u64 {
        now_ms().wrapping_sub(self.start_ms)
    }
}

/// Nanoseconds on the exact monotonic clock, which starts at some moment.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let (seconds, nanoseconds) = read(ClockId::Monotonic);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

/// Nanoseconds since 1970, by the clock of this host. It may jump.
#[must_use]
pub fn unix_ns() -> u64 {
    let (seconds, nanoseconds) = read(ClockId::Realtime);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

fn now_ms() -> u64 {
    let (seconds, nanoseconds) = read(CLOCK);
    seconds.wrapping_mul(1_000).wrapping_add(nanoseconds / 1_000_000)
}

/// Seconds and nanoseconds of a clock that counts from a start in the past.
fn read(clock: ClockId) -> (u64, u64) {
    let now = clock_gettime(clock);
    let (seconds, nanoseconds) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    #[allow(clippy::useless_conversion, reason = "nanoseconds are 32 bits wide on some targets")]
    let nanoseconds = u64::from(nanoseconds);
    (seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farend_core::{Caller, RateLimit, reflect::policy::RateCap};

    use super::*;

    #[test]
    fn a_tick_is_a_millisecond() {
        let clock = TickClock::start();
        let before = clock.now_tick();
        std::thread::sleep(Duration::from_millis(50));
        // A coarse clock may be one step of its own behind, at either end.
        assert!(clock.now_tick() - before >= 40);
    }

    #[test]
    fn the_first_frame_finds_a_full_bucket() {
        let cap = RateCap::new(10, TICKS_PER_SECOND);
        let mut limit = RateLimit::default();
        limit.now_tick = TickClock::start().now_tick();
        assert!(limit.admit(&cap));
    }
}
