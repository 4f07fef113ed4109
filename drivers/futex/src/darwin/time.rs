//! Nanoseconds and the ticks of `mach_absolute_time`.

/// How long a tick lasts: `numer / denom` nanoseconds. 1/1 on Intel's, 125/3 on
/// Apple's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timebase {
    numer: u32,
    denom: u32,
}

impl Timebase {
    /// What `mach_timebase_info` says. It never says zero; if it did, a tick
    /// would be taken for a nanosecond.
    pub(crate) const fn new(numer: u32, denom: u32) -> Self {
        if numer == 0 || denom == 0 {
            return Self { numer: 1, denom: 1 };
        }
        Self { numer, denom }
    }

    /// Nanoseconds that are over when the clock shows these ticks.
    pub(crate) fn elapsed_ns(self, ticks: u64) -> u64 {
        let product = u128::from(ticks) * u128::from(self.numer);
        u64::try_from(product / u128::from(self.denom)).unwrap_or(u64::MAX)
    }

    /// The first tick at which that many nanoseconds are over: rounded up, so that
    /// a deadline never comes early. Later than any clock is `u64::MAX`.
    pub(crate) fn first_tick_at(self, ns: u64) -> u64 {
        let product = u128::from(ns) * u128::from(self.denom);
        u64::try_from(product.div_ceil(u128::from(self.numer))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: Timebase = Timebase::new(1, 1);
    const APPLE: Timebase = Timebase::new(125, 3);
    const POWER: Timebase = Timebase::new(1_000_000_000, 33_333_335);

    /// 71.6 minutes, what 32 bits of microseconds hold, and a little more.
    const HOURS_NS: u64 = 4_300_000_000_001;

    const TIMES_NS: [u64; 10] = [0, 1, 41, 42, 125, 999, 1_000, HOURS_NS, u64::MAX - 1, u64::MAX];

    #[test]
    fn a_deadline_is_over_at_its_tick_and_not_a_tick_before() {
        for timebase in [INTEL, APPLE, POWER] {
            for ns in TIMES_NS {
                let tick = timebase.first_tick_at(ns);
                assert!(timebase.elapsed_ns(tick) >= ns, "{timebase:?} {ns}");
                if tick > 0 {
                    assert!(timebase.elapsed_ns(tick - 1) < ns, "{timebase:?} {ns}");
                }
            }
        }
    }

    #[test]
    fn ticks_of_apple_processors_are_converted_exactly() {
        assert_eq!(APPLE.first_tick_at(1), 1);
        assert_eq!(APPLE.first_tick_at(125), 3);
        assert_eq!(APPLE.first_tick_at(126), 4);
        assert_eq!(APPLE.elapsed_ns(3), 125);
        assert_eq!(APPLE.elapsed_ns(1), 41);
        // 1,000 years of ticks need more than 64 bits on the way.
        assert_eq!(APPLE.elapsed_ns(24_000_000 * 86_400 * 365), 86_400 * 365 * 1_000_000_000);
        assert_eq!(APPLE.elapsed_ns(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_timebase_of_zero_is_none() {
        assert_eq!(Timebase::new(0, 3), INTEL);
        assert_eq!(Timebase::new(125, 0), INTEL);
    }

    #[test]
    fn a_fast_tick_ends_at_the_last_one() {
        let fast = Timebase::new(1, 1_000);
        assert_eq!(fast.first_tick_at(u64::MAX), u64::MAX);
        assert_eq!(fast.elapsed_ns(u64::MAX), u64::MAX / 1_000);
    }
}
