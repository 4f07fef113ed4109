//! Short lines for a person.

mod measured;

use farend_core::{Class, Kind};

use super::{InterfaceStatistics, Ready, ReadyInterface, Snapshot, rates_of, schema::Rates};
use crate::{options::OptionValue, values::mode_name};

/// One line for each interface: rates of the interval, counts of the interval
/// where they are not zero.
pub(super) fn statistics(now: &Snapshot, interval: &Snapshot) -> String {
    let lines = interval.interfaces.iter().map(|one| {
        let rates = rates_of(&one.worker.counters, interval.elapsed);
        format!("{:>8.1} s  {}", now.elapsed.as_secs_f64(), line(one, rates))
    });
    let copies = measured::copied(&now.copies)
        .map(|line| format!("{:>8.1} s  {line}", now.elapsed.as_secs_f64()));
    lines.chain(copies).collect::<Vec<_>>().join("\n")
}

/// The whole run, one line for each interface and one for the sum of several.
pub(super) fn finale(now: &Snapshot) -> String {
    let mut all: Vec<_> = now.interfaces.clone();
    if all.len() > 1 {
        all.push(now.total());
    }
    let mut lines = Vec::new();
    for one in &all {
        let rates = rates_of(&one.worker.counters, now.elapsed);
        lines.push(format!("final: {:.1} s  {}", now.elapsed.as_secs_f64(), line(one, rates)));
    }
    if let Some(testers) = all.last().and_then(|one| one.worker.measured.testers.as_ref()) {
        lines.extend(measured::testers(testers).iter().map(|line| format!("final: {line}")));
    }
    if let Some(line) = measured::copied(&now.copies) {
        lines.push(format!("final: {line}"));
    }
    lines.join("\n")
}

fn line(one: &InterfaceStatistics, rates: Rates) -> String {
    let counters = &one.worker.counters;
    let is_reflector = one.worker.figures.is_empty();
    let told = one.worker.figures.iter().filter(|(_, value)| *value != 0);
    let told: Vec<_> = told.map(|(name, value)| format!("{name} {value}")).collect();
    let mut parts = if is_reflector {
        vec![
            format!("{} {}: {}frames/s", one.interface, one.tier, si(rates.reflected_frames_per_s)),
            format!("L1 {}bit/s, L2 {}bit/s", si(rates.l1_bits_per_s), si(rates.l2_bits_per_s)),
            named("reflected", counters.reflected(), &one.met(Class::Reflected)),
            named("passed", counters.passed(), &one.met(Class::Passed)),
        ]
    } else {
        vec![format!("{} {}: {}", one.interface, one.tier, told.join(", "))]
    };
    let answered = one.met(Class::Answered);
    let malformed = one.met(Class::Malformed);
    let dropped = one.met(Class::Dropped);
    let losses: Vec<_> = one.worker.losses.iter().copied().filter(|(_, n)| *n != 0).collect();
    let drops: Vec<_> = one.interface_drops.iter().copied().filter(|(_, n)| *n != 0).collect();
    for (what, list) in [
        ("answered", answered),
        ("malformed", malformed),
        ("dropped", dropped),
        ("lost", losses),
        ("interface drops", drops),
    ] {
        if !list.is_empty() {
            let sum = list.iter().fold(0_u64, |sum, (_, frames)| sum.wrapping_add(*frames));
            parts.push(named(what, sum, &list));
        }
    }
    if answers(one) > 0 {
        let sent = one.worker.sent.map_or_else(|| "unknown".to_owned(), |sent| sent.to_string());
        parts.push(format!("sent {sent}"));
    }
    parts.extend(measured::parts(&one.worker.measured));
    parts.join(" | ")
}

/// Frames that were to be sent back.
fn answers(one: &InterfaceStatistics) -> u64 {
    one.worker.counters.reflected().wrapping_add(one.worker.counters.answered())
}

fn named(what: &str, sum: u64, list: &[(&'static str, u64)]) -> String {
    if list.is_empty() {
        return format!("{what} {sum}");
    }
    let list: Vec<_> = list.iter().map(|(name, frames)| format!("{name} {frames}")).collect();
    format!("{what} {sum} ({})", list.join(", "))
}

/// A number with four digits or so and a decimal prefix.
fn si(value: f64) -> String {
    for (unit, prefix) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= unit {
            return format!("{:.2} {prefix}", value / unit);
        }
    }
    format!("{value:.0} ")
}

/// The line that says that it reflects.
pub(super) fn ready(ready: &Ready) -> String {
    let interfaces: Vec<_> = ready.interfaces.iter().map(ready_interface).collect();
    let capabilities = match ready.capabilities.as_deref() {
        Some([]) => " capabilities=none".to_owned(),
        Some(held) => format!(" capabilities={}", held.join(",")),
        None => String::new(),
    };
    if !ready.interfaces.iter().any(|one| one.is_reflector) {
        return format!("ready: {};{capabilities}", interfaces.join(", "));
    }
    let policies: Vec<_> = ready.interfaces.iter().map(ready_policy).collect();
    let first = policies.first().cloned().unwrap_or_default();
    if policies.iter().all(|policy| *policy == first) {
        return format!("ready: {}; {first}{capabilities}", interfaces.join(", "));
    }
    let each = interfaces.iter().zip(&policies).map(|(one, policy)| format!("{one} {policy}"));
    format!("ready: {};{capabilities}", each.collect::<Vec<_>>().join(", "))
}

fn ready_policy(one: &ReadyInterface) -> String {
    let ReadyInterface { policy, settings, .. } = one;
    let any = || "any".to_owned();
    let kinds = Kind::ALL.iter().filter(|kind| policy.kinds().contains(**kind));
    let kinds: Vec<_> = kinds.map(|kind| kind.name()).collect();
    let list = |name: &str, values: Vec<String>| {
        if values.is_empty() { String::new() } else { format!(" {name}={}", values.join(",")) }
    };
    let patterns = settings.user_signatures.iter().map(OptionValue::to_text).collect();
    let vlans = settings.vlans.iter().map(OptionValue::to_text).collect();
    let allow = settings.allow.iter().map(OptionValue::to_text).collect();
    let any_destination = if settings.any_destination { " any-destination" } else { "" };
    let max_rate = settings.max_rate.map_or_else(|| "none".to_owned(), |rate| rate.0.to_string());
    format!(
        "mode={} port={} oui={} signatures={}{}{}{}{any_destination} max-rate={max_rate}",
        mode_name(policy.mode()),
        policy.port().map_or_else(any, |port| port.to_string()),
        policy.source_oui().map_or_else(any, |oui| oui.to_string()),
        kinds.join(","),
        list("pattern", patterns),
        list("vlan", vlans),
        list("allow", allow),
    )
}

fn ready_interface(one: &ReadyInterface) -> String {
    if one.has_mac {
        format!("{} tier={} mac={}", one.interface, one.tier, one.policy.own_mac())
    } else {
        format!("{} tier={}", one.interface, one.tier)
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Reason, Verdict};

    use super::*;

    #[test]
    fn a_line_names_only_what_happened() {
        let mut one = InterfaceStatistics {
            interface: "eth1".to_owned(),
            tier: "xdp",
            ..InterfaceStatistics::default()
        };
        one.worker.counters.count(Verdict::Reflect(Kind::Probeot), 60);
        one.worker.counters.count(Verdict::Refuse(Reason::EtherType), 60);
        one.worker.losses.push(("transmit_refused", 0));
        let line = line(&one, Rates::default());
        assert!(line.starts_with("eth1 xdp: 0 "), "{line}");
        assert!(line.contains("reflected 1 (probeot 1) | passed 1 (ether_type 1)"), "{line}");
        assert!(!line.contains("malformed") && !line.contains("lost"), "{line}");
    }

    #[test]
    fn numbers_have_decimal_prefixes() {
        assert_eq!(si(0.0), "0 ");
        assert_eq!(si(148_810.0), "148.81 k");
        assert_eq!(si(1e10), "10.00 G");
    }
}
