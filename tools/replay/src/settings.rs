//! What is asked of the proxy, settled.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use farend_http::{Origin, canonical::Rules};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Forwards, and records every exchange
    Record,
    /// Answers from the cassette
    Replay,
    /// Answers what is recorded, forwards and records the rest
    Auto,
    /// Forwards, and records nothing
    Pass,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Replay => "replay",
            Self::Auto => "auto",
            Self::Pass => "pass",
        }
    }

    pub(crate) const fn records(self) -> bool {
        matches!(self, Self::Record | Self::Auto)
    }

    pub(crate) const fn replays(self) -> bool {
        matches!(self, Self::Replay | Self::Auto)
    }
}

/// What happens when an exchange was asked for more often than it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Repeat {
    /// The last answer again
    #[default]
    Last,
    /// From the first on
    Cycle,
    /// A miss
    Stop,
}

/// Whose requests are counted together where several have one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum CursorPer {
    /// All clients.
    #[default]
    Run,
    /// One client address.
    Address,
    /// One connection.
    Connection,
    /// One value of a field.
    Header(String),
}

/// When octets of an answer go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Pace {
    /// At once.
    #[default]
    None,
    /// As recorded, so many times as long.
    Recorded(f64),
    /// So long before the first octet.
    Fixed(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) cassette: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    /// The only origin, for clients that know no proxy.
    pub(crate) to: Option<Origin>,
    pub(crate) rules: Rules,
    pub(crate) repeat: Repeat,
    pub(crate) cursor_per: CursorPer,
    pub(crate) pace: Pace,
    /// How long an origin may say nothing.
    pub(crate) origin_timeout: Duration,
    pub(crate) redacts: bool,
    pub(crate) reactors: usize,
    pub(crate) is_json: bool,
}
