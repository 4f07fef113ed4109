//! Writes statistics in the form that was asked for.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use super::{Ready, Snapshot, csv, json, text};
use crate::{console::say, observe, values::Format};

/// Tells what happens: statistics on an output, lines for a person on standard
/// error.
#[derive(Debug)]
pub struct Reporter<W> {
    format: Format,
    output: W,
    previous: Snapshot,
    has_header: bool,
    columns: csv::Columns,
}

impl<W: Write> Reporter<W> {
    /// Starts with nothing told.
    pub fn new(format: Format, output: W) -> Self {
        let previous = Snapshot::default();
        Self { format, output, previous, has_header: false, columns: csv::Columns::default() }
    }

    /// Tells what is looked at too; in CSV it takes columns.
    #[must_use]
    pub fn with(self, settings: &observe::Settings) -> Self {
        Self { columns: settings.into(), ..self }
    }

    /// Tells that it reflects: a line on standard error in every form, and an
    /// event in JSON.
    ///
    /// # Errors
    ///
    /// The output does not take the line.
    pub fn ready(&mut self, ready: &Ready) -> io::Result<()> {
        say(text::ready(ready));
        match self.format {
            Format::Json => self.write(&json::ready(unix_ms(), ready)),
            _ => Ok(()),
        }
    }

    /// Tells counts since the start and rates since the last time.
    ///
    /// # Errors
    ///
    /// As in [`ready`](Self::ready).
    pub fn statistics(&mut self, now: Snapshot) -> io::Result<()> {
        let interval = now.since(&self.previous);
        let lines = match self.format {
            Format::Text => text::statistics(&now, &interval),
            Format::Json => json::statistics("statistics", unix_ms(), &now, &interval),
            Format::Csv => self.csv("statistics", &now, &interval),
            Format::None => String::new(),
        };
        self.previous = now;
        self.write(&lines)
    }

    /// Tells counts and rates of the whole run.
    ///
    /// # Errors
    ///
    /// As in [`ready`](Self::ready).
    pub fn finale(&mut self, now: &Snapshot) -> io::Result<()> {
        let lines = match self.format {
            Format::Text => text::finale(now),
            Format::Json => json::statistics("final", unix_ms(), now, now),
            Format::Csv => self.csv("final", now, now),
            Format::None => String::new(),
        };
        self.write(&lines)
    }

    /// Tells something that needs a hand: on standard error, and in JSON as an
    /// event.
    ///
    /// # Errors
    ///
    /// As in [`ready`](Self::ready).
    pub fn warning(&mut self, interface: Option<&str>, message: &str) -> io::Result<()> {
        self.message("warning", interface, message)
    }

    /// Tells something that happened and needs no hand; as
    /// [`warning`](Self::warning).
    ///
    /// # Errors
    ///
    /// As in [`ready`](Self::ready).
    pub fn notice(&mut self, interface: Option<&str>, message: &str) -> io::Result<()> {
        self.message("notice", interface, message)
    }

    fn message(&mut self, event: &str, interface: Option<&str>, message: &str) -> io::Result<()> {
        match interface {
            Some(interface) => say(format!("{event}: {interface}: {message}")),
            None => say(format!("{event}: {message}")),
        }
        match self.format {
            Format::Json => self.write(&json::message(event, unix_ms(), interface, message)),
            _ => Ok(()),
        }
    }

    fn csv(&mut self, event: &str, now: &Snapshot, interval: &Snapshot) -> String {
        let rows = csv::statistics(event, unix_ms(), now, interval, self.columns);
        if std::mem::replace(&mut self.has_header, true) {
            return rows;
        }
        format!("{}\n{rows}", csv::header(self.columns))
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.output.write_all(lines.as_bytes())?;
        self.output.write_all(b"\n")?;
        self.output.flush()
    }
}

/// Milliseconds since 1970; 0 if the clock stands before.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farend_core::{Kind, MacAddress, Policy, Verdict};

    use super::*;
    use crate::statistics::{InterfaceStatistics, ReadyInterface};

    fn snapshot(elapsed_s: u64, frames: u32) -> Snapshot {
        let mut one = InterfaceStatistics {
            interface: "eth1".to_owned(),
            tier: "xdp",
            interface_drops: vec![("rx_dropped", 2)],
            ..InterfaceStatistics::default()
        };
        for _ in 0..frames {
            one.worker.counters.count(Verdict::Reflect(Kind::Latency), 60);
        }
        Snapshot {
            elapsed: Duration::from_secs(elapsed_s),
            interfaces: vec![one],
            ..Snapshot::default()
        }
    }

    fn told(format: Format) -> String {
        let mut output = Vec::new();
        let mut reporter = Reporter::new(format, &mut output);
        let policy = Policy::builder().own_mac(MacAddress([2, 0, 0, 0, 0, 1])).build().unwrap();
        let interface =
            ReadyInterface { interface: "eth1".to_owned(), tier: "xdp", policy, has_mac: true };
        let ready = Ready {
            program: "test",
            interfaces: vec![interface],
            max_rate_frames_per_s: None,
            capabilities: None,
        };
        reporter.ready(&ready).unwrap();
        reporter.statistics(snapshot(1, 10)).unwrap();
        reporter.warning(Some("eth1"), "is down").unwrap();
        reporter.statistics(snapshot(2, 30)).unwrap();
        reporter.finale(&snapshot(4, 40)).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn json_lines_have_schema_version_and_event() {
        let told = told(Format::Json);
        let lines: Vec<serde_json::Value> =
            told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["ready", "statistics", "warning", "statistics", "final"]);
        assert!(lines.iter().all(|line| line["schema"] == "farend.statistics"));
        assert!(lines.iter().all(|line| line["version"] == 1));
        assert_eq!(lines[0]["interfaces"][0]["own_mac"], "02:00:00:00:00:01");
        assert_eq!(lines[0]["interfaces"][0]["port"], 3842);
        let second = &lines[3];
        assert_eq!(second["total"]["reflected"]["latency"], 30);
        assert_eq!(second["total"]["passed"]["udp_port"], 0);
        assert_eq!(second["interfaces"][0]["rates"]["reflected_frames_per_s"], 20.0);
        assert_eq!(second["interfaces"][0]["interface_drops"]["rx_dropped"], 2);
        assert_eq!(lines[4]["total"]["rates"]["reflected_frames_per_s"], 10.0);
    }

    #[test]
    fn csv_has_one_header_line() {
        let told = told(Format::Csv);
        assert_eq!(told.lines().filter(|line| line.starts_with("time_unix_ms")).count(), 1);
        assert_eq!(told.lines().count(), 4);
    }

    #[test]
    fn none_writes_nothing() {
        assert_eq!(told(Format::None), "");
    }
}
