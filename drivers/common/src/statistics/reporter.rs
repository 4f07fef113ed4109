//! Statistics in the form that was asked for.

use std::time::SystemTime;

use super::{Snapshot, csv, json, text};
use crate::{observe, values::Format};

/// Makes the lines of statistics: counts since the start, and rates since the
/// last time.
#[derive(Debug)]
pub struct Reporter {
    format: Format,
    previous: Snapshot,
    has_header: bool,
    columns: csv::Columns,
}

impl Reporter {
    /// Starts with nothing told. What is looked at takes columns in CSV.
    #[must_use]
    pub fn new(format: Format, settings: &observe::Settings) -> Self {
        let previous = Snapshot::default();
        Self { format, previous, has_header: false, columns: settings.into() }
    }

    /// The form.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Counts since the start and rates since the last time, without the end
    /// of the last line; empty where nothing is to be told.
    pub fn statistics(&mut self, now: Snapshot) -> String {
        let interval = now.since(&self.previous);
        let lines = match self.format {
            Format::Text => text::statistics(&now, &interval),
            Format::Json => json::statistics("statistics", unix_ms(), &now, &interval),
            Format::Csv => self.csv("statistics", &now, &interval),
            Format::None => String::new(),
        };
        self.previous = now;
        lines
    }

    /// Counts and rates of the whole run.
    pub fn finale(&mut self, now: &Snapshot) -> String {
        match self.format {
            Format::Text => text::finale(now),
            Format::Json => json::statistics("final", unix_ms(), now, now),
            Format::Csv => self.csv("final", now, now),
            Format::None => String::new(),
        }
    }

    fn csv(&mut self, event: &str, now: &Snapshot, interval: &Snapshot) -> String {
        let rows = csv::statistics(event, unix_ms(), now, interval, self.columns);
        if std::mem::replace(&mut self.has_header, true) {
            return rows;
        }
        format!("{}\n{rows}", csv::header(self.columns))
    }
}

/// Milliseconds since 1970; 0 if the clock stands before.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farend_core::{Kind, MacAddress, Policy, Verdict};

    use super::*;
    use crate::{
        event::{Code, Event},
        statistics::{InterfaceStatistics, Ready, ReadyInterface, describe},
    };

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
        let mut reporter = Reporter::new(format, &observe::Settings::default());
        let first = reporter.statistics(snapshot(1, 10));
        let second = reporter.statistics(snapshot(2, 30));
        [first, second, reporter.finale(&snapshot(4, 40))].join("\n")
    }

    fn parse(line: &str) -> serde_json::Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn ready_names_interface_policy_and_capabilities() {
        let policy = Policy::builder().own_mac(MacAddress([2, 0, 0, 0, 0, 1])).build().unwrap();
        let interface = ReadyInterface {
            interface: "eth1".to_owned(),
            tier: "xdp",
            policy,
            settings: crate::settings::Settings::default(),
            has_mac: true,
            is_reflector: true,
        };
        let ready = Ready {
            program: "test",
            interfaces: vec![interface],
            max_rate_frames_per_s: None,
            capabilities: None,
        };
        let line = parse(&describe::ready_json(&ready));
        assert_eq!((&line["event"], &line["version"]), (&"ready".into(), &1.into()));
        assert_eq!(line["interfaces"][0]["own_mac"], "02:00:00:00:00:01");
        assert_eq!(line["interfaces"][0]["port"], 3842);
        let line = parse(&describe::event(&Event::about(Code::Warning, "eth1", "is down")));
        assert_eq!((&line["event"], &line["message"]), (&"warning".into(), &"is down".into()));
    }

    #[test]
    fn json_lines_have_schema_version_and_event() {
        let told = told(Format::Json);
        let lines: Vec<serde_json::Value> =
            told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["statistics", "statistics", "final"]);
        assert!(lines.iter().all(|line| line["schema"] == "farend.statistics"));
        assert!(lines.iter().all(|line| line["version"] == 1));
        let second = &lines[1];
        assert_eq!(second["total"]["reflected"]["latency"], 30);
        assert_eq!(second["total"]["passed"]["udp_port"], 0);
        assert_eq!(second["interfaces"][0]["rates"]["reflected_frames_per_s"], 20.0);
        assert_eq!(second["interfaces"][0]["interface_drops"]["rx_dropped"], 2);
        assert_eq!(lines[2]["total"]["rates"]["reflected_frames_per_s"], 10.0);
    }

    #[test]
    fn csv_has_one_header_line() {
        let told = told(Format::Csv);
        assert_eq!(told.lines().filter(|line| line.starts_with("time_unix_ms")).count(), 1);
        assert_eq!(told.lines().count(), 4);
    }

    #[test]
    fn none_writes_nothing() {
        assert_eq!(told(Format::None).trim(), "");
    }
}
