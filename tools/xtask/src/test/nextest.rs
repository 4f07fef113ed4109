//! cargo-nextest: installed where it is missing, run, and understood.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    ebpf::cache_folder,
    shell::{Shell, capture, cargo},
};

/// The release that is installed where none is there.
const VERSION: &str = "0.9.151";

/// Which tests to run, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Only these packages; all if empty.
    pub(crate) packages: &'a [String],
    /// Only tests whose name contains this.
    pub(crate) filter: Option<&'a str>,
    /// Whether they take their time.
    pub(crate) is_long: bool,
    /// Where tests write what they skip.
    pub(crate) skips_file: &'a Path,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tests that were run.
    pub(crate) run: usize,
    /// Those that failed, by name, with more than "failed" in brackets.
    pub(crate) failed: Vec<String>,
}

/// Runs the tests. That some failed is no error.
pub(crate) fn run(shell: &Shell, asked: &Asked<'_>) -> Result<Outcome> {
    let mut command = cargo();
    let cargo = command.get_program().to_owned();
    let folder = command.get_current_dir().map(Path::to_owned);
    command = Command::new(ready(shell)?);
    command.current_dir(folder.unwrap_or_else(|| ".".into())).env("CARGO", cargo);
    command.args(["nextest", "run", "--no-tests", "pass"]);
    if asked.is_long {
        command.args(["--profile", "long"]).env(farend_effort::LONG, "1");
    }
    command.args(["--color", "never", "--hide-progress-bar"]);
    if asked.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in asked.packages {
        command.args(["--package", package]);
    }
    command.args(asked.filter).env(farend_effort::SKIPS_FILE, asked.skips_file);
    let mut report = Report::default();
    let status = shell.run_by_line(&mut command, |line| report.take(line))?;
    let outcome = report.outcome.context("cargo-nextest ended without a summary")?;
    if status.success() != outcome.failed.is_empty() {
        bail!("cargo-nextest: {status}, but {} tests failed", outcome.failed.len());
    }
    Ok(outcome)
}

/// The program; built if there is none.
fn ready(shell: &Shell) -> Result<PathBuf> {
    let own = cache_folder()?.join("tools");
    let program = own.join("bin/cargo-nextest");
    for candidate in [Path::new("cargo-nextest"), &program] {
        if Command::new(candidate).args(["nextest", "--version"]).output().is_ok() {
            return Ok(candidate.to_owned());
        }
    }
    shell.say(&format!("building cargo-nextest {VERSION}, once: this takes some minutes"));
    let mut install = cargo();
    // Unoptimised: it waits most of its time, and is built in half of it.
    install
        .args(["install", "cargo-nextest", "--locked", "--debug", "--version", VERSION])
        .args(["--no-default-features", "--root"])
        .arg(&own)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    shell.run(&mut install).context("cannot build cargo-nextest")?;
    capture(Command::new(&program).args(["nextest", "--version"]))?;
    Ok(program)
}

/// Reads what cargo-nextest says, line by line.
#[derive(Debug, Default)]
struct Report {
    /// Since its summary.
    outcome: Option<Outcome>,
}

impl Report {
    fn take(&mut self, line: &str) {
        let line = line.trim();
        if let Some(outcome) = &mut self.outcome {
            let failed = failed_test(line);
            outcome.failed.extend(failed.filter(|name| !outcome.failed.contains(name)));
        } else if let Some(summary) = line.strip_prefix("Summary [") {
            let run = summary.split_once(']').map_or(0, |(_, counts)| first_number(counts));
            self.outcome = Some(Outcome { run, failed: Vec::new() });
        }
    }
}

/// The test that a line behind the summary is about, as in
/// `TIMEOUT [ 180.002s] (12/40) farend-xdp::faults kill_9_leaves_no_program`.
fn failed_test(line: &str) -> Option<String> {
    let (status, rest) = line.split_once(" [")?;
    let (_time, mut name) = rest.split_once("] ")?;
    if !status.starts_with(|first: char| first.is_ascii_uppercase()) {
        return None;
    }
    if let Some((_number, behind)) = name.strip_prefix('(').and_then(|name| name.split_once(") ")) {
        name = behind;
    }
    let name = name.trim();
    Some(if status == "FAIL" { name.to_owned() } else { format!("{name} ({status})") })
}

/// The first number of a text, as in ` 12 tests run: 12 passed`.
fn first_number(text: &str) -> usize {
    let digits: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Option<Outcome> {
        let mut report = Report::default();
        lines.lines().for_each(|line| report.take(line));
        report.outcome
    }

    #[test]
    fn summary_names_each_failed_test_once() {
        let said = "\
        FAIL [   0.010s] (1/4) farend-core before::the_summary
     Summary [  12.345s] 1204 tests run: 1202 passed (3 slow), 1 failed, 1 timed out, 4 skipped
        FAIL [   0.010s] (1/4) farend-core before::the_summary
     TIMEOUT [ 180.002s] farend-xdp::faults kill_9_leaves_no_program
        FAIL [   0.010s] (1/4) farend-core before::the_summary
error: test run failed";
        let outcome = read(said).unwrap();
        assert_eq!(outcome.run, 1204);
        let wanted = [
            "farend-core before::the_summary",
            "farend-xdp::faults kill_9_leaves_no_program (TIMEOUT)",
        ];
        assert_eq!(outcome.failed, wanted);
    }

    #[test]
    fn run_that_was_cancelled_counts_what_it_ran() {
        let outcome = read("     Summary [   0.5s] 3/40 tests run: 3 passed, 0 skipped").unwrap();
        assert_eq!(outcome, Outcome { run: 3, failed: Vec::new() });
        assert_eq!(read("error: could not compile"), None);
    }
}
