//! The JSON lines as types: written by drivers, read by everybody else.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};

use super::Rates;
use crate::{observe::Copies, worker::QueueCounts};

/// Name of the schema, in every line.
pub const SCHEMA: &str = "farend.statistics";

/// Goes up when a field changes its meaning or goes away; new fields and new
/// names of counters do not raise it.
pub const VERSION: u32 = 1;

/// A line of statistics: `statistics`, `final` or `reset`.
pub type StatisticsLine = Line<Statistics>;

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line<T> {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// What the line is.
    pub event: String,
    /// The clock of the host, in milliseconds since 1970.
    pub time_unix_ms: u64,
    /// What it says.
    #[serde(flatten)]
    pub body: T,
}

/// Counts of all interfaces.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Statistics {
    /// Since the first frame could be answered, or since the epoch began.
    pub elapsed_s: f64,
    /// The time that the rates are of.
    pub interval_s: f64,
    /// What became of sampled frames; `None` where none were asked for.
    pub sample: Option<Copies>,
    /// What became of frames for the tap.
    pub tap: Option<Copies>,
    /// All interfaces together.
    pub total: Counts,
    /// Each interface.
    pub interfaces: Vec<Counts>,
}

/// Counts of one interface.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Name of the interface, or the addresses served; `total` for the sum.
    pub interface: String,
    /// Name of the tier.
    pub tier: String,
    /// Sums by class.
    pub frames: Frames,
    /// Answers that were sent; `None` if the driver is not told.
    #[serde(default)]
    pub sent: Option<u64>,
    /// Frames lost by workers or for them.
    #[serde(default)]
    pub lost: u64,
    /// Octets of the frames to be answered: Ethernet header in, FCS out.
    pub reflected_octets: u64,
    /// Rates over the interval.
    pub rates: Rates,
    /// Frames to be answered, by signature.
    pub reflected: Named<u64>,
    /// Frames that a service answers, by service.
    #[serde(default)]
    pub answered: Named<u64>,
    /// Sound frames that were not answered, by reason.
    pub passed: Named<u64>,
    /// Frames over the rate cap, by reason.
    pub dropped: Named<u64>,
    /// Broken frames, by cause.
    pub malformed: Named<u64>,
    /// Frames lost by workers, by cause.
    pub losses: Named<u64>,
    /// Frames that the interface itself lost, by its counter.
    pub interface_drops: Named<u64>,
    /// The same by receive queue, where there is one worker for each.
    #[serde(default)]
    pub queues: Vec<QueueCounts>,
    /// How long answered frames stayed here, by signature.
    pub residence_ns: Option<Named<Times>>,
    /// Who sent them.
    pub testers: Option<Testers>,
}

/// Frames by class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Frames {
    /// To be answered.
    pub reflected: u64,
    /// Answered by a service.
    #[serde(default)]
    pub answered: u64,
    /// Sound and not answered.
    pub passed: u64,
    /// Over the rate cap.
    pub dropped: u64,
    /// Broken.
    pub malformed: u64,
}

/// How long frames stayed, in nanoseconds; quantiles are at most 1.6 % above
/// the truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "quantiles, by their names")]
pub struct Times {
    /// How many.
    pub frames: u64,
    pub min: Option<u64>,
    pub mean: Option<u64>,
    pub p50: Option<u64>,
    pub p90: Option<u64>,
    pub p99: Option<u64>,
    pub p99_9: Option<u64>,
    pub max: Option<u64>,
}

/// Testers, the busiest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Testers {
    /// How many there is room for.
    pub capacity: usize,
    /// Each that is told apart.
    pub known: Vec<Tester>,
    /// Those that made room for others.
    pub evicted: Evicted,
}

/// One tester.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Tester {
    /// Its IP address.
    pub address: String,
    /// Its MAC address.
    pub mac: String,
    /// What it has sent.
    #[serde(flatten)]
    pub counts: Tally,
    /// Since its last frame, in seconds.
    pub idle_s: f64,
}

/// Testers that made room for others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Evicted {
    /// How often one did.
    pub testers: u64,
    /// What they had sent.
    #[serde(flatten)]
    pub counts: Tally,
}

/// Frames of a tester.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tally {
    /// To be answered.
    pub reflected_frames: u64,
    /// Their octets.
    pub reflected_octets: u64,
    /// Over the rate cap.
    pub rate_cap_frames: u64,
}

/// Values by name, in the order in which they were written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T: Copy> Named<T> {
    /// Those of a list.
    pub fn of(list: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        Self(list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(Vec<(String, T)>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Named<T>, A::Error> {
                while let Some(entry) = map.next_entry()? {
                    self.0.push(entry);
                }
                Ok(Named(self.0))
            }
        }

        deserializer.deserialize_map(Entries(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use farend_core::{
        Kind, MacAddress, Verdict,
        measure::testers::{Sender, Set, Testers},
    };

    use super::*;
    use crate::{
        observe::Captured,
        statistics::{InterfaceStatistics, Snapshot, statistics_line},
    };

    #[test]
    fn line_is_read_as_it_was_written() {
        let mut one = InterfaceStatistics { interface: "a".to_owned(), ..Default::default() };
        let worker = &mut one.worker;
        worker.counters.count(Verdict::Reflect(Kind::Probeot), 60);
        worker.sent = Some(1);
        worker.losses.push(("transmit_refused", 3));
        worker.queues.push(QueueCounts { queue: 2, answers: 1, sent: None, lost: 3 });
        worker.observed.residence.get_or_insert_default().record(Kind::Probeot, 700, 1);
        let mut testers = Testers::new(vec![Set::default(); 1].into_boxed_slice(), 0);
        let address = std::net::Ipv4Addr::new(192, 0, 2, 1).into();
        let sender = Sender { mac: MacAddress([2, 0, 0, 0, 0, 2]), address };
        testers.count(&sender, Verdict::Reflect(Kind::Probeot), 60, 0);
        worker.observed.testers = Some(testers);
        let copies = Copies { written_frames: 1, dropped_frames: 2 };
        let captured = Captured { sample: Some(copies), tap: None };
        let elapsed = Duration::from_millis(1_500);
        let snapshot = Snapshot { elapsed, interfaces: vec![one], captured };
        let text = statistics_line("final", &snapshot);
        let line: StatisticsLine = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
        let counts = &line.body.interfaces[0];
        assert_eq!((counts.sent, counts.lost), (Some(1), 3));
        assert_eq!(counts.reflected.get("probeot"), Some(1));
        assert_eq!(counts.residence_ns.as_ref().unwrap().get("probeot").unwrap().frames, 1);
        assert_eq!(counts.testers.as_ref().unwrap().known[0].counts.reflected_frames, 1);
        assert_eq!(line.body.total.queues, []);
    }

    #[test]
    fn line_of_an_older_driver_is_read() {
        let text = statistics_line("statistics", &Snapshot::default());
        let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
        for name in ["sent", "lost", "queues", "answered"] {
            line["total"].as_object_mut().unwrap().remove(name).unwrap();
        }
        let line: StatisticsLine = serde_json::from_value(line).unwrap();
        assert_eq!((line.body.total.sent, line.body.total.lost), (None, 0));
    }
}
