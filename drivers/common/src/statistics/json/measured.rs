//! What observers have measured, as JSON.

use farend_control::statistics::{Evicted, Named, Tester, Testers, Times};
use farend_core::{
    Histogram,
    measure::testers::{self, Tester as Known},
};

use crate::{
    clock,
    observe::{Residence, TesterTable, busiest},
};

/// Residence times by kind; kinds that were not met are left out.
pub(super) fn residence_by_kind(residence: &Residence) -> Named<Times> {
    Named::of(residence.iter().map(|(kind, times)| (kind.name(), times_of(times))))
}

fn times_of(times: &Histogram) -> Times {
    Times {
        frames: times.count(),
        min: times.min(),
        mean: times.mean(),
        p50: times.quantile(500_000),
        p90: times.quantile(900_000),
        p99: times.quantile(990_000),
        p99_9: times.quantile(999_000),
        max: times.max(),
    }
}

/// Who sent the frames.
pub(super) fn testers_of(table: &TesterTable) -> Testers {
    let now_ns = clock::monotonic_ns();
    let testers::Evicted { testers, tally } = table.evicted();
    Testers {
        capacity: table.capacity(),
        known: busiest(table).iter().map(|tester| tester_at(tester, now_ns)).collect(),
        evicted: Evicted {
            testers: *testers,
            reflected_frames: tally.reflected_frames,
            reflected_octets: tally.reflected_octets,
            rate_cap_frames: tally.capped_frames,
        },
    }
}

fn tester_at(tester: &Known, now_ns: u64) -> Tester {
    let idle_ms = now_ns.saturating_sub(tester.last_seen_ns) / 1_000_000;
    Tester {
        address: tester.sender.address.to_string(),
        mac: tester.sender.mac.to_string(),
        reflected_frames: tester.tally.reflected_frames,
        reflected_octets: tester.tally.reflected_octets,
        rate_cap_frames: tester.tally.capped_frames,
        // Whole milliseconds, so that it is written with three decimals.
        idle_s: u32::try_from(idle_ms).map_or(f64::MAX, f64::from) / 1_000.0,
    }
}
