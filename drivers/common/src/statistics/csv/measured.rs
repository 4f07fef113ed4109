//! What observers have measured, as columns behind all others.

use farend_core::{Histogram, Kind};

use crate::{
    observe::{Copies, CopyStatistics, Measurements, Settings},
    statistics::InterfaceStatistics,
};

/// Which columns there are: settled at the start, because there is one header.
#[expect(clippy::struct_excessive_bools, reason = "one for each option that adds columns")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::statistics) struct Columns {
    has_residence: bool,
    has_testers: bool,
    has_sample: bool,
    has_tap: bool,
}

impl From<&Settings> for Columns {
    fn from(settings: &Settings) -> Self {
        Self {
            has_residence: settings.residence,
            has_testers: settings.testers.0 > 0,
            has_sample: settings.sample.is_some(),
            has_tap: settings.tap.is_some(),
        }
    }
}

const QUANTILES: [(&str, u32); 3] = [("p50", 500_000), ("p99", 990_000), ("max", 1_000_000)];

impl Columns {
    /// Their names.
    pub(super) fn names(self) -> Vec<String> {
        let mut names = Vec::new();
        if self.has_residence {
            let quantiles = QUANTILES.map(|(quantile, _)| format!("residence_{quantile}_ns"));
            let of_kind = |kind: &Kind| quantiles.clone().map(|name| name + "_" + kind.name());
            names.extend(quantiles.clone());
            names.extend(Kind::ALL.iter().flat_map(of_kind));
        }
        let more = [
            (self.has_testers, ["testers", "testers_evicted"]),
            (self.has_sample, ["sample_written_frames", "sample_dropped_frames"]),
            (self.has_tap, ["tap_written_frames", "tap_dropped_frames"]),
        ];
        for (_, pair) in more.iter().filter(|(is_there, _)| *is_there) {
            names.extend(pair.map(str::to_owned));
        }
        names
    }

    /// Their values; a time that was not met is empty.
    pub(super) fn values(self, one: &InterfaceStatistics, copies: &CopyStatistics) -> Vec<String> {
        let Measurements { residence, testers } = &one.worker.measured;
        let mut values = Vec::new();
        if self.has_residence {
            let total = residence.as_ref().map(crate::observe::Residence::total);
            values.extend(quantiles(total.as_deref()));
            for kind in Kind::ALL {
                values.extend(quantiles(residence.as_ref().and_then(|times| times.of(*kind))));
            }
        }
        let mut pair = |is_there: bool, numbers: [u64; 2]| {
            if is_there {
                values.extend(numbers.map(|number| number.to_string()));
            }
        };
        let testers =
            testers.as_ref().map(|table| [table.iter().count() as u64, table.evicted().testers]);
        let counts = |copies: Option<Copies>| {
            copies.map_or([0; 2], |copies| [copies.written_frames, copies.dropped_frames])
        };
        pair(self.has_testers, testers.unwrap_or_default());
        pair(self.has_sample, counts(copies.sample));
        pair(self.has_tap, counts(copies.tap));
        values
    }
}

fn quantiles(times: Option<&Histogram>) -> [String; 3] {
    QUANTILES.map(|(_, ppm)| {
        let time = times.and_then(|times| times.quantile(ppm));
        time.map(|time_ns| time_ns.to_string()).unwrap_or_default()
    })
}
