//! What was learned by looking on, as JSON.

use farend_core::{
    Histogram,
    measure::testers::{Evicted, Tally, Tester},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    clock,
    observe::{Residence, TesterTable, busiest},
};

/// Residence times by kind, as an object; kinds that were not met are left
/// out.
pub(super) struct ResidenceByKind<'a>(pub(super) &'a Residence);

#[derive(Serialize)]
struct Times {
    frames: u64,
    min: Option<u64>,
    mean: Option<u64>,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    p99_9: Option<u64>,
    max: Option<u64>,
}

impl From<&Histogram> for Times {
    fn from(times: &Histogram) -> Self {
        Self {
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
}

impl Serialize for ResidenceByKind<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (kind, times) in self.0.iter() {
            map.serialize_entry(kind.name(), &Times::from(times))?;
        }
        map.end()
    }
}

/// Testers, the busiest first.
#[derive(Serialize)]
pub(super) struct Testers {
    capacity: usize,
    known: Vec<OneTester>,
    evicted: EvictedTesters,
}

#[derive(Serialize)]
struct OneTester {
    address: String,
    mac: String,
    #[serde(flatten)]
    counts: Counts,
    idle_s: f64,
}

#[derive(Serialize)]
struct EvictedTesters {
    testers: u64,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct Counts {
    reflected_frames: u64,
    reflected_octets: u64,
    rate_cap_frames: u64,
}

impl From<&Tally> for Counts {
    fn from(tally: &Tally) -> Self {
        Self {
            reflected_frames: tally.reflected_frames,
            reflected_octets: tally.reflected_octets,
            rate_cap_frames: tally.capped_frames,
        }
    }
}

impl From<&TesterTable> for Testers {
    fn from(table: &TesterTable) -> Self {
        let now_ns = clock::monotonic_ns();
        let Evicted { testers, tally } = table.evicted();
        Self {
            capacity: table.capacity(),
            known: busiest(table).iter().map(|tester| OneTester::of(tester, now_ns)).collect(),
            evicted: EvictedTesters { testers: *testers, counts: tally.into() },
        }
    }
}

impl OneTester {
    fn of(tester: &Tester, now_ns: u64) -> Self {
        let idle_ms = now_ns.saturating_sub(tester.last_seen_ns) / 1_000_000;
        Self {
            address: tester.sender.address.to_string(),
            mac: tester.sender.mac.to_string(),
            counts: (&tester.tally).into(),
            idle_s: std::time::Duration::from_millis(idle_ms).as_secs_f64(),
        }
    }
}
