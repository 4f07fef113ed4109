//! The lines of statistics as types: of `--stats json`, of the counters page
//! and of `GetStatistics`. `docs/statistics.md` describes them.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::idl::{Described, Field, Fields, Types, message};

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

impl<T> Line<T> {
    /// A line of this release.
    pub fn new(event: &str, time_unix_ms: u64, body: T) -> Self {
        let schema = SCHEMA.to_owned();
        Self { schema, version: VERSION, event: event.to_owned(), time_unix_ms, body }
    }
}

message! {
    /// Counts of all interfaces.
    pub struct Statistics {
        /// Since the first frame could be answered, or since the epoch began.
        pub elapsed_s: f64,
        /// The time that the rates are of.
        pub interval_s: f64,
        /// What became of sampled frames; null where none were asked for.
        pub sample: Option<Copies>,
        /// What became of frames for the tap.
        pub tap: Option<Copies>,
        /// All interfaces together.
        pub total: Counts,
        /// Each interface.
        pub interfaces: Vec<Counts>,
    }

    /// Counts of one interface.
    pub struct Counts {
        /// Name of the interface, or the addresses served; `total` for the sum.
        pub interface: String,
        /// Name of the tier.
        pub tier: String,
        /// Sums by class.
        pub frames: Frames,
        /// Answers that were sent; null if the driver is not told.
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
        /// What else a tier tells: counts since its start and values of now.
        #[serde(default)]
        pub figures: Named<u64>,
        /// How long answered frames stayed here, by signature.
        pub residence_ns: Option<Named<Times>>,
        /// Who sent them.
        pub testers: Option<Testers>,
    }

    /// Frames by class.
    #[derive(Copy, Eq, Default)]
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

    /// Rates over one interval.
    #[derive(Copy, Default)]
    pub struct Rates {
        /// Frames sent back.
        pub reflected_frames_per_s: f64,
        /// Their bits, Ethernet header and FCS in.
        pub l2_bits_per_s: f64,
        /// Their bits on the wire: preamble and least gap in too.
        pub l1_bits_per_s: f64,
        /// Frames looked at, whatever became of them.
        pub seen_frames_per_s: f64,
    }

    /// What became of the frames of one receive queue.
    #[derive(Copy, Eq, Default)]
    pub struct QueueCounts {
        /// Its number.
        pub queue: u32,
        /// Answers: frames to be sent back, in their own form or as a service's.
        pub answers: u64,
        /// Answers that were sent; null if that is unknown.
        pub sent: Option<u64>,
        /// Frames that were lost.
        pub lost: u64,
    }

    /// What became of frames that were copied elsewhere.
    #[derive(Copy, Eq, Default)]
    pub struct Copies {
        /// Written where they were to go.
        pub written_frames: u64,
        /// Due, but there was no room for them.
        pub dropped_frames: u64,
    }

    /// How long frames stayed, in nanoseconds; quantiles are at most 1.6 % above
    /// the truth.
    #[derive(Copy, Eq, Default)]
    pub struct Times {
        /// How many.
        pub frames: u64,
        /// The least.
        pub min: Option<u64>,
        /// The mean.
        pub mean: Option<u64>,
        /// Half are less.
        pub p50: Option<u64>,
        /// 90 % are less.
        pub p90: Option<u64>,
        /// 99 % are less.
        pub p99: Option<u64>,
        /// 99.9 % are less.
        pub p99_9: Option<u64>,
        /// The most.
        pub max: Option<u64>,
    }

    /// Testers, the busiest first.
    pub struct Testers {
        /// How many there is room for.
        pub capacity: usize,
        /// Each that is told apart.
        pub known: Vec<Tester>,
        /// Those that made room for others.
        pub evicted: Evicted,
    }

    /// One tester.
    pub struct Tester {
        /// Its IP address.
        pub address: String,
        /// Its MAC address.
        pub mac: String,
        /// Frames to be answered.
        pub reflected_frames: u64,
        /// Their octets.
        pub reflected_octets: u64,
        /// Frames over the rate cap.
        pub rate_cap_frames: u64,
        /// Since its last frame, in seconds.
        pub idle_s: f64,
    }

    /// Testers that made room for others.
    #[derive(Copy, Eq)]
    pub struct Evicted {
        /// How often one did.
        pub testers: u64,
        /// Frames of theirs to be answered.
        pub reflected_frames: u64,
        /// Their octets.
        pub reflected_octets: u64,
        /// Frames of theirs over the rate cap.
        pub rate_cap_frames: u64,
    }
}

/// A line is its head and its body in one object.
impl Described for StatisticsLine {
    fn name() -> String {
        "StatisticsLine".to_owned()
    }

    fn define(types: &mut Types) {
        types.add_object::<Self>("StatisticsLine");
    }
}

impl Fields for StatisticsLine {
    const ABOUT: &'static str = " A line of docs/statistics.md.\n";

    fn fields(types: &mut Types) -> Vec<Field> {
        let of = |about, name, type_name: &str| Field { about, name, type_name: type_name.into() };
        let mut fields = vec![
            of(" farend.statistics", "schema", "string"),
            of(" Goes up when a field changes its meaning or goes away.", "version", "int"),
            of(" What the line is.", "event", "string"),
            of(" The clock of the host, in milliseconds since 1970.", "time_unix_ms", "int"),
        ];
        fields.extend(Statistics::fields(types));
        fields
    }

    fn read(object: crate::json::Object) -> Result<Self, String> {
        serde_json::from_value(serde_json::Value::Object(object)).map_err(|error| error.to_string())
    }
}

/// Values by name, in the order in which they were written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Named<T>(pub Vec<(String, T)>);

impl<T: Described> Described for Named<T> {
    fn name() -> String {
        format!("[string]{}", T::name())
    }

    fn define(types: &mut Types) {
        T::define(types);
    }
}

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
