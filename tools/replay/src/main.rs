//! Records what an HTTP or WebSocket server answered, and answers in its place.
//!
//! **Invariant:** a reactor that was started as `replay` has no `Outward`, the only type
//! that opens a socket to somebody else or asks for a name; no stream is held in memory;
//! octets of a record whose checksum failed never reach a client.
#![deny(unsafe_code)]

mod body;
mod buffer;
mod client;
mod counters;
mod decode;
mod forward;
mod jobs;
mod library;
mod message;
mod miss;
mod options;
mod outward;
mod play;
mod reactor;
mod recording;
mod relay;
mod request;
mod say;
mod serve;
mod settings;
mod show;
mod tape;
mod timer;
mod websocket;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::{
    options::{Command, Options},
    settings::Mode,
};

/// The proxy's port if none is given.
const PORT: u16 = 8080;

/// The exit code for options that cannot be.
const WRONG_OPTIONS: u8 = 2;

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(code) => code,
        Err(error) => {
            say::line(&format!("farend-replay: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let mut child = Vec::new();
    let (mode, common, cassette) = match command {
        Command::Run(run) => {
            child = run.command;
            (run.mode, run.common, Some(run.cassette).filter(|_| run.mode != Mode::Pass))
        }
        Command::Record(serve) => (Mode::Record, serve.common, Some(serve.cassette)),
        Command::Replay(serve) => (Mode::Replay, serve.common, Some(serve.cassette)),
        Command::Auto(serve) => (Mode::Auto, serve.common, Some(serve.cassette)),
        Command::Pass(pass) => (Mode::Pass, pass.common, None),
        Command::Ls(look) => return show::list(&look.cassette, look.json),
        Command::Show(what) => return show::one(&what),
        Command::Check(what) => return show::check(&what),
        Command::Compact(look) => return show::compact(&look.cassette, look.json),
    };
    let port = if child.is_empty() { PORT } else { 0 };
    match common.settle(mode, cassette, port) {
        Ok(settings) => serve::serve(settings, &common.fail_on, &child),
        Err(error) => {
            say::line(&format!("farend-replay: {error:#}"));
            Ok(ExitCode::from(WRONG_OPTIONS))
        }
    }
}
