//! `cargo xtask soak`: what takes too long for every change. Locks and rings
//! for millions of operations while processes are killed, and the drivers at
//! full rate for longer.

mod stages;
mod table;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result, bail};

use self::{
    stages::{STAGES, Stage},
    table::{Outcome, Table},
};
use crate::{host, shell::Shell};

/// How long to run, and how to tell.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only stages whose name contains this: locks, rings, mixed, driver
    filter: Option<String>,
    /// Minutes of the mixed stage; the others take as long as they take
    #[arg(long, default_value_t = 3)]
    minutes: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// What a stage needs to know.
#[derive(Debug)]
pub(crate) struct Asked {
    minutes: u64,
    is_interrupted: Arc<AtomicBool>,
}

/// Runs a few seconds of it, as a step of continuous integration.
pub(crate) fn short(shell: &Shell) -> Result<()> {
    stages::short(shell)
}

/// Runs the stages, and prints what they found.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = Shell::loud();
    let filter = arguments.filter.as_deref().unwrap_or("");
    let stages: Vec<&Stage> = STAGES.iter().filter(|stage| stage.name.contains(filter)).collect();
    if stages.is_empty() {
        let names = STAGES.map(|stage| stage.name).join(", ");
        bail!("no stage {filter}; there are {names}");
    }
    // Whoever presses Ctrl-C reaches the programs of a stage, too: they end, and
    // what was found so far is told.
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted))
            .context("cannot watch for Ctrl-C")?;
    }
    let context = Asked { minutes: arguments.minutes, is_interrupted };
    let mut table = Table::new(arguments.json);
    for stage in stages {
        if context.is_interrupted() {
            break;
        }
        if stage.needs_root && !farend_lab::is_root() {
            host::skip(&shell, &format!("the stage {} needs root", stage.name))?;
            continue;
        }
        shell.say(&format!("{}: {}", stage.name, stage.what));
        let start = Instant::now();
        let outcome = match (stage.run)(&shell, &context) {
            Ok(figures) if context.is_interrupted() => Outcome::interrupted(figures),
            Ok(figures) => Outcome::passed(figures),
            Err(_) if context.is_interrupted() => Outcome::interrupted(String::new()),
            Err(error) => Outcome::failed(&error),
        };
        table.add(stage.name, start.elapsed(), outcome);
    }
    table.print();
    if context.is_interrupted() {
        bail!("interrupted: not every stage ran to its end");
    }
    table.check()
}

impl Asked {
    fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }
}
