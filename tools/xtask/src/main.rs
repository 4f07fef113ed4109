//! Every command of the project: `cargo xtask demo | test | ci | bench | soak | ebpf`.
#![deny(unsafe_code)]

mod bench;
mod ci;
mod darwin;
mod demo;
mod ebpf;
mod fuzz;
mod hex;
mod host;
mod models;
mod probe;
mod programs;
mod shell;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::shell::Shell;

/// Farend: show it, test it, measure it, build its kernel program.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show it: a tester and a reflector on two hosts, every tier side by side
    Demo(demo::Arguments),
    /// Run the tests; as root also those in network namespaces and the kernel
    Test(test::Arguments),
    /// Run everything that continuous integration runs
    Ci(ci::Arguments),
    /// Measure, beside what each number is compared with
    Bench(bench::Arguments),
    /// Run for long, and kill at random: what takes too long for every change
    Soak(soak::Arguments),
    /// Rebuild the kernel program, or check the one at hand
    Ebpf(ebpf::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&Shell::loud(), &arguments),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Ebpf(arguments) => ebpf::run(&Shell::loud(), &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
