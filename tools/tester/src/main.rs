//! `farend-tester`: measures what a reflector sends back.

use std::{
    io,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::Parser;
use farend_tester::{
    Error,
    args::{Cli, Command},
    probe::probe,
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
            eprintln!("farend-tester: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<bool, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first one stops sending, the second one everything. The order of
        // the two lines matters: the first looks at what the second sets.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            EXIT_INTERRUPTED,
            Arc::clone(&stop),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
        .map_err(|error| Error::run(format!("cannot handle signals: {error}")))?;
    }
    let out = &mut io::stdout().lock();
    match &cli.command {
        Command::Probe(args) => probe(args, &stop, out),
    }
}
