//! What observers have measured, for a person.

use farend_core::{Histogram, measure::testers::Tester};

use crate::observe::{Copies, CopyStatistics, Measurements, TesterTable, busiest};

/// Testers that are listed at the end.
const TESTERS_LISTED: usize = 20;

/// What belongs on the line of an interface; since the start.
pub(super) fn parts(measured: &Measurements) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(residence) = &measured.residence {
        let kinds: Vec<_> = residence
            .iter()
            .map(|(kind, times)| format!("{} {}", kind.name(), quantiles(times)))
            .collect();
        if !kinds.is_empty() {
            parts.push(format!("residence p50/p99/max {}", kinds.join(", ")));
        }
    }
    if let Some(testers) = &measured.testers {
        let evicted = match testers.evicted().testers {
            0 => String::new(),
            evicted => format!(" (and {evicted} times one that is evicted)"),
        };
        parts.push(format!("testers {}{evicted}", testers.iter().count()));
    }
    parts
}

/// A line on the frames that were copied elsewhere, if any were to be.
pub(super) fn copied(copies: &CopyStatistics) -> Option<String> {
    let told = [("sample", copies.sample), ("tap", copies.tap)];
    let told = told.iter().filter_map(|(what, copies)| {
        let Copies { written_frames, dropped_frames } = (*copies)?;
        Some(format!("{what}: {written_frames} frames written, {dropped_frames} dropped"))
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join(" | "))
}

/// A line for each of the busiest testers, and one for the rest.
pub(super) fn testers(table: &TesterTable) -> Vec<String> {
    let testers = busiest(table);
    let mut lines: Vec<_> = testers.iter().take(TESTERS_LISTED).map(|one| tester(one)).collect();
    if let Some(more @ 1..) = testers.len().checked_sub(TESTERS_LISTED) {
        lines.push(format!("and {more} testers more, which --stats json lists"));
    }
    lines
}

fn tester(tester: &Tester) -> String {
    let Tester { sender, tally, .. } = tester;
    let capped = match tally.capped_frames {
        0 => String::new(),
        capped => format!(", {capped} over the rate cap"),
    };
    format!(
        "tester {} {}: reflected {} frames, {} octets{capped}",
        sender.address, sender.mac, tally.reflected_frames, tally.reflected_octets
    )
}

/// Three quantiles in microseconds.
fn quantiles(times: &Histogram) -> String {
    let quantiles = [500_000, 990_000, 1_000_000].map(|ppm| {
        let time_ns = times.quantile(ppm).unwrap_or_default();
        format!("{}.{}", time_ns / 1_000, time_ns % 1_000 / 100)
    });
    format!("{} us", quantiles.join("/"))
}
