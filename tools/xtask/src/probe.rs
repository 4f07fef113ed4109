//! Runs the tester and reads what it found.

use std::{
    io::Read as _,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use farend_lab::{Host, Process};
use serde::Deserialize;

/// Wait for stragglers after one size, in milliseconds.
const STRAGGLERS_MS: &str = "150";

/// Least part of an asked rate that must be offered.
const OFFERED_MIN: f64 = 0.95;

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Sizes with FCS, one run each.
    pub(crate) frame_octets: &'a [usize],
    /// Frames a second, or `None` for as fast as it goes.
    pub(crate) rate_fps: Option<u32>,
    /// Sending time of one size, in seconds.
    pub(crate) duration_s: f64,
}

/// Whom to probe.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// The far host, with raw frames from the near one.
    Frames { near: &'a Host, far: &'a Host },
    /// A port of this host, with plain datagrams.
    Datagrams { port: u16 },
}

/// The fields that are read of the tester's `run` records; see
/// `docs/tester.md`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    event: String,
    #[serde(default)]
    frame_octets: usize,
    pub(crate) offered: Option<Rate>,
    pub(crate) returned: Option<Rate>,
    #[serde(default)]
    pub(crate) sent: u64,
    #[serde(default)]
    pub(crate) lost: u64,
    #[serde(default)]
    pub(crate) loss_percent: f64,
    pub(crate) round_trip_ns: Option<RoundTrip>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Rate {
    pub(crate) frames_per_s: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RoundTrip {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Run {
    /// Whether frames were sent at least at this part of the asked rate, in
    /// frames a second: what was lost at a lower one says nothing.
    pub(crate) fn is_offered(&self, rate_fps: u32) -> bool {
        let offered = self.offered.as_ref().map_or(0.0, |rate| rate.frames_per_s);
        self.sent > 0 && offered >= OFFERED_MIN * f64::from(rate_fps)
    }
}

/// Runs the tester; one result for each size.
pub(crate) fn probe(program: &Path, target: Target<'_>, asked: Asked<'_>) -> Result<Vec<Run>> {
    let rate = asked.rate_fps.map_or_else(|| "max".to_owned(), |rate| rate.to_string());
    let sizes: Vec<_> = asked.frame_octets.iter().map(ToString::to_string).collect();
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.args(["probe", "--json", "--signature", "probeot", "--rate", &rate]);
    command.args(["--duration", &asked.duration_s.to_string(), "--wait-ms", STRAGGLERS_MS]);
    command.args(["--frame-octets", &sizes.join(",")]);
    let process = match target {
        Target::Frames { near, far } => {
            command.args([&far.ipv4.to_string(), "--target-mac", &far.mac.to_string()]);
            command.args(["--interface", near.interface]);
            near.namespace.spawn(command)?
        }
        Target::Datagrams { port } => {
            let address = IpAddr::V4(Ipv4Addr::LOCALHOST).to_string();
            command.args([&address, "--port", &port.to_string()]);
            Process::spawn(command)?
        }
    };
    read(process, asked.frame_octets)
}

/// Reads the records until the tester ends.
fn read(mut process: Process, wanted: &[usize]) -> Result<Vec<Run>> {
    let mut output = String::new();
    process.stdout.take().context("no standard output")?.read_to_string(&mut output)?;
    let mut complaint = String::new();
    process.stderr.take().context("no standard error")?.read_to_string(&mut complaint)?;
    process.wait()?;
    let parse = |line: &str| -> Result<Run> {
        serde_json::from_str(line).with_context(|| format!("not a record of the tester: {line}"))
    };
    let mut runs = output.lines().map(parse).collect::<Result<Vec<_>>>()?;
    runs.retain(|run| run.event == "run");
    if !runs.iter().map(|run| run.frame_octets).eq(wanted.iter().copied()) {
        bail!("the tester did not measure every size: {}", complaint.trim());
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_that_was_not_offered_is_seen() {
        let run = |offered: &str| -> Run {
            let line = format!(r#"{{"event":"run","sent":9,"offered":{offered}}}"#);
            serde_json::from_str(&line).unwrap()
        };
        assert!(run(r#"{"frames_per_s":96.0}"#).is_offered(100));
        assert!(!run(r#"{"frames_per_s":94.0}"#).is_offered(100));
        assert!(!run("null").is_offered(100));
    }
}
