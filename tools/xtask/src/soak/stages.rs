//! The stages: one short function for each.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use farend_lab::Process;
use serde::Deserialize;

use super::Asked;
use crate::{
    shell::{Shell, cargo, target},
    test::{nextest, skips::Skips},
};

/// One stage.
pub(crate) struct Stage {
    /// What to call it on the command line.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    pub(crate) needs_root: bool,
    /// Does it; what it counted, in words.
    pub(crate) run: fn(&Shell, &Asked) -> Result<String>,
}

/// Every stage.
pub(crate) const STAGES: [Stage; 4] = [
    Stage {
        name: "locks",
        what: "ten million operations, owners killed at 1,000 random points",
        needs_root: false,
        run: |shell, asked| tests(shell, asked, "farend-futex"),
    },
    Stage {
        name: "rings",
        what: "senders and receivers killed at 1,000 random points",
        needs_root: false,
        run: |shell, asked| tests(shell, asked, "farend-shm"),
    },
    Stage {
        name: "mixed",
        what: "every lock and ring at once, processes killed at random",
        needs_root: false,
        run: mixed,
    },
    Stage {
        name: "driver",
        what: "the tiers of farend-xdp at full rate, for longer",
        needs_root: true,
        run: |shell, asked| tests(shell, asked, "farend-xdp"),
    },
];

/// The long form of a package's tests.
fn tests(shell: &Shell, asked: &Asked, package: &str) -> Result<String> {
    let skips = Skips::new()?;
    let outcome = nextest::run(
        shell,
        &nextest::Asked {
            packages: &[package.to_owned()],
            filter: None,
            is_long: true,
            skips_file: skips.file(),
        },
    )?;
    if asked.is_interrupted() || !outcome.failed.is_empty() {
        bail!("{package}: {} of {} tests failed", outcome.failed.len(), outcome.run);
    }
    skips.read()?.tell(shell);
    Ok(format!("{} tests", outcome.run))
}

/// A line of `farend-soak`; see `tests/soak/src/report.rs`.
#[derive(Debug, Deserialize)]
struct Progress {
    is_end: bool,
    seconds: f64,
    kills: u64,
    operations: u64,
    owners_died: u64,
    messages: u64,
    lagged: u64,
    calms: u64,
    went_on_p50_ms: f64,
    went_on_max_ms: f64,
    faults: Vec<String>,
}

fn mixed(shell: &Shell, asked: &Asked) -> Result<String> {
    let mut build = cargo();
    shell.run(build.args(["build", "--release", "--quiet", "--package", "farend-soak"]))?;
    run_mixed(shell, &target().join("release/farend-soak"), asked.minutes.saturating_mul(60))
}

/// Some seconds of the mixed stage, as a step of continuous integration.
pub(super) fn short(shell: &Shell) -> Result<()> {
    const SECONDS: u64 = 10;
    shell.run(cargo().args(["build", "--quiet", "--package", "farend-soak"]))?;
    let figures = run_mixed(shell, &target().join("debug/farend-soak"), SECONDS)?;
    shell.say(&figures);
    Ok(())
}

fn run_mixed(shell: &Shell, program: &Path, seconds: u64) -> Result<String> {
    let mut command = Command::new(program);
    command.args(["run", "--seconds", &seconds.to_string()]);
    let mut last = None;
    let mut nonsense = None;
    let mut told_s = f64::NEG_INFINITY;
    let status = lines(command, |line| match serde_json::from_str::<Progress>(line) {
        Ok(progress) => {
            if progress.is_end || progress.seconds - told_s >= 10.0 {
                told_s = progress.seconds;
                shell.say(&format!("{:.0} s: {}", progress.seconds, progress.words()));
            }
            last = Some(progress);
        }
        Err(error) => nonsense = Some(format!("{line:?}: {error}")),
    })?;
    if let Some(nonsense) = nonsense {
        bail!("farend-soak said {nonsense}");
    }
    let last = last.context("farend-soak said nothing")?;
    if !last.faults.is_empty() {
        bail!("{}", last.faults.join("; "));
    }
    if !status.success() || !last.is_end {
        bail!("farend-soak ended with {status}");
    }
    Ok(last.words())
}

impl Progress {
    fn words(&self) -> String {
        format!(
            "{} operations, {} kills, {} locks from the dead, {} messages whole, {} told as \
             missed, {} calms: all went on after {:.1} ms (p50), {:.1} ms (longest)",
            self.operations,
            self.kills,
            self.owners_died,
            self.messages,
            self.lagged,
            self.calms,
            self.went_on_p50_ms,
            self.went_on_max_ms,
        )
    }
}

/// Runs a program and hands over each line of its standard output.
fn lines(mut command: Command, mut take: impl FnMut(&str)) -> Result<std::process::ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = Process::spawn(command)?;
    let output = process.stdout.take().context("no standard output")?;
    for line in BufReader::new(output).lines() {
        take(&line.context("cannot read what a program said")?);
    }
    Ok(process.wait()?)
}
