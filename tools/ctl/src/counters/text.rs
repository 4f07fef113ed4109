//! A page of counters for a person.

use std::io::{self, Write};

use serde_json::{Map, Value};

/// Testers of one interface that are listed.
const TESTERS_LISTED: usize = 20;

/// Writes what is not zero, a few lines for each interface. Fields that are
/// not there are left out.
pub(crate) fn write(out: &mut impl Write, page: &Value) -> io::Result<()> {
    let elapsed_s = page["elapsed_s"].as_f64().unwrap_or_default();
    for one in page["interfaces"].as_array().into_iter().flatten() {
        write_interface(out, one, elapsed_s)?;
    }
    for copies in ["sample", "tap"] {
        let Some(counts) = page[copies].as_object() else { continue };
        write_counts(out, copies, counts)?;
    }
    Ok(())
}

fn write_interface(out: &mut impl Write, one: &Value, elapsed_s: f64) -> io::Result<()> {
    let rate = one["rates"]["reflected_frames_per_s"].as_f64().unwrap_or_default();
    writeln!(
        out,
        "{} {}: {elapsed_s:.1} s, now {rate:.0} frames/s reflected",
        text(&one["interface"]),
        text(&one["tier"])
    )?;
    for class in ["reflected", "passed", "dropped", "malformed", "losses", "interface_drops"] {
        let Some(counts) = one[class].as_object() else { continue };
        write_counts(out, &class.replace('_', " "), counts)?;
    }
    for (kind, times) in one["residence_ns"].as_object().into_iter().flatten() {
        let [p50, p99, max] =
            ["p50", "p99", "max"].map(|key| times[key].as_f64().unwrap_or_default() / 1e3);
        writeln!(out, "  residence of {kind}: p50 {p50:.1} us, p99 {p99:.1} us, max {max:.1} us")?;
    }
    let testers = one["testers"]["known"].as_array();
    for tester in testers.into_iter().flatten().take(TESTERS_LISTED) {
        writeln!(
            out,
            "  tester {} {}: {} frames, {} over the rate cap, silent for {:.1} s",
            text(&tester["address"]),
            text(&tester["mac"]),
            tester["reflected_frames"],
            tester["rate_cap_frames"],
            tester["idle_s"].as_f64().unwrap_or_default()
        )?;
    }
    if let Some(more @ 1..) = testers.and_then(|all| all.len().checked_sub(TESTERS_LISTED)) {
        writeln!(out, "  and {more} testers more, which --json lists")?;
    }
    Ok(())
}

/// The sum, then each count that is not zero; nothing if none is.
fn write_counts(out: &mut impl Write, what: &str, counts: &Map<String, Value>) -> io::Result<()> {
    let met = counts.iter().filter_map(|(name, count)| Some((name, count.as_u64()?)));
    let met: Vec<_> = met.filter(|(_, count)| *count > 0).collect();
    if met.is_empty() {
        return Ok(());
    }
    let sum = met.iter().fold(0_u64, |sum, (_, count)| sum.wrapping_add(*count));
    let list: Vec<_> = met.iter().map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(out, "  {what} {sum} ({})", list.join(", "))
}

/// A text of another process, without what a terminal would obey.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or("?");
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(page: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, page).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_happened_is_told() {
        let page = json!({
            "elapsed_s": 12.5,
            "interfaces": [{
                "interface": "eth1",
                "tier": "af-xdp",
                "rates": {"reflected_frames_per_s": 1000.4},
                "reflected": {"probeot": 7, "latency": 3, "any": 0},
                "passed": {"udp_port": 0},
                "residence_ns": {"probeot": {"p50": 1500, "p99": 2500, "max": 9000}},
                "testers": {"known": [{
                    "address": "192.0.2.1", "mac": "02:00:00:00:00:01",
                    "reflected_frames": 10, "rate_cap_frames": 0, "idle_s": 0.1,
                }]},
            }],
            "tap": {"written_frames": 10, "dropped_frames": 0},
            "sample": null,
        });
        let expected = "\
eth1 af-xdp: 12.5 s, now 1000 frames/s reflected
  reflected 10 (latency 3, probeot 7)
  residence of probeot: p50 1.5 us, p99 2.5 us, max 9.0 us
  tester 192.0.2.1 02:00:00:00:00:01: 10 frames, 0 over the rate cap, silent for 0.1 s
  tap 10 (written_frames 10)
";
        assert_eq!(told(&page), expected);
    }

    #[test]
    fn a_page_with_other_fields_is_no_error() {
        assert_eq!(told(&json!({})), "");
        assert!(
            told(&json!({"interfaces": [{"interface": "a\u{1b}[2J"}, 7]})).starts_with("a?[2J")
        );
    }
}
