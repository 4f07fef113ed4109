//! Runs that are kept, one line each, in a file for each kind of CPU, and the
//! figures in the README, which are written from them and never by hand.

use std::{fs, io::Write as _, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    machine::{Cpu, Machine},
    report::{Report, Row, table},
};
use crate::shell::{capture, root};

/// Layout of a line. Goes up with every change that old lines do not fit.
const SCHEMA: &str = "farend.bench/1";
const BEGIN: &str = "<!-- bench: written by `cargo xtask bench --record`, never by hand -->\n";
const END: &str = "<!-- bench: end -->\n";

/// One run, as it is kept.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    schema: String,
    /// When it ended, UTC.
    date: String,
    /// What was measured; `-dirty` if it was not all committed.
    commit: String,
    kernel: String,
    cpu: String,
    cpus: usize,
    /// Load average of the last minute, before and after.
    load: [Option<f64>; 2],
    /// Turns of each measurement.
    turns: usize,
    /// Whether every group was measured, with as many turns as it takes.
    is_whole: bool,
    groups: Vec<String>,
    /// Failed attempts, and what else must be known of it.
    warnings: Vec<String>,
    rows: Vec<Row>,
}

/// What was measured, and how.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) groups: Vec<&'static str>,
    pub(crate) turns: usize,
    pub(crate) is_whole: bool,
}

/// Says so if this kind of CPU has no recorded run.
pub(crate) fn tell_unknown_cpu(report: &Report) {
    let cpu = Cpu::of_this_machine();
    if !path(&cpu.kind).exists() {
        report.remark(&format!(
            "no run is recorded on this kind of CPU, {} ({}): --record keeps one",
            cpu.kind, cpu.model
        ));
    }
}

/// Appends this run to its CPU's file and writes the README's figures anew.
pub(crate) fn append(report: &Report, machine: &Machine, scope: Scope) -> Result<()> {
    let cpu = Cpu::of_this_machine();
    let run = Run {
        schema: SCHEMA.to_owned(),
        date: told(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))?,
        commit: told(Command::new("git").current_dir(root()).args([
            "describe",
            "--always",
            "--abbrev=12",
            "--exclude=*",
            "--dirty",
        ]))?,
        kernel: told(Command::new("uname").arg("-r"))?,
        cpu: cpu.model,
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        load: machine.loads(),
        turns: scope.turns,
        is_whole: scope.is_whole,
        groups: scope.groups.into_iter().map(str::to_owned).collect(),
        warnings: report.warnings(),
        rows: report.rows().to_vec(),
    };
    let path = path(&cpu.kind);
    fs::create_dir_all(folder())?;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path)?;
    writeln!(file, "{}", serde_json::to_string(&run)?)?;
    report.remark(&format!("recorded in {}", path.display()));
    fs::write(readme(), with_figures(&fs::read_to_string(readme())?, &figures()?)?)?;
    Ok(())
}

/// Fails if the README's figures are not those of the recorded runs.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(readme())?;
    if with_figures(&text, &figures()?)? != text {
        bail!("the README's figures are not those of benches/results: cargo xtask bench --record");
    }
    Ok(())
}

/// The figures of each kind of CPU: its newest whole run, or where there is
/// none the newest of any.
fn figures() -> Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder()).into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    let mut figures = String::new();
    for file in files {
        let name = file.display();
        let text = fs::read_to_string(&file)?;
        let parse = |line: &str| -> Result<Run> {
            serde_json::from_str(line).with_context(|| format!("{name}: not a run: {line:.60}"))
        };
        let runs = text.lines().map(parse).collect::<Result<Vec<_>>>()?;
        if let Some(run) = newest(&runs) {
            figures.push_str(&run.figures());
        }
    }
    Ok(figures)
}

fn newest(runs: &[Run]) -> Option<&Run> {
    runs.iter().rev().find(|run| run.is_whole).or(runs.last())
}

impl Run {
    fn figures(&self) -> String {
        let Self { cpu, cpus, kernel, commit, date, turns, .. } = self;
        let load = self.load.map(|load| load.map_or("?".to_owned(), |load| format!("{load:.2}")));
        let [before, after] = load;
        let scope = if self.is_whole {
            String::new()
        } else {
            format!(" Not a whole run: {}.", self.groups.join(", "))
        };
        let mut figures = format!(
            "\n{cpu}, {cpus} CPUs, Linux {kernel}; commit {commit}, {date}, {turns} turns, load \
             {before} before and {after} after.{scope}\n\n```\n{}```\n",
            table(&self.rows)
        );
        for warning in &self.warnings {
            figures.extend(["- ", warning, "\n"]);
        }
        figures
    }
}

/// The text with other figures between the markers.
fn with_figures(text: &str, figures: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the README has no place for figures")?;
    let (_, after) = rest.split_once(END).context("the README's figures have no end")?;
    Ok(format!("{before}{BEGIN}{figures}\n{END}{after}"))
}

fn told(command: &mut Command) -> Result<String> {
    Ok(capture(command)?.trim().to_owned())
}

fn folder() -> PathBuf {
    root().join("benches/results")
}

fn path(kind: &str) -> PathBuf {
    folder().join(format!("{kind}.jsonl"))
}

fn readme() -> PathBuf {
    root().join("README.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(date: &str, is_whole: bool) -> Run {
        Run {
            schema: SCHEMA.to_owned(),
            date: date.to_owned(),
            commit: "0123456789ab".to_owned(),
            kernel: "6.18".to_owned(),
            cpu: "a CPU".to_owned(),
            cpus: 2,
            load: [Some(0.1), None],
            turns: 11,
            is_whole,
            groups: vec!["kernel".to_owned()],
            warnings: vec!["attempt 1 lost 3 of 9".to_owned()],
            rows: vec![Row::plain("a row".to_owned(), 1.0, "ns", "at most 2".to_owned(), true)],
        }
    }

    #[test]
    fn newest_whole_run_is_shown_and_else_the_newest() {
        let runs = [run("1", true), run("2", true), run("3", false)];
        assert_eq!(newest(&runs).unwrap().date, "2");
        assert_eq!(newest(&runs[2..]).unwrap().date, "3");
        assert!(newest(&[]).is_none());
    }

    #[test]
    fn figures_replace_what_stands_between_the_markers() {
        let text = format!("before\n{BEGIN}stale\n{END}after\n");
        let written = with_figures(&text, &run("2", false).figures()).unwrap();
        assert!(written.starts_with("before\n") && written.ends_with("after\n"));
        assert!(!written.contains("stale") && written.contains("holds: at most 2"));
        assert!(written.contains("attempt 1 lost 3 of 9"), "{written}");
        assert!(written.contains("Not a whole run: kernel."), "{written}");
        let again = with_figures(&written, &run("2", false).figures()).unwrap();
        assert_eq!(again, written);
    }

    #[test]
    fn readme_shows_the_recorded_figures() {
        check().unwrap();
    }

    #[test]
    fn run_survives_the_way_through_its_line() {
        let kept = run("2", true);
        let line = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Run>(&line).unwrap(), kept);
    }
}
