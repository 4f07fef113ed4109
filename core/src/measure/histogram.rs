//! A log-linear histogram of durations: fixed memory, known error, mergeable.
//!
//! Values below [`SUB_BUCKETS`] have a bucket each. Above, every octave
//! (from one power of two to the next) is cut into [`SUB_BUCKETS`] buckets of
//! equal width, so a bucket is never wider than 1/64 of its lowest value:
//! whatever is reported is at most 1.5625 % above the truth, and never below
//! it.
//!
//! One worker owns one histogram and nothing is shared per frame; histograms
//! of several workers or CPUs are [merged](Histogram::merge) afterwards.

/// Buckets of one octave, and how many of the lowest values are exact.
pub const SUB_BUCKETS: usize = 64;

/// Width of a bucket against its lowest value at most, in parts per million.
pub const RELATIVE_ERROR_PPM: u32 = 15_625;

/// Buckets over all of `u64`.
pub const BUCKETS: usize = SUB_BUCKETS * (1 + (u64::BITS - SUB_BUCKET_BITS) as usize);

/// The whole of a quantile: the greatest value.
pub const QUANTILE_ALL_PPM: u32 = 1_000_000;

const SUB_BUCKET_BITS: u32 = SUB_BUCKETS.trailing_zeros();

const _: () = assert!(SUB_BUCKETS.is_power_of_two());
const _: () = assert!(RELATIVE_ERROR_PPM as usize * SUB_BUCKETS == 1_000_000);

/// Durations in nanoseconds, by size. All counts saturate.
///
/// `repr(C)`, nothing but `u64`, about 30 kB: it fits a per-CPU map of the
/// kernel and a shared page alike.
///
/// ```
/// use farend_core::Histogram;
///
/// let mut latency = Histogram::new();
/// for latency_ns in 1..=1_000 {
///     latency.record(latency_ns);
/// }
/// assert_eq!(latency.quantile(1_000_000), Some(1_000));
/// let median = latency.quantile(500_000).unwrap_or(0);
/// assert!((500..=508).contains(&median));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

/// One bucket that holds something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Lowest value that falls into it.
    pub low_ns: u64,
    /// Highest value that falls into it.
    pub high_ns: u64,
    /// Values that fell into it.
    pub count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Nothing recorded.
    #[must_use]
    #[expect(clippy::large_stack_arrays, reason = "30 kB, once; the caller chooses where")]
    pub const fn new() -> Self {
        Self { counts: [0; BUCKETS], count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Records one duration.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        self.record_many(value_ns, 1);
    }

    /// Records the same duration so many times.
    #[inline]
    pub fn record_many(&mut self, value_ns: u64, times: u64) {
        if times == 0 {
            return;
        }
        if let Some(slot) = self.counts.get_mut(index_of(value_ns)) {
            *slot = slot.saturating_add(times);
        }
        self.count = self.count.saturating_add(times);
        self.sum = self.sum.saturating_add(value_ns.saturating_mul(times));
        self.min = self.min.min(value_ns);
        self.max = self.max.max(value_ns);
    }

    /// Adds what another has recorded.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Durations recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All durations together, in nanoseconds: exact up to 2^64, which is 584
    /// years.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The shortest duration, exact; `None` if nothing was recorded.
    #[must_use]
    pub const fn min(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.min) }
    }

    /// The longest duration, exact; `None` if nothing was recorded.
    #[must_use]
    pub const fn max(&self) -> Option<u64> {
        if self.count == 0 { None } else { Some(self.max) }
    }

    /// The arithmetic mean, rounded down; `None` if nothing was recorded.
    #[must_use]
    pub const fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    /// The duration that `quantile_ppm` millionths of all do not exceed:
    /// 500 000 for the median, 999 900 for p99.99; more than a million is
    /// taken as a million, which gives the longest.
    ///
    /// By nearest rank: of `n` durations, the one at place `n * quantile`
    /// rounded up, and at least the first. What is reported is the highest
    /// value of that one's bucket, but never more than the longest duration:
    /// not below the truth, and at most [`RELATIVE_ERROR_PPM`] above it.
    /// `None` if nothing was recorded.
    #[must_use]
    pub fn quantile(&self, quantile_ppm: u32) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = rank_of(self.count, quantile_ppm.min(QUANTILE_ALL_PPM));
        let mut seen = 0_u64;
        for bucket in self.buckets() {
            seen = seen.saturating_add(bucket.count);
            if seen >= rank {
                return Some(bucket.high_ns.min(self.max));
            }
        }
        // Only after counts saturated can the buckets hold less than `count`.
        Some(self.max)
    }

    /// The buckets that hold something, from the shortest durations up.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        (0..BUCKETS).zip(&self.counts).filter(|(_, count)| **count != 0).map(|(index, count)| {
            let (low_ns, high_ns) = bounds_of(index);
            Bucket { low_ns, high_ns, count: *count }
        })
    }
}

/// `count * ppm / 1 000 000`, rounded up and at least 1, without overflow.
const fn rank_of(count: u64, ppm: u32) -> u64 {
    const ALL: u64 = QUANTILE_ALL_PPM as u64;
    let ppm = ppm as u64;
    // Neither product exceeds `count`, or 10^12.
    let rank = ((count / ALL) * ppm).saturating_add(((count % ALL) * ppm).div_ceil(ALL));
    if rank == 0 { 1 } else { rank }
}

/// The bucket of a value: always below [`BUCKETS`].
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is left after the shift is below 128")]
const fn index_of(value: u64) -> usize {
    let octave = octave_of(value);
    // The top bit stays in, so the first bucket of an octave follows the last
    // one of the octave before.
    let sub_bucket = (value >> octave) as usize;
    // Far from any end of `usize`; said so, because the proof that nothing
    // here panics looks at sums as well.
    (octave as usize * SUB_BUCKETS).wrapping_add(sub_bucket)
}

/// How many low bits of a value its bucket does not tell apart.
#[inline]
const fn octave_of(value: u64) -> u32 {
    let bits = u64::BITS - value.leading_zeros();
    bits.saturating_sub(SUB_BUCKET_BITS + 1)
}

/// The lowest and the highest value of a bucket.
const fn bounds_of(index: usize) -> (u64, u64) {
    if index < 2 * SUB_BUCKETS {
        return (index as u64, index as u64);
    }
    let octave = index / SUB_BUCKETS - 1;
    let sub_bucket = (index % SUB_BUCKETS + SUB_BUCKETS) as u64;
    let low = sub_bucket << octave;
    // The bits that the octave leaves open are 0 in its lowest value.
    (low, low | ((1 << octave) - 1))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn many_at_once_are_as_many_one_by_one() {
        let (mut one_by_one, mut at_once) = (Histogram::new(), Histogram::new());
        for (value_ns, times) in [(5, 3), (1_000, 0), (u64::MAX, 2), (77_777, 64)] {
            (0..times).for_each(|_| one_by_one.record(value_ns));
            at_once.record_many(value_ns, times);
        }
        assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn buckets_cover_every_value_once_and_in_order() {
        let mut next = 0_u64;
        for index in 0..BUCKETS {
            let (low, high) = bounds_of(index);
            assert_eq!(low, next, "bucket {index}");
            assert!(high >= low);
            assert_eq!(index_of(low), index);
            assert_eq!(index_of(high), index);
            next = high.wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bucket ends at the greatest u64");
    }

    #[test]
    fn no_bucket_is_wider_than_the_stated_error() {
        for index in SUB_BUCKETS..BUCKETS {
            let (low, high) = bounds_of(index);
            let error_ppm = u128::from(high - low) * 1_000_000 / u128::from(low);
            assert!(error_ppm < u128::from(RELATIVE_ERROR_PPM), "bucket {index}");
        }
    }

    #[test]
    fn an_empty_histogram_answers_nothing() {
        let empty = Histogram::new();
        assert!(empty.is_empty());
        assert_eq!(empty.quantile(500_000), None);
        assert_eq!((empty.min(), empty.max(), empty.mean()), (None, None, None));
        assert_eq!(empty.buckets().count(), 0);
    }

    #[test]
    fn counts_saturate_and_quantiles_stay_in_bounds() {
        let mut full = Histogram::new();
        full.record(u64::MAX);
        full.record(5);
        for slot in &mut full.counts {
            *slot = u64::MAX;
        }
        full.count = u64::MAX;
        let twice = full.clone();
        full.merge(&twice);
        full.record(u64::MAX);
        assert_eq!(full.count(), u64::MAX);
        assert_eq!(full.sum(), u64::MAX);
        assert_eq!(full.quantile(QUANTILE_ALL_PPM), Some(0), "the first bucket holds them all");
        assert_eq!(full.quantile(u32::MAX), Some(0));
    }

    #[test]
    fn a_rank_is_rounded_up_and_never_overflows() {
        assert_eq!(rank_of(10, 500_000), 5);
        assert_eq!(rank_of(11, 500_000), 6);
        assert_eq!(rank_of(10, 999_900), 10);
        assert_eq!(rank_of(10, 0), 1);
        assert_eq!(rank_of(u64::MAX, QUANTILE_ALL_PPM), u64::MAX);
    }

    /// Durations of every order of magnitude.
    fn durations() -> impl Strategy<Value = Vec<u64>> {
        let duration = (0_u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift);
        prop::collection::vec(duration, 1..300)
    }

    fn recorded(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_sorted_vector_s_within_the_error(
            mut values in durations(),
            ppm in 0_u32..=QUANTILE_ALL_PPM,
        ) {
            let histogram = recorded(&values);
            values.sort_unstable();
            let rank = (values.len() as u128 * u128::from(ppm)).div_ceil(1_000_000).max(1);
            let truth = values[usize::try_from(rank).unwrap() - 1];
            let reported = histogram.quantile(ppm).unwrap();
            prop_assert!(reported >= truth);
            prop_assert!(reported <= values[values.len() - 1]);
            let error = u128::from(reported - truth) * 1_000_000;
            prop_assert!(error <= u128::from(truth) * u128::from(RELATIVE_ERROR_PPM));
        }

        #[test]
        fn merging_equals_recording_everything_in_one(one in durations(), two in durations()) {
            let mut merged = recorded(&one);
            merged.merge(&recorded(&two));
            let all: Vec<u64> = one.iter().chain(&two).copied().collect();
            prop_assert!(merged == recorded(&all));
            prop_assert_eq!(merged.min(), all.iter().min().copied());
            prop_assert_eq!(merged.max(), all.iter().max().copied());
            prop_assert_eq!(merged.count(), all.len() as u64);
            let buckets: u64 = merged.buckets().map(|bucket| bucket.count).sum();
            prop_assert_eq!(buckets, all.len() as u64);
        }
    }
}
