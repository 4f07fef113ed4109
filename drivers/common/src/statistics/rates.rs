//! Counts and a time to rates.

use std::time::Duration;

use farend_control::statistics::Rates;
use farend_core::Counters;

/// Octets of the FCS, which frames in memory do not have.
const FCS_OCTETS: f64 = 4.0;

/// Octets that a frame takes on the wire beside its own: preamble and start
/// delimiter 8, least gap 12 (IEEE 802.3 clauses 3.1.1 and 4.4.2).
const WIRE_OCTETS: f64 = 20.0;

/// The rates of what was counted in this time; all zero in no time.
#[must_use]
pub fn rates_of(counters: &Counters, time: Duration) -> Rates {
    let seconds = time.as_secs_f64();
    if seconds <= 0.0 {
        return Rates::default();
    }
    let reflected = float(counters.reflected());
    let seen = counters.iter().fold(0, |sum: u64, (_, frames)| sum.wrapping_add(frames));
    let l2_octets = float(counters.reflected_octets) + reflected * FCS_OCTETS;
    Rates {
        reflected_frames_per_s: reflected / seconds,
        l2_bits_per_s: l2_octets * 8.0 / seconds,
        l1_bits_per_s: (l2_octets + reflected * WIRE_OCTETS) * 8.0 / seconds,
        seen_frames_per_s: float(seen) / seconds,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Reason, Verdict};

    use super::*;

    #[test]
    fn a_full_fast_ethernet_of_shortest_frames_is_148810_frames_a_second() {
        let mut counters = Counters::new();
        for _ in 0..148_810 {
            counters.count(Verdict::Reflect(Kind::Probeot), 60);
        }
        counters.count(Verdict::Refuse(Reason::UdpPort), 60);
        let rates = rates_of(&counters, Duration::from_secs(1));
        assert!((rates.l1_bits_per_s - 100e6).abs() < 1e3, "{rates:?}");
        assert!((rates.l2_bits_per_s - 76.19e6).abs() < 1e4, "{rates:?}");
        assert!((rates.seen_frames_per_s - 148_811.0).abs() < 0.5, "{rates:?}");
    }

    #[test]
    fn no_time_has_no_rate() {
        assert_eq!(rates_of(&Counters::new(), Duration::ZERO), Rates::default());
    }
}
