//! One line of values for each interface an interval, after one of names.

mod measured;

use farend_core::Verdict;

pub(super) use measured::Columns;

use super::{InterfaceStatistics, Snapshot, rates_of, schema::Rates};

/// Columns before those of the outcomes.
const COLUMNS: [&str; 15] = [
    "time_unix_ms",
    "event",
    "elapsed_s",
    "interval_s",
    "interface",
    "tier",
    "reflected_frames_per_s",
    "l2_bits_per_s",
    "l1_bits_per_s",
    "seen_frames_per_s",
    "reflected_frames",
    "reflected_octets",
    "lost_frames",
    "sent_frames",
    "interface_dropped_frames",
];

fn outcomes() -> impl Iterator<Item = Verdict> {
    (0..=u8::MAX).filter_map(Verdict::from_code)
}

/// The names of the columns.
pub(super) fn header(columns: Columns) -> String {
    let outcomes = outcomes().map(Verdict::name);
    let names = COLUMNS.into_iter().chain(outcomes).map(str::to_owned);
    names.chain(columns.names()).collect::<Vec<_>>().join(",")
}

/// One line for each interface; counts since the start, rates over the
/// interval.
pub(super) fn statistics(
    event: &str,
    time_unix_ms: u64,
    now: &Snapshot,
    interval: &Snapshot,
    columns: Columns,
) -> String {
    let rows = now.interfaces.iter().zip(&interval.interfaces);
    let rows = rows.map(|(one, lately)| {
        let rates = rates_of(&lately.worker.counters, interval.elapsed);
        let mut values = row(one, rates, now, interval);
        values.extend(columns.values(one, &now.copies));
        format!("{time_unix_ms},{event},{}", values.join(","))
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn row(
    one: &InterfaceStatistics,
    rates: Rates,
    now: &Snapshot,
    interval: &Snapshot,
) -> Vec<String> {
    let counters = &one.worker.counters;
    let dropped = one.interface_drops.iter().fold(0_u64, |sum, (_, n)| sum.wrapping_add(*n));
    let mut values = vec![
        format!("{:.3}", now.elapsed.as_secs_f64()),
        format!("{:.3}", interval.elapsed.as_secs_f64()),
        quoted(&one.interface),
        one.tier.to_owned(),
        format!("{:.1}", rates.reflected_frames_per_s),
        format!("{:.1}", rates.l2_bits_per_s),
        format!("{:.1}", rates.l1_bits_per_s),
        format!("{:.1}", rates.seen_frames_per_s),
        counters.reflected().to_string(),
        counters.reflected_octets.to_string(),
        one.lost().to_string(),
        one.worker.sent.map_or_else(|| "unknown".to_owned(), |sent| sent.to_string()),
        dropped.to_string(),
    ];
    values.extend(outcomes().map(|verdict| counters.of(verdict).to_string()));
    values
}

/// A value as RFC 4180 section 2 has it: in quotes if it holds a comma or one.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use farend_core::Kind;

    use super::*;
    use crate::{
        observe::Settings,
        values::{Every, TesterCount},
    };

    #[test]
    fn every_line_has_as_many_values_as_the_header_has_names() {
        let mut one = InterfaceStatistics { interface: "a".to_owned(), ..Default::default() };
        one.worker.measured.residence.get_or_insert_default().record(Kind::Latency, 7, 1);
        let other = InterfaceStatistics { interface: "b".to_owned(), ..Default::default() };
        let snapshot = Snapshot { interfaces: vec![one, other], ..Snapshot::default() };
        let settings = Settings {
            residence: true,
            testers: TesterCount(8),
            sample: Some(Every::ONE),
            tap: Some("a".parse().unwrap()),
            ..Settings::default()
        };
        for columns in [Columns::default(), Columns::from(&settings)] {
            let lines = statistics("statistics", 1, &snapshot, &snapshot, columns);
            assert_eq!(lines.lines().count(), 2);
            let header = header(columns);
            let names: Vec<_> = header.split(',').collect();
            assert!(lines.lines().all(|line| line.split(',').count() == names.len()));
            let value = |name| {
                let at = names.iter().position(|known| *known == name)?;
                lines.lines().next()?.split(',').nth(at)
            };
            let expected = (columns != Columns::default()).then_some("7");
            assert_eq!(value("residence_p99_ns"), expected);
            assert_eq!(value("residence_max_ns_latency"), expected);
            assert_eq!(value("residence_max_ns_probeot"), expected.map(|_| ""));
        }
    }

    #[test]
    fn a_value_with_a_comma_stands_in_quotes() {
        assert_eq!(quoted("10.0.0.1,::1"), "\"10.0.0.1,::1\"");
        assert_eq!(quoted("eth0"), "eth0");
    }
}
