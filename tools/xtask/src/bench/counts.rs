//! Numbers that must not grow unseen: instructions, lengths and allocations,
//! which are the same on every run, and the order of a 99th percentile. Their
//! history is kept, and its newest line is a gate.

use std::{collections::BTreeMap, fs, io::Write as _, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    Effort, instructions, program,
    report::{Report, Row},
};
use crate::shell::{Shell, capture, root};

/// How much a count may grow, of itself, where compiler or kernel is another
/// than the recorded one.
const GROWTH_ELSEWHERE_MAX: f64 = 0.05;
/// How much a count of a frame differs between two runs of one program: by what comes
/// before and after all frames, divided among them.
const NOISE: f64 = 0.01;
/// How much a time may grow: an order of magnitude.
const ORDER: f64 = 10.0;

/// Numbers that were accepted, with what they depend on.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    date: String,
    commit: String,
    rustc: String,
    kernel: String,
    /// Instructions and allocations, by the name of their row.
    counts: BTreeMap<String, f64>,
    /// 99th percentiles, in nanoseconds.
    p99_ns: BTreeMap<String, f64>,
}

/// Measures, and fails if a number is worse than its newest record.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let mut report = Report::new(false);
    let effort = Effort { turns: 1, is_long: false };
    program::measure(shell, effort, &mut report)?;
    instructions::measure(shell, effort, &mut report)?;
    let measured = Line::of(report.rows())?;
    let newest = newest()?.context("no counts are recorded: cargo xtask bench --record")?;
    let complaints = newest.complaints_of(&measured);
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("{}; if it must be so: cargo xtask bench --record", complaints.join("; "))
}

/// Adds a line to the history if these rows hold other numbers than the newest.
pub(crate) fn append(rows: &[Row]) -> Result<()> {
    let measured = Line::of(rows)?;
    let newest = newest()?;
    let is_known = newest.is_some_and(|newest| newest.counts == measured.counts);
    if measured.counts.is_empty() || is_known {
        return Ok(());
    }
    if let Some(folder) = path().parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path())?;
    Ok(writeln!(file, "{}", serde_json::to_string(&measured)?)?)
}

fn newest() -> Result<Option<Line>> {
    let Ok(text) = fs::read_to_string(path()) else { return Ok(None) };
    let newest = text.lines().last().map(serde_json::from_str);
    newest.transpose().context("the newest line of benches/results/history/counts.jsonl is damaged")
}

fn path() -> PathBuf {
    root().join("benches/results/history/counts.jsonl")
}

impl Line {
    fn of(rows: &[Row]) -> Result<Self> {
        let of_unit = |unit: &[&str]| {
            let rows = rows.iter().filter(|row| unit.contains(&row.unit.as_ref()));
            let counted = rows.filter(|row| !row.name.starts_with("sync"));
            counted.map(|row| (row.name.clone(), row.value)).collect()
        };
        Ok(Self {
            date: told(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
            commit: told(Command::new("git").current_dir(root()).args([
                "rev-parse",
                "--short=12",
                "HEAD",
            ]))?,
            rustc: told(Command::new("rustc").arg("--version"))?,
            kernel: told(Command::new("uname").arg("-r"))?,
            counts: of_unit(&["instructions", "allocations"]),
            p99_ns: of_unit(&["ns, p99"]),
        })
    }

    /// What is worse in another line, or missing there.
    fn complaints_of(&self, measured: &Self) -> Vec<String> {
        let is_same_place = (&self.rustc, &self.kernel) == (&measured.rustc, &measured.kernel);
        let growth = if is_same_place { 1.0 } else { 1.0 + GROWTH_ELSEWHERE_MAX };
        let mut complaints = worse(&self.counts, &measured.counts, growth);
        complaints.extend(worse(&self.p99_ns, &measured.p99_ns, ORDER));
        complaints
    }
}

fn worse(
    recorded: &BTreeMap<String, f64>,
    measured: &BTreeMap<String, f64>,
    growth: f64,
) -> Vec<String> {
    let complain = |(name, &most): (&String, &f64)| match measured.get(name) {
        None => Some(format!("{name}: recorded and not measured")),
        Some(value) if *value > most * growth + NOISE => {
            Some(format!("{name}: {value}, recorded {most}"))
        }
        Some(_) => None,
    };
    recorded.iter().filter_map(complain).collect()
}

fn told(command: &mut Command) -> Result<String> {
    Ok(capture(command)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rustc: &str, count: f64, p99_ns: f64) -> Line {
        Line {
            date: String::new(),
            commit: String::new(),
            rustc: rustc.to_owned(),
            kernel: String::new(),
            counts: BTreeMap::from([("hit".to_owned(), count)]),
            p99_ns: BTreeMap::from([("look".to_owned(), p99_ns)]),
        }
    }

    #[test]
    fn one_instruction_more_is_refused_and_one_less_is_not() {
        let recorded = line("a", 100.0, 50.0);
        assert!(recorded.complaints_of(&line("a", 100.0, 50.0)).is_empty());
        assert!(recorded.complaints_of(&line("a", 99.0, 50.0)).is_empty());
        // A run's first and last instructions, divided by its frames.
        assert!(recorded.complaints_of(&line("a", 100.003, 50.0)).is_empty());
        let complaints = recorded.complaints_of(&line("a", 101.0, 50.0));
        assert_eq!(complaints, ["hit: 101, recorded 100"]);
    }

    #[test]
    fn another_compiler_may_need_a_little_more() {
        let recorded = line("a", 100.0, 50.0);
        assert!(recorded.complaints_of(&line("b", 105.0, 50.0)).is_empty());
        assert_eq!(recorded.complaints_of(&line("b", 106.0, 50.0)).len(), 1);
    }

    #[test]
    fn time_is_refused_from_ten_times_on() {
        let recorded = line("a", 100.0, 50.0);
        assert!(recorded.complaints_of(&line("a", 100.0, 500.0)).is_empty());
        assert_eq!(recorded.complaints_of(&line("a", 100.0, 501.0)).len(), 1);
    }

    #[test]
    fn number_that_is_gone_is_refused() {
        let mut measured = line("a", 100.0, 50.0);
        measured.counts.clear();
        assert_eq!(line("a", 100.0, 50.0).complaints_of(&measured).len(), 1);
    }
}
