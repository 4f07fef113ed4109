//! The tables that a person reads.

use std::io::{self, Write};

use super::{Rate, RunReport, Summary};

/// Writes three tables (what came back, at which rate, how fast), then what is
/// to be said about single runs, then the verdict.
///
/// # Errors
///
/// Whatever writing gives.
pub fn write_text(out: &mut impl Write, runs: &[RunReport], summary: &Summary) -> io::Result<()> {
    // An interrupted warm-up leaves no run.
    if !runs.is_empty() {
        write_counts(out, runs)?;
        write_rates(out, runs)?;
        write_times(out, runs)?;
        write_notes(out, runs)?;
    }
    let interrupted = if summary.is_interrupted { ", interrupted" } else { "" };
    writeln!(
        out,
        "{}: {} of {} runs failed, {} of {} frames lost{interrupted}",
        summary.verdict, summary.failed, summary.runs, summary.lost, summary.sent
    )
}

fn write_counts(out: &mut impl Write, runs: &[RunReport]) -> io::Result<()> {
    let header = [
        "frame",
        "sent",
        "received",
        "lost",
        "lost %",
        "duplicated",
        "reordered",
        "corrupted",
        "foreign",
    ];
    let rows = runs.iter().map(|run| {
        vec![
            run.frame_octets.to_string(),
            run.sent.to_string(),
            run.received.to_string(),
            run.lost.to_string(),
            format!("{:.4}", run.loss_percent),
            run.duplicated.to_string(),
            run.reordered.to_string(),
            run.corrupted.to_string(),
            run.foreign.to_string(),
        ]
    });
    write_table(out, "frames (sizes in octets, with FCS)", &header, rows)
}

fn write_rates(out: &mut impl Write, runs: &[RunReport]) -> io::Result<()> {
    let header = [
        "frame",
        "asked f/s",
        "offered f/s",
        "returned f/s",
        "asked L1",
        "offered L1",
        "returned L1",
        "offered L2",
        "returned L2",
    ];
    let rows = runs.iter().map(|run| {
        let frames = |rate: Option<Rate>, none: &str| {
            rate.map_or_else(|| none.to_owned(), |rate| format!("{:.1}", rate.frames_per_s))
        };
        let l1 = |rate: Option<Rate>, none: &str| megabits(rate.map(|r| r.l1_bits_per_s), none);
        let l2 = |rate: Option<Rate>| megabits(rate.map(|r| r.l2_bits_per_s), "-");
        vec![
            run.frame_octets.to_string(),
            frames(run.asked, "max"),
            frames(run.offered, "-"),
            frames(run.returned, "-"),
            l1(run.asked, "max"),
            l1(run.offered, "-"),
            l1(run.returned, "-"),
            l2(run.offered),
            l2(run.returned),
        ]
    });
    write_table(out, "rates (L1 and L2 in Mbit/s)", &header, rows)
}

fn write_times(out: &mut impl Write, runs: &[RunReport]) -> io::Result<()> {
    let header = ["frame", "min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let rows = runs.iter().map(|run| {
        let mut row = vec![run.frame_octets.to_string()];
        match &run.round_trip_ns {
            Some(times) => row.extend(
                [
                    times.min,
                    times.mean,
                    times.p50,
                    times.p90,
                    times.p99,
                    times.p99_9,
                    times.p99_99,
                    times.max,
                ]
                .map(microseconds),
            ),
            None => row.extend(["-"; 8].map(String::from)),
        }
        row
    });
    let by = runs.first().map_or("kernel", |run| run.timestamps);
    let title = format!("round trip in us (arrivals stamped by: {by})");
    write_table(out, &title, &header, rows)
}

fn write_notes(out: &mut impl Write, runs: &[RunReport]) -> io::Result<()> {
    for run in runs {
        let size = run.frame_octets;
        if run.lost > 0 {
            let causes = &run.loss_causes;
            writeln!(
                out,
                "{size}: {} lost: {} by the network or the reflector, {} came back damaged, {} \
                 too late, {} at most by a full receive buffer here",
                run.lost,
                causes.network_or_reflector,
                causes.corrupted,
                causes.outside_window,
                causes.receive_overflow
            )?;
        }
        if let (1.., Some(drops @ 1..)) = (run.lost, run.interface_drops) {
            writeln!(
                out,
                "{size}: the interface dropped {drops} arriving frames of any kind here; probes \
                 may be among them"
            )?;
        }
        if run.send_refused > 0 {
            writeln!(
                out,
                "{size}: {} frames were due but refused by the sending kernel (not counted as \
                 sent)",
                run.send_refused
            )?;
        }
        if run.undeliverable > 0 {
            writeln!(out, "{size}: {} reported as unreachable", times(run.undeliverable))?;
        }
        if run.pacing_slips > 0 {
            writeln!(
                out,
                "{size}: the sender fell behind its pace {}: this machine was too busy",
                times(run.pacing_slips)
            )?;
        }
        for failure in &run.failures {
            writeln!(out, "{size}: failed: {failure}")?;
        }
    }
    Ok(())
}

/// How often, as a person says it.
fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn write_table(
    out: &mut impl Write,
    title: &str,
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> io::Result<()> {
    let header = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(String::len).max())
        .map(Option::unwrap_or_default)
        .collect();
    writeln!(out, "{title}")?;
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        writeln!(out, "  {}", cells.collect::<Vec<_>>().join("  "))?;
    }
    writeln!(out)
}

fn megabits(bits_per_s: Option<f64>, none: &str) -> String {
    bits_per_s.map_or_else(|| none.to_owned(), |bits| format!("{:.3}", bits / 1e6))
}

/// With one decimal, or three where that says little.
fn microseconds(ns: u64) -> String {
    if ns < 10_000 {
        format!("{}.{:03}", ns / 1_000, ns % 1_000)
    } else {
        format!("{}.{}", ns / 1_000, ns % 1_000 / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_that_never_began_has_no_empty_tables() {
        let mut text = Vec::new();
        write_text(&mut text, &[], &Summary::new(&[], true)).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "fail: 0 of 0 runs failed, 0 of 0 frames lost, interrupted\n");
    }

    #[test]
    fn once_is_no_number_of_times() {
        assert_eq!((times(1), times(2)), ("once".to_owned(), "2 times".to_owned()));
    }
}
