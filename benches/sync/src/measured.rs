//! What one run found, as one line of JSON.

use serde::Serialize;

/// One run of one contender.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    /// What the row is about, in `unit`.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// Operations that were done, or messages that arrived and were whole.
    pub(crate) operations: u64,
    /// Nanoseconds of one operation; where one is too short to be timed alone,
    /// the mean of a batch.
    pub(crate) quantiles_ns: Option<Quantiles>,
    /// Part of the operations that the slower of two sides had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) smaller_share: Option<f64>,
    /// Messages that readers were told to have missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lagged: Option<u64>,
    /// Messages that were sent, for each reader, if some may be missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u64>,
    /// The CPUs of both sides, if each was kept on one.
    pub(crate) cpus: Option<[usize; 2]>,
}

impl Measured {
    /// Times of operations, of which the median is told.
    pub(crate) fn times(operations: u64, samples_ns: Vec<f64>, cpus: Option<[usize; 2]>) -> Self {
        let quantiles_ns = Quantiles::of(samples_ns);
        Self {
            value: quantiles_ns.map_or(f64::NAN, |quantiles| quantiles.p50),
            unit: "ns",
            operations,
            quantiles_ns,
            smaller_share: None,
            lagged: None,
            sent: None,
            cpus,
        }
    }
}

/// Where a part of all samples lies below.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Quantiles {
    /// Of nanoseconds; `None` if there are none.
    pub(crate) fn of(mut samples_ns: Vec<f64>) -> Option<Self> {
        samples_ns.sort_by(f64::total_cmp);
        let last = samples_ns.len().checked_sub(1)?;
        let at = |part: usize| samples_ns.get(last * part / 1_000).copied();
        Some(Self { p50: at(500)?, p99: at(990)?, p999: at(999)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_samples() {
        let samples = (0..1_001).rev().map(f64::from).collect();
        let quantiles = Quantiles::of(samples).unwrap();
        assert_eq!(format!("{quantiles:?}"), "Quantiles { p50: 500.0, p99: 990.0, p999: 999.0 }");
        assert!(Quantiles::of(Vec::new()).is_none());
    }
}
