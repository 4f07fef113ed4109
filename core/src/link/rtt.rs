//! Round-trip times: smoothed, their variation, the least and the last.

/// Weights as in RFC 6298 section 2: 1/8 of the new value, 1/4 of its distance.
const SMOOTHING_SHIFT: u32 = 3;
const VARIATION_SHIFT: u32 = 2;

/// Times above this are a clock that was set, not a path.
pub const RTT_NS_MAX: u64 = 60_000_000_000;

/// An estimator of the round-trip time. All times are nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RttEstimator {
    smoothed: u64,
    variation: u64,
    least: u64,
    last: u64,
    samples: u64,
}

impl RttEstimator {
    /// Takes a sample; one that no path can have is refused.
    pub const fn record(&mut self, rtt_ns: u64) -> bool {
        if rtt_ns > RTT_NS_MAX {
            return false;
        }
        if self.samples == 0 {
            // RFC 6298 section 2.2.
            self.smoothed = rtt_ns;
            self.variation = rtt_ns / 2;
            self.least = rtt_ns;
        } else {
            // RFC 6298 section 2.3, the variation first.
            let distance = self.smoothed.abs_diff(rtt_ns);
            self.variation = blend(self.variation, distance, VARIATION_SHIFT);
            self.smoothed = blend(self.smoothed, rtt_ns, SMOOTHING_SHIFT);
            if rtt_ns < self.least {
                self.least = rtt_ns;
            }
        }
        self.last = rtt_ns;
        self.samples = self.samples.saturating_add(1);
        true
    }

    /// The smoothed time; `None` before the first sample.
    #[must_use]
    pub const fn smoothed_ns(&self) -> Option<u64> {
        if self.samples == 0 { None } else { Some(self.smoothed) }
    }

    /// How far samples are from the smoothed time.
    #[must_use]
    pub const fn variation_ns(&self) -> u64 {
        self.variation
    }

    /// The least of all samples, or 0.
    #[must_use]
    pub const fn least_ns(&self) -> u64 {
        self.least
    }

    /// The last sample, or 0.
    #[must_use]
    pub const fn last_ns(&self) -> u64 {
        self.last
    }

    /// After how long an answer is overdue: RFC 6298 section 2, and never
    /// before 200 ms.
    #[must_use]
    pub const fn timeout_ns(&self) -> u64 {
        const LEAST: u64 = 200_000_000;
        const BEFORE_THE_FIRST: u64 = 1_000_000_000;
        if self.samples == 0 {
            return BEFORE_THE_FIRST;
        }
        let timeout = self.smoothed.saturating_add(self.variation.saturating_mul(4));
        if timeout < LEAST { LEAST } else { timeout }
    }
}

/// `old` moved towards `new` by one part in `2^shift`. Both are at most
/// [`RTT_NS_MAX`], so nothing overflows.
const fn blend(old: u64, new: u64, shift: u32) -> u64 {
    old.wrapping_sub(old >> shift).wrapping_add(new >> shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn first_sample_is_the_estimate() {
        let mut rtt = RttEstimator::default();
        assert_eq!((rtt.smoothed_ns(), rtt.timeout_ns()), (None, 1_000_000_000));
        assert!(rtt.record(40_000_000));
        assert_eq!(rtt.smoothed_ns(), Some(40_000_000));
        assert_eq!(rtt.variation_ns(), 20_000_000);
        assert_eq!(rtt.timeout_ns(), 200_000_000);
    }

    #[test]
    fn a_clock_that_was_set_is_no_sample() {
        let mut rtt = RttEstimator::default();
        assert!(!rtt.record(RTT_NS_MAX + 1));
        assert_eq!(rtt.smoothed_ns(), None);
    }

    proptest! {
        #[test]
        fn estimate_stays_between_the_samples(
            samples in proptest::collection::vec(0..=RTT_NS_MAX, 1..200)
        ) {
            let mut rtt = RttEstimator::default();
            for sample in &samples {
                rtt.record(*sample);
            }
            let smoothed = rtt.smoothed_ns().unwrap();
            // Eighths are rounded down twice a sample.
            prop_assert!(smoothed + 8 >= *samples.iter().min().unwrap());
            prop_assert!(smoothed <= *samples.iter().max().unwrap() + 8);
            prop_assert_eq!(rtt.least_ns(), *samples.iter().min().unwrap());
            prop_assert_eq!(rtt.last_ns(), *samples.last().unwrap());
        }
    }
}
