//! One contender of one row, and its runs.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use farend_lab::Process;
use serde::{Deserialize, Serialize};

use crate::bench::{report::Detail, samples::Samples};

/// Longest time of one run: most take less than a second. One that takes
/// longer hangs.
const RUN_MAX: Duration = Duration::from_mins(2);

/// Contenders that are made of Farend's own parts.
const OURS: [&str; 6] = ["farend", "farend-roomy", "farend-shared", "spsc", "overwrite", "block"];

/// One contender of one row.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) row: String,
    pub(crate) name: String,
    pub(crate) runs: Vec<Run>,
}

/// What one run found; see `benches/sync/src/measured.rs`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) value: f64,
    unit: String,
    operations: u64,
    pub(crate) quantiles_ns: Option<Quantiles>,
    pub(crate) smaller_share: Option<f64>,
    lagged: Option<u64>,
    sent: Option<u64>,
    cpus: Option<[usize; 2]>,
}

/// Nanoseconds of one operation.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Contender {
    /// Reads a line of `list`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (row, name) = line.split_once(' ')?;
        Some(Self { row: row.to_owned(), name: name.to_owned(), runs: Vec::new() })
    }

    /// Whether it is somebody else's.
    pub(crate) fn is_peer(&self) -> bool {
        !OURS.contains(&self.name.as_str())
    }

    /// One number of each run.
    pub(crate) fn samples(&self, number: impl Fn(&Run) -> f64) -> Samples {
        let mut samples = Samples::default();
        for run in &self.runs {
            samples.push(number(run));
        }
        samples
    }

    /// Everything that is told of it.
    pub(crate) fn detail(&self) -> Detail {
        let values = self.samples(|run| run.value);
        let median = |number: fn(&Quantiles) -> f64| {
            let numbers = self.samples(|run| run.quantiles_ns.as_ref().map_or(f64::NAN, number));
            Some(numbers.median()).filter(|median| !median.is_nan())
        };
        let total = |number: fn(&Run) -> u64| self.runs.iter().map(number).sum::<u64>();
        let last = self.runs.last();
        Detail {
            contender: format!("{}: {}", self.row, self.name),
            value: values.median(),
            unit: last.map_or(String::new(), |run| run.unit.clone()),
            spread: values.spread(),
            p50_ns: median(|quantiles| quantiles.p50),
            p99_ns: median(|quantiles| quantiles.p99),
            p999_ns: median(|quantiles| quantiles.p999),
            operations: total(|run| run.operations),
            lagged: last.and_then(|run| run.lagged).map(|_| total(|run| run.lagged.unwrap_or(0))),
            cpus: last.and_then(|run| run.cpus),
        }
    }
}

impl Run {
    /// Whether each of `readers` got every message, or was told of it as lost.
    pub(crate) fn accounts_for_all(&self, readers: u64) -> bool {
        let known = self.operations + self.lagged.unwrap_or(0);
        self.sent.is_some_and(|sent| sent > 0 && known == sent * readers)
    }

    /// Runs a contender once.
    pub(crate) fn of(program: &Path, contender: &Contender) -> Result<Self> {
        let Contender { row, name, .. } = contender;
        let mut command = Command::new(program);
        command.args(["measure", row, name]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(command)?;
        // It says a line at its end, which a pipe holds.
        let status = process.wait_for(RUN_MAX).with_context(|| format!("{row}, {name}"))?;
        let (mut said, mut complaint) = (String::new(), String::new());
        process.stdout.take().context("no standard output")?.read_to_string(&mut said)?;
        process.stderr.take().context("no standard error")?.read_to_string(&mut complaint)?;
        if !status.success() {
            bail!("{row}, {name}: {}", complaint.trim());
        }
        serde_json::from_str(&said).with_context(|| format!("{row}, {name} said {said:?}"))
    }
}
