//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    bridge::BridgeArgs,
    config::ConfigCommand,
    counters::CountersArgs,
    drivers::Which,
    look::StatsArgs,
    steer::{CallArgs, StartArgs},
    tap::TapArgs,
};

const EXAMPLES: &str = "\
A driver serves control clients if it was started with --control on (or --control PATH).

Examples:
  farendctl status                            what is served, and how
  farendctl config set port=7 max-rate=250k   change settings without losing a frame
  farendctl start eth1 --for 600              answer for ten minutes
  farendctl reset --json                      begin an epoch; what the last one counted
  farendctl -H lab7 watch                     what happens on another host, over ssh
  farendctl call GetStatus --more             any call, as docs/control.md has it

Exit codes: 0 done, 1 failed or refused, 2 wrong arguments, 3 nobody there, 4 not allowed.";

/// Looks at running drivers and steers them.
#[derive(Parser, Debug)]
#[command(name = "farendctl", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Which drivers are meant.
    #[command(flatten)]
    pub which: Which,

    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Shows what is served, and how
    Status,
    /// Shows counters, since the last reset
    Stats(StatsArgs),
    /// Settings of a running driver
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Answers on an interface again
    Start(StartArgs),
    /// Stops answering: the host sees every frame
    Stop {
        /// The interface; all of the driver, if none is named
        interface: Option<String>,
    },
    /// Begins an epoch of statistics, and shows what the last one counted
    Reset {
        /// These interfaces alone
        interfaces: Vec<String>,
    },
    /// Shows what happens, as it happens
    Watch,
    /// Prints all that a ticket needs, without addresses
    Report,
    /// Makes any call, and prints its reply
    Call(CallArgs),
    /// A driver's socket on standard input and output, for --host
    Bridge(BridgeArgs),
    /// Shows frames that a driver on this host sees, as they pass
    Tap(TapArgs),
    /// Shows the counters that a driver on this host keeps in shared memory
    Counters(CountersArgs),
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Writes manual pages into a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_for_all_commands_may_stand_behind_them() {
        let line = "farendctl config set port=7 --driver a --json";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!((cli.which.driver.as_deref(), cli.json), (Some("a"), true));
        assert!(Cli::try_parse_from("farendctl status --socket a -d b".split(' ')).is_err());
    }
}
