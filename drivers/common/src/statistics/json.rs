//! One JSON object a line; `docs/statistics.md` describes them.

mod observed;

use std::time::Duration;

use farend_core::{Class, Guards, Kind};
use serde::{Serialize, Serializer, ser::SerializeMap};

use self::observed::{ResidenceByKind, Testers};
use super::{InterfaceStatistics, Rates, Ready, ReadyInterface, Snapshot};
use crate::{observe::Copies, values::mode_name};

/// Name of the schema, in every line.
const SCHEMA: &str = "farend.statistics";

/// Goes up when a field changes its meaning or goes away; new fields and new
/// names of counters do not raise it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a, T> {
    schema: &'static str,
    version: u32,
    event: &'a str,
    time_unix_ms: u64,
    #[serde(flatten)]
    body: T,
}

/// Writes one event.
fn line<T: Serialize>(event: &str, time_unix_ms: u64, body: T) -> String {
    let line = Line { schema: SCHEMA, version: VERSION, event, time_unix_ms, body };
    // Nothing in a line can fail to be written: keys are text, numbers finite.
    serde_json::to_string(&line).unwrap_or_default()
}

/// Counts by name, as an object.
struct Named<'a>(&'a [(&'static str, u64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, frames) in self.0 {
            map.serialize_entry(name, frames)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Frames {
    reflected: u64,
    answered: u64,
    passed: u64,
    dropped: u64,
    malformed: u64,
}

#[derive(Serialize)]
struct Counts<'a> {
    interface: &'a str,
    tier: &'a str,
    frames: Frames,
    reflected_octets: u64,
    rates: Rates,
    reflected: Outcomes<'a>,
    answered: Outcomes<'a>,
    passed: Outcomes<'a>,
    dropped: Outcomes<'a>,
    malformed: Outcomes<'a>,
    losses: Named<'a>,
    interface_drops: Named<'a>,
    residence_ns: Option<ResidenceByKind<'a>>,
    testers: Option<Testers>,
}

/// Every outcome of one class by name, zeros too.
struct Outcomes<'a>(&'a InterfaceStatistics, Class);

impl Serialize for Outcomes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (verdict, frames) in self.0.worker.counters.iter().filter(|(v, _)| v.class() == self.1)
        {
            map.serialize_entry(verdict.name(), &frames)?;
        }
        map.end()
    }
}

fn counts(total: &InterfaceStatistics, rates: Rates) -> Counts<'_> {
    let counters = &total.worker.counters;
    Counts {
        interface: &total.interface,
        tier: total.tier,
        frames: Frames {
            reflected: counters.reflected(),
            answered: counters.answered(),
            passed: counters.passed(),
            dropped: counters.dropped(),
            malformed: counters.malformed(),
        },
        reflected_octets: counters.reflected_octets,
        rates,
        reflected: Outcomes(total, Class::Reflected),
        answered: Outcomes(total, Class::Answered),
        passed: Outcomes(total, Class::Passed),
        dropped: Outcomes(total, Class::Dropped),
        malformed: Outcomes(total, Class::Malformed),
        losses: Named(&total.worker.losses),
        interface_drops: Named(&total.interface_drops),
        residence_ns: total.worker.observed.residence.as_ref().map(ResidenceByKind),
        testers: total.worker.observed.testers.as_ref().map(Testers::from),
    }
}

#[derive(Serialize)]
struct Statistics<'a> {
    elapsed_s: f64,
    interval_s: f64,
    sample: Option<Copies>,
    tap: Option<Copies>,
    total: Counts<'a>,
    interfaces: Vec<Counts<'a>>,
}

/// Counts since the start, rates over the interval.
pub(super) fn statistics(
    event: &str,
    time_unix_ms: u64,
    now: &Snapshot,
    interval: &Snapshot,
) -> String {
    let rates = |one: &InterfaceStatistics, time: Duration| Rates::of(&one.worker.counters, time);
    let total = now.total();
    let interfaces = now.interfaces.iter().zip(&interval.interfaces);
    let body = Statistics {
        elapsed_s: now.elapsed.as_secs_f64(),
        interval_s: interval.elapsed.as_secs_f64(),
        sample: now.captured.sample,
        tap: now.captured.tap,
        total: counts(&total, rates(&interval.total(), interval.elapsed)),
        interfaces: interfaces
            .map(|(now, lately)| counts(now, rates(lately, interval.elapsed)))
            .collect(),
    };
    line(event, time_unix_ms, body)
}

#[derive(Serialize)]
struct ReadyBody<'a> {
    program: &'a str,
    program_version: &'a str,
    interfaces: Vec<ReadyEntry<'a>>,
    max_rate_frames_per_s: Option<u64>,
    capabilities: Option<&'a [&'static str]>,
}

#[derive(Serialize)]
struct ReadyEntry<'a> {
    interface: &'a str,
    tier: &'a str,
    own_mac: Option<String>,
    mode: &'a str,
    /// `null` for any.
    port: Option<u16>,
    /// `null` for any.
    source_oui: Option<String>,
    signatures: Vec<&'static str>,
    guards: Vec<&'static str>,
}

fn ready_entry(one: &ReadyInterface) -> ReadyEntry<'_> {
    let policy = &one.policy;
    let kinds = Kind::ALL.iter().filter(|kind| policy.kinds().contains(**kind));
    let guards = Guards::NAMES.iter().filter(|(_, guard)| policy.guards().0 & guard.0 != 0);
    ReadyEntry {
        interface: &one.interface,
        tier: one.tier,
        own_mac: one.has_mac.then(|| policy.own_mac().to_string()),
        mode: mode_name(policy.mode()),
        port: policy.port(),
        source_oui: policy.source_oui().map(|oui| oui.to_string()),
        signatures: kinds.map(|kind| kind.name()).collect(),
        guards: guards.map(|(name, _)| *name).collect(),
    }
}

/// That it reflects, and what.
pub(super) fn ready(time_unix_ms: u64, ready: &Ready) -> String {
    let body = ReadyBody {
        program: ready.program,
        program_version: env!("CARGO_PKG_VERSION"),
        interfaces: ready.interfaces.iter().map(ready_entry).collect(),
        max_rate_frames_per_s: ready.max_rate_frames_per_s,
        capabilities: ready.capabilities.as_deref(),
    };
    line("ready", time_unix_ms, body)
}

#[derive(Serialize)]
struct Message<'a> {
    interface: Option<&'a str>,
    message: &'a str,
}

/// Something that a person should know.
pub(super) fn message(
    event: &str,
    time_unix_ms: u64,
    interface: Option<&str>,
    message: &str,
) -> String {
    line(event, time_unix_ms, Message { interface, message })
}
