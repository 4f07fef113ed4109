//! `farendctl`: looks at running drivers and steers them.

use std::{
    io,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::Parser;
use farendctl::{
    Error,
    args::{Cli, Command},
    bridge, config, counters, look, pages, report, steer, tap,
};
use signal_hook::consts::{SIGINT, SIGTERM};

/// What a shell reports for a process that SIGINT ended.
const EXIT_INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("farendctl: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<bool, Error> {
    let Cli { command, which, json } = cli;
    let out = &mut io::stdout().lock();
    match command {
        Command::Tap(args) => {
            let stop = stop()?;
            return tap::tap(args, *json, &stop, out).map(|()| true);
        }
        Command::Counters(args) => {
            let stop = stop()?;
            return counters::counters(args, *json, &stop, out);
        }
        Command::Status => look::status(which, *json, out),
        Command::Stats(args) => look::stats(args, which, *json, out),
        Command::Watch => look::watch(which, *json, out),
        Command::Config { command } => config::config(command, which, *json, out),
        Command::Start(args) => steer::start(args, which, *json, out),
        Command::Stop { interface } => steer::stop(interface.as_ref(), which, *json, out),
        Command::Reset { interfaces } => steer::reset(interfaces, which, *json, out),
        Command::Call(args) => steer::call(args, which, out),
        Command::Report => report::report(which, *json, out),
        Command::Bridge(args) => bridge::bridge(args, which, out),
        Command::Completions { shell } => pages::completions(*shell, out),
        Command::Man { folder } => pages::man(folder),
    }?;
    Ok(true)
}

/// What SIGINT and SIGTERM set, the first time: what was seen is told. The
/// second one ends everything. Commands that only wait for a driver end at once,
/// as any program does.
fn stop() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order of the two matters: the first looks at what the second sets.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            EXIT_INTERRUPTED,
            Arc::clone(&stop),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
        .map_err(|error| Error::run(format!("cannot handle signals: {error}")))?;
    }
    Ok(stop)
}
