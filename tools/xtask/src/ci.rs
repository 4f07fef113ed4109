//! `cargo xtask ci`: everything that continuous integration runs, step by
//! step.

mod steps;

use std::{fs, time::Instant};

use anyhow::{Result, bail};

use self::steps::{STEPS, Step};
use crate::{
    host,
    shell::{Shell, target},
};

/// Which steps to run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only these steps
    steps: Vec<String>,
    /// Only name the steps
    #[arg(long)]
    list: bool,
}

/// Runs the steps. A failure does not keep the later ones from running.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for step in &STEPS {
            println!("{:<12} {}", step.name, step.what);
        }
        return Ok(());
    }
    let wanted = choose(&arguments.steps)?;
    // A step that cannot run here is a failure, not a skip.
    host::forbid_skips();
    let mut failed = 0;
    for step in &wanted {
        if let Err(error) = run_one(step) {
            eprintln!("{}: failed: {error:#}", step.name);
            failed += 1;
        }
    }
    let passed = wanted.len() - failed;
    eprintln!("{passed} steps passed, {failed} failed");
    if failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    if names.is_empty() {
        return Ok(STEPS.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        match STEPS.iter().find(|step| step.name == name) {
            Some(step) => chosen.push(step),
            None => bail!("no step {name}; cargo xtask ci --list names them"),
        }
    }
    Ok(chosen)
}

/// Runs one step, one line about it; what it said is shown if it fails.
fn run_one(step: &Step) -> Result<()> {
    let folder = target().join("ci");
    fs::create_dir_all(&folder)?;
    let log = folder.join(format!("{}.log", step.name));
    let shell = if step.is_loud { Shell::loud() } else { Shell::quiet(&log)? };
    let start = Instant::now();
    let result = (step.run)(&shell);
    let seconds = start.elapsed().as_secs_f64();
    let outcome = if result.is_ok() { "passed" } else { "failed" };
    if result.is_err() && !step.is_loud {
        eprint!("{}", fs::read_to_string(&log).unwrap_or_default());
    }
    eprintln!("{outcome} {:<12} {seconds:6.1} s  {}", step.name, step.what);
    result
}
