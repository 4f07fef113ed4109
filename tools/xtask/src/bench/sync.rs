//! Locks and rings beside the floor and their peers, delivered messages
//! counted: `benches/sync`, whose contenders take turns here.

mod contender;
mod musts;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::{
    contender::{Contender, Run},
    musts::MUSTS,
};
use super::{
    Effort,
    report::{Report, Row},
};
use crate::{
    host,
    shell::{Shell, capture, cargo, target},
};

/// Failures of one peer in one turn that do not end the rest.
const PEER_FAILURES_MAX: u32 = 2;

/// Measures the rows of this group.
pub(crate) fn measure(shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let program = build(shell)?;
    let all = list(&program)?;
    let mut rows: Vec<&str> = all.iter().map(|contender| contender.row.as_str()).collect();
    rows.dedup();
    for row in rows {
        shell.say(&format!("measuring {row}, {} turns", effort.turns));
        let contenders = all.iter().filter(|contender| contender.row == row).cloned();
        let contenders = in_turns(shell, &program, effort.turns, contenders.collect())?;
        for contender in &contenders {
            report.detail(contender.detail());
        }
        for must in MUSTS.iter().filter(|must| must.row == row) {
            report.push(must.judge(&contenders)?);
        }
        extra(row, &contenders, report)?;
    }
    Ok(())
}

/// Runs each contender once, then each once more. The first turn warms up and
/// is not kept.
fn in_turns(
    shell: &Shell,
    program: &Path,
    turns: usize,
    mut contenders: Vec<Contender>,
) -> Result<Vec<Contender>> {
    for turn in 0..=turns {
        for contender in &mut contenders {
            let run = run_once(shell, program, contender)?;
            if turn > 0 {
                contender.runs.push(run);
            }
        }
    }
    Ok(contenders)
}

/// Runs a contender once. A peer that fails is told of and runs again, a bounded
/// number of times: what is measured is ours, and not its faults.
fn run_once(shell: &Shell, program: &Path, contender: &Contender) -> Result<Run> {
    for _ in 0..PEER_FAILURES_MAX {
        match Run::of(program, contender) {
            Err(error) if contender.is_peer() => {
                shell.say(&format!("a peer failed and runs again: {error:#}"));
            }
            outcome => return outcome,
        }
    }
    Run::of(program, contender)
}

/// What must hold of our own contender alone.
fn extra(row: &str, contenders: &[Contender], report: &mut Report) -> Result<()> {
    match row {
        "contended" => {
            let ours = musts::find(contenders, "farend")?;
            let share = ours.samples(|run| run.smaller_share.unwrap_or(0.0));
            report.push(Row {
                spread: share.spread(),
                ..Row::plain(
                    "sync: contended, smaller share of two".to_owned(),
                    share.median(),
                    "of all",
                    "at least 0.4".to_owned(),
                    share.median() >= 0.4,
                )
            });
        }
        "waiting" => {
            let ours = musts::find(contenders, "farend")?;
            let theirs = musts::find(contenders, "std")?;
            let p999 = |run: &Run| run.quantiles_ns.map_or(f64::NAN, |quantiles| quantiles.p999);
            let (ours, theirs) = (ours.samples(p999), theirs.samples(p999));
            let ratio = ours.zip(&theirs, |ours, theirs| ours / theirs).median();
            let name = "sync: 50 ns in and out, p99.9 of waiting, to std".to_owned();
            report.push(Row {
                spread: ours.spread(),
                against: Some("std".into()),
                against_value: Some(theirs.median()),
                ratio: Some(ratio),
                ..Row::plain(name, ours.median(), "ns", "at most 3".to_owned(), ratio <= 3.0)
            });
        }
        "death" => most(contenders, report, "a peer's death known, p99", "ns", 1e6)?,
        "idle-wakes" => most(contenders, report, "an idle side wakes", "1/s", 0.0)?,
        "idle-cpu" => most(contenders, report, "an idle side takes", "of a CPU", 0.0)?,
        "broadcast-4" => {
            let ours = musts::find(contenders, "overwrite")?;
            let rate = ours.samples(|run| run.value);
            report.push(Row {
                spread: rate.spread(),
                ..Row::plain(
                    "sync: broadcast 64 B, 4 readers, all".to_owned(),
                    rate.median(),
                    "messages/s",
                    "each delivered or in the lag count".to_owned(),
                    !ours.runs.is_empty() && ours.runs.iter().all(|run| run.accounts_for_all(4)),
                )
            });
        }
        _ => {}
    }
    Ok(())
}

/// Our own contender's value, which must be so much at most.
fn most(
    contenders: &[Contender],
    report: &mut Report,
    title: &str,
    unit: &'static str,
    most: f64,
) -> Result<()> {
    let ours = musts::find(contenders, "farend")?.samples(|run| run.value);
    let holds = ours.median() <= most;
    let words = format!("at most {most}");
    let row = Row::plain(format!("sync: {title}"), ours.median(), unit, words, holds);
    report.push(Row { spread: ours.spread(), ..row });
    Ok(())
}

/// Builds the contenders as their users build them.
fn build(shell: &Shell) -> Result<PathBuf> {
    shell.say("building benches/sync with its peers; the first time takes some minutes");
    host::need_libclang(shell)?;
    let folder = target().join("benches-sync");
    let mut build = cargo();
    build.env("CARGO_TARGET_DIR", &folder).args(["build", "--release", "--locked", "--quiet"]);
    shell
        .run(build.args(["--manifest-path", "benches/sync/Cargo.toml"]))
        .context("cannot build benches/sync")?;
    Ok(folder.join("release/sync"))
}

/// Every contender, in the order of the rows.
fn list(program: &Path) -> Result<Vec<Contender>> {
    let said = capture(std::process::Command::new(program).arg("list"))?;
    let contenders: Option<Vec<Contender>> = said.lines().map(Contender::parse).collect();
    match contenders {
        Some(contenders) if !contenders.is_empty() => Ok(contenders),
        _ => bail!("benches/sync names no contenders: {said:?}"),
    }
}
