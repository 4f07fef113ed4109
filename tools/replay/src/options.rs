//! The command line.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use farend_http::{Origin, canonical::Rules};

use crate::settings::{CursorPer, Mode, Pace, Repeat, Settings};

/// Records what an HTTP or WebSocket server answered, and answers in its place.
///
/// Record through the proxy, stop the server, replay:
///
///   farend-replay record shop.cassette --listen 127.0.0.1:8080
///   curl --proxy 127.0.0.1:8080 http://shop.example/basket
///   farend-replay replay shop.cassette --listen 127.0.0.1:8080
///
/// A client that knows no proxy asks it as if it were the server: give --to URL.
/// What is secret (Authorization, cookies, tokens, passwords, keys) is replaced before it
/// is written, and requests are found whatever their secrets are.
///
/// Exit codes: 0 well, 1 failed or damaged, 2 wrong options, 3 as --fail-on says.
#[expect(clippy::doc_markdown, reason = "it is the text of --help")]
#[expect(rustdoc::bare_urls, reason = "as before")]
#[derive(Debug, Parser)]
#[command(name = "farend-replay", version, verbatim_doc_comment)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Forwards, and records every exchange
    Record(Serve),
    /// Answers from the cassette; opens no connection and asks for no name
    Replay(Serve),
    /// Answers what is recorded, forwards and records the rest
    Auto(Serve),
    /// Forwards, and records nothing
    Pass(Pass),
    /// Runs a command whose proxy variables name this program, for as long as it runs
    Run(Run),
    /// Lists the exchanges of a cassette
    Ls(Look),
    /// Shows one exchange whole
    Show(Show),
    /// Reads everything and compares every checksum
    Check(Check),
    /// Writes a cassette anew: without damage, equal bodies once
    Compact(Look),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The cassette; `record` and `auto` make it or add to it
    pub(crate) cassette: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Pass {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// What happens to requests
    pub(crate) mode: Mode,
    /// The cassette
    pub(crate) cassette: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
    /// The command, behind `--`; its exit code is this program's, or 3 as --fail-on says
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Address and port of the proxy, 127.0.0.1:8080 if not given; port 0, which `run` uses,
    /// takes a free one, which `ready:` names
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Listen beyond this machine: whoever reaches the port can use the proxy
    #[arg(long)]
    allow: bool,
    /// Stand in front of this server alone, for clients that know no proxy
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Do not compare a part of requests: query.NAME, form.NAME, json.$.PATH or body
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Compare this field of requests too
    #[arg(long, value_name = "NAME")]
    match_header: Vec<String>,
    /// When an exchange is asked for more often than it was recorded
    #[arg(long, value_enum, default_value_t)]
    repeat: Repeat,
    /// Count repeats for each: run, address, connection or header:NAME
    #[arg(long, default_value = "run", value_name = "WHAT")]
    cursor_per: String,
    /// How long an origin may say nothing
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// When octets of an answer go: none, recorded, xN (N times as long), or such as 50ms
    #[arg(long, default_value = "none", value_name = "PACE")]
    time: String,
    /// Write secrets as they are
    #[arg(long)]
    no_redact: bool,
    /// Threads that serve connections; one for each CPU if not given
    #[arg(long, value_name = "N")]
    reactors: Option<usize>,
    /// Exit with 3 if there was a miss, or an exchange that was never asked for
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
    /// Events as JSON lines on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A request that nothing recorded answers
    Miss,
    /// An exchange that nobody asked for
    Unused,
}

#[derive(Debug, Args)]
pub(crate) struct Look {
    /// The cassette
    pub(crate) cassette: PathBuf,
    /// JSON in place of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The cassette
    pub(crate) cassette: PathBuf,
    /// The exchange's number, as `ls` shows it
    pub(crate) exchange: u64,
    /// Only the answer's body, as it came, to stdout
    #[arg(long)]
    pub(crate) body: bool,
    /// JSON in place of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The cassette
    pub(crate) cassette: PathBuf,
    /// Look for secrets too, and exit with 3 if there is one
    #[arg(long)]
    pub(crate) secrets: bool,
    /// JSON in place of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl Common {
    /// Settles what was asked for.
    pub(crate) fn settle(
        &self,
        mode: Mode,
        cassette: Option<PathBuf>,
        port: u16,
    ) -> Result<Settings> {
        let listen = self.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into());
        if !listen.ip().is_loopback() && !self.allow {
            bail!("{listen} can be reached from other machines; add --allow if that is wanted");
        }
        let to = self.to.as_deref().map(origin).transpose()?;
        let mut rules = Rules { match_fields: self.match_header.clone(), ..Rules::default() };
        for what in &self.ignore {
            rules.ignore(what).map_err(|why| anyhow::anyhow!("--ignore {why}"))?;
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            mode,
            cassette,
            listen,
            to,
            rules,
            repeat: self.repeat,
            cursor_per: cursor_per(&self.cursor_per)?,
            pace: pace(&self.time)?,
            origin_timeout: Duration::from_secs(self.timeout.clamp(1, 86_400)),
            redacts: !self.no_redact,
            reactors: self.reactors.unwrap_or(cpus).clamp(1, 256),
            is_json: self.json,
        })
    }
}

fn origin(url: &str) -> Result<Origin> {
    match Origin::parse_url(url.as_bytes()) {
        Some((origin, b"" | b"/")) if origin.scheme == farend_http::Scheme::Http => Ok(origin),
        Some((_, b"" | b"/")) => bail!("--to {url}: TLS is not supported yet"),
        Some(_) => bail!("--to {url}: give the server without a path"),
        None => bail!("--to {url}: not a URL such as http://127.0.0.1:3000"),
    }
}

fn cursor_per(text: &str) -> Result<CursorPer> {
    Ok(match text {
        "run" => CursorPer::Run,
        "address" => CursorPer::Address,
        "connection" => CursorPer::Connection,
        _ => match text.strip_prefix("header:") {
            Some(name) if !name.is_empty() => CursorPer::Header(name.to_owned()),
            _ => bail!("--cursor-per {text}: not run, address, connection or header:NAME"),
        },
    })
}

fn pace(text: &str) -> Result<Pace> {
    if text == "none" {
        return Ok(Pace::None);
    }
    if text == "recorded" {
        return Ok(Pace::Recorded(1.0));
    }
    if let Some(factor) = text.strip_prefix('x').and_then(|factor| factor.parse::<f64>().ok())
        && (0.0..=1_000.0).contains(&factor)
    {
        return Ok(Pace::Recorded(factor));
    }
    let duration =
        [("us", 1_u64), ("ms", 1_000), ("s", 1_000_000)].iter().find_map(|(unit, us)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Duration::from_micros(number.checked_mul(*us)?))
        });
    match duration.filter(|duration| duration.as_secs() <= 3_600) {
        Some(duration) => Ok(Pace::Fixed(duration)),
        None => bail!("--time {text}: not none, recorded, x0.5 or a time such as 50ms"),
    }
}
