//! The rate cap of a policy, in the unit that the hot path counts in.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Permits for one frame, in the unit of the bucket: rates below one frame a
/// tick need the fraction.
pub(crate) const UNITS_PER_FRAME: u64 = 1 << 30;

/// Bounds a cap, so that no product of it with the elapsed ticks wraps.
const UNITS_PER_TICK_MAX: u64 = 1 << 52;

/// Bounds what a cap saves up, so that no sum with a frame's permit wraps.
const BURST_UNITS_MAX: u64 = 1 << 62;

/// How many frames may be answered, in the unit of
/// [`Bucket`](crate::reflect::rate::Bucket).
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RateCap {
    units_per_tick: u64,
    /// Ticks that fill an empty bucket: a longer pause refills no more.
    burst_ticks: u64,
}

impl RateCap {
    /// No cap.
    pub const UNLIMITED: Self = Self { units_per_tick: 0, burst_ticks: 0 };

    /// A cap of `frames_per_second`, counted in ticks of which there are
    /// `ticks_per_second`. It saves up at most the frames of a tenth of a
    /// second, or one, and those of two ticks.
    ///
    /// 0 frames or 0 ticks a second make no cap. Every other cap limits: the
    /// slowest lets one frame through for each 2^30 ticks.
    #[must_use]
    pub const fn new(frames_per_second: u64, ticks_per_second: u64) -> Self {
        let units_per_second = frames_per_second.saturating_mul(UNITS_PER_FRAME);
        let units_per_tick = match units_per_second.checked_div(ticks_per_second) {
            Some(_) if frames_per_second == 0 => return Self::UNLIMITED,
            // To round down to none would lift the cap.
            Some(0) => 1,
            Some(units) if units > UNITS_PER_TICK_MAX => UNITS_PER_TICK_MAX,
            Some(units) => units,
            None => return Self::UNLIMITED,
        };
        let tenth = units_per_second / 10;
        let saved = if tenth < UNITS_PER_FRAME { UNITS_PER_FRAME } else { tenth };
        // One tick more, or what a tick brings beyond a whole frame were lost.
        let burst_ticks = saved.div_ceil(units_per_tick).saturating_add(1);
        Self { units_per_tick, burst_ticks }
    }

    /// Whether [`new`](Self::new) could have made it.
    pub(super) const fn is_whole(&self) -> bool {
        if self.is_unlimited() {
            return self.burst_ticks == 0;
        }
        let Some(burst_units) = self.burst_ticks.checked_mul(self.units_per_tick) else {
            return false;
        };
        self.units_per_tick <= UNITS_PER_TICK_MAX
            && burst_units <= BURST_UNITS_MAX
            && burst_units >= UNITS_PER_FRAME.saturating_add(self.units_per_tick)
    }

    /// Whether there is no cap.
    #[must_use]
    #[inline(always)]
    pub const fn is_unlimited(&self) -> bool {
        self.units_per_tick == 0
    }

    #[inline(always)]
    pub(crate) const fn units_per_tick(&self) -> u64 {
        self.units_per_tick
    }

    #[inline(always)]
    pub(crate) const fn burst_ticks(&self) -> u64 {
        self.burst_ticks
    }
}
