//! The rate cap: a token bucket that counts in clock ticks.
//!
//! The core reads no clock. Whoever calls gives the tick: the kernel program
//! its jiffies, a driver a coarse clock it reads once a burst. Nothing is
//! divided per frame.

use crate::reflect::{
    caller::Caller,
    policy::{RateCap, UNITS_PER_FRAME},
};

/// A token bucket. All-zero octets are a valid, full one.
///
/// It counts what is missing rather than what is there: so memory that starts
/// zeroed, as a map of the kernel does, needs no first tick.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Bucket {
    missing_units: u64,
    last_tick: u64,
}

impl Bucket {
    /// A bucket whose permits were all taken at this tick, whatever the cap.
    #[must_use]
    pub const fn empty(last_tick: u64) -> Self {
        Self { missing_units: u64::MAX, last_tick }
    }

    /// Refills for the ticks that went by, then takes one frame's permit.
    ///
    /// A clock that went back refills nothing.
    #[inline(always)]
    pub fn admit(&mut self, cap: &RateCap, now_tick: u64) -> bool {
        if cap.is_unlimited() {
            return true;
        }
        // No product wraps: ticks are bounded by those of the burst, and the
        // burst is bounded by the cap.
        let burst_units = cap.burst_ticks().wrapping_mul(cap.units_per_tick());
        if now_tick != self.last_tick {
            let elapsed = now_tick.wrapping_sub(self.last_tick);
            let elapsed = if elapsed > u64::MAX / 2 {
                0
            } else if elapsed > cap.burst_ticks() {
                cap.burst_ticks()
            } else {
                elapsed
            };
            // A cap that was lowered meanwhile asks no more back than its own.
            let missing =
                if self.missing_units > burst_units { burst_units } else { self.missing_units };
            self.missing_units = missing.saturating_sub(elapsed.wrapping_mul(cap.units_per_tick()));
            self.last_tick = now_tick;
        }
        let missing_units = self.missing_units.saturating_add(UNITS_PER_FRAME);
        if missing_units > burst_units {
            return false;
        }
        self.missing_units = missing_units;
        true
    }
}

/// A bucket with the tick of the current burst, for drivers in user space.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimit {
    bucket: Bucket,
    /// The current tick, in the unit that the policy's cap was built for.
    pub now_tick: u64,
}

impl Caller for RateLimit {
    #[inline(always)]
    fn admit(&mut self, cap: &RateCap) -> bool {
        self.bucket.admit(cap, self.now_tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(bucket: &mut Bucket, cap: &RateCap, tick: u64, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(bucket.admit(cap, tick))).sum()
    }

    #[test]
    fn a_steady_rate_is_met_to_the_frame() {
        let cap = RateCap::new(1_000, 250);
        let mut bucket = Bucket::empty(999);
        let total: u32 =
            (1_000..1_000 + 250 * 10).map(|tick| admitted(&mut bucket, &cap, tick, 100)).sum();
        assert_eq!(total, 10_000);
    }

    #[test]
    fn a_rate_below_one_frame_a_tick_is_met() {
        let cap = RateCap::new(10, 1_000);
        let mut bucket = Bucket::empty(4_999);
        let total: u32 =
            (5_000..5_000 + 20_000).map(|tick| admitted(&mut bucket, &cap, tick, 3)).sum();
        assert!((199..=200).contains(&total), "{total}");
    }

    #[test]
    fn a_rate_is_met_by_frames_that_come_thousands_of_ticks_apart() {
        for ticks_per_second in [1_000_000, 1_000_000_000] {
            let cap = RateCap::new(100, ticks_per_second);
            let mut bucket = Bucket::empty(0);
            // A frame each 5 ms for ten seconds: twice what the cap lets through.
            let total: u32 = (1..=2_000)
                .map(|frame| admitted(&mut bucket, &cap, frame * ticks_per_second / 200, 1))
                .sum();
            assert!((990..=1_000).contains(&total), "{total} at {ticks_per_second} ticks a second");
        }
    }

    #[test]
    fn the_first_frame_finds_a_full_bucket_at_any_tick() {
        let cap = RateCap::new(1_000, 100);
        for tick in [0, 1, 5, u64::MAX / 2, u64::MAX] {
            assert_eq!(admitted(&mut Bucket::default(), &cap, tick, 1_000), 110, "at tick {tick}");
        }
    }

    #[test]
    fn a_tick_too_short_for_the_smallest_refill_still_limits() {
        for ticks_per_second in [2_000_000_000, u64::MAX] {
            let cap = RateCap::new(1, ticks_per_second);
            assert!(!cap.is_unlimited());
            let mut bucket = Bucket::empty(0);
            // One frame for each 2^30 ticks.
            assert_eq!(admitted(&mut bucket, &cap, 1 << 29, 100), 0);
            assert_eq!(admitted(&mut bucket, &cap, 1 << 30, 100), 1);
        }
    }

    #[test]
    fn no_cap_and_no_pause_overflow_a_refill() {
        let extremes = [1, 1_000, 1 << 34, u64::MAX];
        for (frames, ticks) in extremes.iter().flat_map(|f| extremes.map(|ticks| (*f, ticks))) {
            let cap = RateCap::new(frames, ticks);
            let mut bucket = Bucket::default();
            for tick in [0, 1 << 40, 1 << 50, u64::MAX / 2, u64::MAX - 1] {
                assert!(bucket.admit(&cap, tick), "{cap:?} at {tick}");
                assert!(bucket.missing_units <= cap.burst_ticks() * cap.units_per_tick());
            }
        }
    }

    #[test]
    fn a_lower_cap_asks_back_no_more_than_its_own_burst() {
        let higher = RateCap::new(1_000_000, 1_000);
        let mut bucket = Bucket::default();
        assert_eq!(admitted(&mut bucket, &higher, 10_000, 1_000_000), 101_000);
        let cap = RateCap::new(10, 1_000);
        let total: u32 =
            (10_001..10_001 + 2_000).map(|tick| admitted(&mut bucket, &cap, tick, 3)).sum();
        assert!((19..=20).contains(&total), "{total}");
    }

    #[test]
    fn a_pause_saves_no_more_than_the_burst() {
        let cap = RateCap::new(1_000, 100);
        let mut bucket = Bucket::default();
        let burst = admitted(&mut bucket, &cap, u64::MAX / 4, 1_000_000);
        assert_eq!(burst, 110);
    }

    #[test]
    fn a_clock_that_goes_back_refills_nothing() {
        let cap = RateCap::new(1_000, 100);
        let mut bucket = Bucket::default();
        let _ = admitted(&mut bucket, &cap, 5_000, 1_000_000);
        assert_eq!(admitted(&mut bucket, &cap, 4_000, 10), 0);
    }

    #[test]
    fn no_cap_admits_everything() {
        let mut bucket = Bucket::default();
        assert_eq!(admitted(&mut bucket, &RateCap::UNLIMITED, 0, 1_000), 1_000);
    }
}
