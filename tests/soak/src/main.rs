//! Every lock and ring under processes that are killed at random, for as long
//! as wanted; `cargo xtask soak` calls this.
//!
//! One process starts a worker for each seat, kills workers at random and
//! starts others in their place. Now and then it is calm: then every worker
//! that lives must go on. Workers check all that they see, and end with an
//! error if it is not as it must be.
#![deny(unsafe_code)]

#[cfg(target_os = "linux")]
mod coordinator;
#[cfg(target_os = "linux")]
mod numbers;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod worker;
#[cfg(target_os = "linux")]
mod world;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use clap::Parser as _;

    let result = match Command::parse() {
        Command::Run { seconds } => coordinator::run(seconds),
        Command::Work(arguments) => worker::run(&arguments).map(|()| true),
    };
    match result {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("error: the soak needs Linux: it kills processes and looks into /proc");
    std::process::exit(2);
}

/// Locks and rings under processes that are killed at random
#[cfg(target_os = "linux")]
#[derive(Debug, clap::Parser)]
#[command(name = "farend-soak")]
enum Command {
    /// Kill and check; print one line of JSON a second, and one at the end
    Run {
        /// For so long, in seconds
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Take a seat; started by `run`
    #[command(hide = true)]
    Work(worker::Arguments),
}
