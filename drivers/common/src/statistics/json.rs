//! One JSON object a line; `docs/statistics.md` describes them.

mod measured;

use std::time::Duration;

use farend_control::status::PolicyStatus;
use farend_core::{Class, Guards, Kind, Policy};
use serde::Serialize;

use self::measured::{residence_by_kind, testers_of};
use super::{
    InterfaceStatistics, Ready, ReadyInterface, Snapshot, rates_of,
    schema::{Counts, Frames, Line, Named, Rates, Statistics, StatisticsLine},
};
use crate::{
    event::{Event, Finding},
    options::OptionValue,
    values::mode_name,
};

/// Writes one event.
fn line<T: Serialize>(event: &str, time_unix_ms: u64, body: T) -> String {
    // Nothing in a line can fail to be written: keys are text, numbers finite.
    serde_json::to_string(&Line::new(event, time_unix_ms, body)).unwrap_or_default()
}

/// Every outcome of one class by name, zeros too.
fn outcomes(one: &InterfaceStatistics, class: Class) -> Named<u64> {
    let outcomes = one.worker.counters.iter().filter(|(verdict, _)| verdict.class() == class);
    Named::of(outcomes.map(|(verdict, frames)| (verdict.name(), frames)))
}

fn counts(one: &InterfaceStatistics, rates: Rates) -> Counts {
    let counters = &one.worker.counters;
    Counts {
        interface: one.interface.clone(),
        tier: one.tier.to_owned(),
        frames: Frames {
            reflected: counters.reflected(),
            answered: counters.answered(),
            passed: counters.passed(),
            dropped: counters.dropped(),
            malformed: counters.malformed(),
        },
        sent: one.worker.sent,
        lost: one.lost(),
        reflected_octets: counters.reflected_octets,
        rates,
        reflected: outcomes(one, Class::Reflected),
        answered: outcomes(one, Class::Answered),
        passed: outcomes(one, Class::Passed),
        dropped: outcomes(one, Class::Dropped),
        malformed: outcomes(one, Class::Malformed),
        losses: Named::of(one.worker.losses.iter().copied()),
        interface_drops: Named::of(one.interface_drops.iter().copied()),
        queues: one.worker.queues.clone(),
        figures: Named::of(one.worker.figures.iter().copied()),
        residence_ns: one.worker.measured.residence.as_ref().map(residence_by_kind),
        testers: one.worker.measured.testers.as_ref().map(testers_of),
    }
}

/// Counts since the start, rates over the interval.
pub(super) fn statistics(
    event: &str,
    time_unix_ms: u64,
    now: &Snapshot,
    interval: &Snapshot,
) -> String {
    let line = statistics_line(event, time_unix_ms, now, interval);
    serde_json::to_string(&line).unwrap_or_default()
}

/// The same as a value.
pub(super) fn statistics_line(
    event: &str,
    time_unix_ms: u64,
    now: &Snapshot,
    interval: &Snapshot,
) -> StatisticsLine {
    let rates = |one: &InterfaceStatistics, time: Duration| rates_of(&one.worker.counters, time);
    let total = now.total();
    let interfaces = now.interfaces.iter().zip(&interval.interfaces);
    let body = Statistics {
        elapsed_s: now.elapsed.as_secs_f64(),
        interval_s: interval.elapsed.as_secs_f64(),
        sample: now.copies.sample,
        tap: now.copies.tap,
        total: counts(&total, rates(&interval.total(), interval.elapsed)),
        interfaces: interfaces
            .map(|(now, lately)| {
                let own = Some(lately.elapsed).filter(|time| !time.is_zero());
                counts(now, rates(lately, own.unwrap_or(interval.elapsed)))
            })
            .collect(),
    };
    Line::new(event, time_unix_ms, body)
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
    #[serde(flatten)]
    policy: PolicyStatus,
    pattern: Vec<String>,
    vlan: Vec<serde_json::Value>,
    allow: Vec<String>,
    any_destination: bool,
    max_rate_frames_per_s: Option<u64>,
}

/// What a policy answers.
pub(super) fn policy_status(policy: &Policy, has_mac: bool) -> PolicyStatus {
    let kinds = Kind::ALL.iter().filter(|kind| policy.kinds().contains(**kind));
    // The one on loopback addresses is for tiers without frames.
    let is_there = |guard: &Guards| !has_mac || *guard != Guards::LOOPBACK;
    let guards = Guards::NAMES
        .iter()
        .filter(|(_, guard)| policy.guards().0 & guard.0 != 0 && is_there(guard));
    PolicyStatus {
        own_mac: has_mac.then(|| policy.own_mac().to_string()),
        mode: mode_name(policy.mode()).to_owned(),
        port: policy.port(),
        source_oui: policy.source_oui().map(|oui| oui.to_string()),
        signatures: kinds.map(|kind| kind.name().to_owned()).collect(),
        guards: guards.map(|(name, _)| (*name).to_owned()).collect(),
    }
}

fn ready_entry(one: &ReadyInterface) -> ReadyEntry<'_> {
    let settings = &one.settings;
    ReadyEntry {
        interface: &one.interface,
        tier: one.tier,
        policy: policy_status(&one.policy, one.has_mac),
        pattern: settings.user_signatures.iter().map(OptionValue::to_text).collect(),
        vlan: settings.vlans.iter().map(OptionValue::to_json).collect(),
        allow: settings.allow.iter().map(OptionValue::to_text).collect(),
        any_destination: settings.any_destination,
        max_rate_frames_per_s: settings.max_rate.map(|rate| rate.0),
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
struct EventBody<'a> {
    interface: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<&'a Finding>,
}

/// Something that a person should know.
pub(super) fn event(time_unix_ms: u64, event: &Event) -> String {
    let body = EventBody {
        interface: event.interface.as_deref(),
        message: &event.message,
        tier: event.tier,
        finding: event.finding.as_ref(),
    };
    line(event.code.name(), time_unix_ms, body)
}
