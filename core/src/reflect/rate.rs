//! The rate cap: a token bucket that counts in clock ticks.
//!
//! The core reads no clock. Whoever calls gives the tick: the kernel program
//! its jiffies, a driver a coarse clock it reads once a burst. Nothing is
//! divided per frame.

use crate::reflect::policy::RateCap;

/// Decides, after a frame was found to be ours, whether it may be answered.
pub trait Limit {
    /// Takes a permit for one frame; `false` if there is none left.
    fn admit(&mut self, cap: &RateCap) -> bool;
}

/// No limit: every frame may be answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Limit for Unlimited {
    #[inline(always)]
    fn admit(&mut self, _cap: &RateCap) -> bool {
        true
    }
}

/// Permits for one frame, in the unit of the bucket: rates below one frame a
/// tick need the fraction.
pub const UNITS_PER_FRAME: u64 = 1 << 30;

/// Ticks that refill at most: a longer pause fills the bucket anyway, and the
/// product cannot overflow.
const TICKS_MAX: u64 = 1 << 10;

/// A token bucket. All-zero octets are a valid, empty one, which the first
/// frame's tick fills.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Bucket {
    units: u64,
    last_tick: u64,
}

impl Bucket {
    /// Refills for the ticks that went by, then takes one frame's permit.
    ///
    /// A clock that went back refills nothing.
    #[inline(always)]
    pub fn admit(&mut self, cap: &RateCap, now_tick: u64) -> bool {
        if cap.is_unlimited() {
            return true;
        }
        if now_tick != self.last_tick {
            let elapsed = now_tick.wrapping_sub(self.last_tick);
            let elapsed = if elapsed > u64::MAX / 2 {
                0
            } else if elapsed > TICKS_MAX {
                TICKS_MAX
            } else {
                elapsed
            };
            let refilled = self.units.saturating_add(elapsed.wrapping_mul(cap.units_per_tick()));
            self.units = if refilled > cap.burst_units() { cap.burst_units() } else { refilled };
            self.last_tick = now_tick;
        }
        if self.units < UNITS_PER_FRAME {
            return false;
        }
        self.units -= UNITS_PER_FRAME;
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

impl Limit for RateLimit {
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
        let mut bucket = Bucket { last_tick: 999, ..Bucket::default() };
        let total: u32 =
            (1_000..1_000 + 250 * 10).map(|tick| admitted(&mut bucket, &cap, tick, 100)).sum();
        assert_eq!(total, 10_000);
    }

    #[test]
    fn a_rate_below_one_frame_a_tick_is_met() {
        let cap = RateCap::new(10, 1_000);
        let mut bucket = Bucket { last_tick: 4_999, ..Bucket::default() };
        let total: u32 =
            (5_000..5_000 + 20_000).map(|tick| admitted(&mut bucket, &cap, tick, 3)).sum();
        assert!((199..=200).contains(&total), "{total}");
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
