//! One record as a line.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use farend_capture::describe;
use farend_core::measure::summary::{Network, Summary};
use serde::Serialize;

use super::{Seen, record::Record};
use crate::line::Line;

/// The schema of the JSON objects.
const SCHEMA: &str = "farend.tap";

/// Writes a line for a person.
pub(super) fn write_text(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let Record { head, octets, missed } = record;
    if *missed > 0 {
        writeln!(out, "-- {missed} frames missed: this reader did not keep up")?;
    }
    write!(
        out,
        "{} {} {} {}",
        time_of_day(head.time_unix_ns),
        printable(&head.interface.name()),
        describe(head.verdict),
        head.whole_octets
    )?;
    let Some(summary) = Summary::read(*octets) else { return writeln!(out) };
    write!(out, " {} > {}", summary.source_mac, summary.destination_mac)?;
    for vlan_id in summary.vlan_ids.iter().flatten() {
        write!(out, " vlan {vlan_id}")?;
    }
    match summary.network {
        None => writeln!(out, " type 0x{:04x}", summary.ether_type.0),
        Some(Network { source, destination, ports: Some((from, to)), .. }) => {
            writeln!(out, " {} > {}", end(source, from), end(destination, to))
        }
        Some(Network { source, destination, protocol, ports: None }) => {
            writeln!(out, " {source} > {destination} protocol {protocol}")
        }
    }
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
struct Frame {
    #[serde(flatten)]
    line: Line,
    time_unix_ns: u64,
    interface: String,
    interface_index: u32,
    class: &'static str,
    verdict: &'static str,
    /// FCS out.
    frame_octets: u32,
    missed_before: u64,
    source_mac: Option<String>,
    destination_mac: Option<String>,
    vlan_ids: Vec<u16>,
    ether_type: Option<u16>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<u8>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
}

#[derive(Serialize)]
struct End {
    #[serde(flatten)]
    line: Line,
    frames: u64,
    missed: u64,
}

/// Writes a JSON object.
pub(super) fn write_json(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let Record { head, octets, missed } = record;
    let summary = Summary::read(*octets);
    let network = summary.and_then(|summary| summary.network);
    let ports = network.and_then(|network| network.ports);
    let vlan_ids = summary.map_or([None; 2], |summary| summary.vlan_ids);
    let frame = Frame {
        line: Line::now(SCHEMA, "frame"),
        time_unix_ns: head.time_unix_ns,
        interface: head.interface.name(),
        interface_index: head.interface.index,
        class: head.verdict.class().name(),
        verdict: head.verdict.name(),
        frame_octets: head.whole_octets,
        missed_before: *missed,
        source_mac: summary.map(|summary| summary.source_mac.to_string()),
        destination_mac: summary.map(|summary| summary.destination_mac.to_string()),
        vlan_ids: vlan_ids.into_iter().flatten().collect(),
        ether_type: summary.map(|summary| summary.ether_type.0),
        source: network.map(|network| network.source),
        destination: network.map(|network| network.destination),
        protocol: network.map(|network| network.protocol),
        source_port: ports.map(|(from, _)| from),
        destination_port: ports.map(|(_, to)| to),
    };
    serde_json::to_writer(&mut *out, &frame)?;
    writeln!(out)
}

/// Writes what was seen in all.
pub(super) fn write_json_end(out: &mut impl Write, seen: &Seen) -> io::Result<()> {
    let Seen { frames, missed, .. } = *seen;
    serde_json::to_writer(&mut *out, &End { line: Line::now(SCHEMA, "end"), frames, missed })?;
    writeln!(out)
}

/// One end of a datagram's way.
fn end(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// Names come from another process.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Hours to nanoseconds of the day, UTC.
fn time_of_day(time_unix_ns: u64) -> String {
    let seconds = time_unix_ns / 1_000_000_000;
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:09}", seconds % 60, time_unix_ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use farend_capture::tap::{Head, Interface};
    use farend_core::{Kind, Verdict};

    use super::*;

    fn record(octets: &[u8], missed: u64) -> Record<'_> {
        let head = Head {
            verdict: Verdict::Reflect(Kind::Probeot),
            whole_octets: 60,
            time_unix_ns: 1_700_003_723_000_000_456,
            interface: Interface::new(3, "eth1"),
        };
        Record { head, octets, missed }
    }

    fn datagram() -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x81, 0, 0, 9, 8, 0];
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        frame.extend([0xc3, 0x50, 0x0f, 0x02, 0, 8, 0, 0]);
        frame
    }

    fn text(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        write_text(&mut out, record).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_has_time_verdict_octets_and_addresses() {
        let expected = "23:15:23.000000456 eth1 reflected: probeot 60 \
                        02:00:00:00:00:07 > 02:00:00:00:00:01 vlan 9 \
                        192.0.2.1:50000 > 192.0.2.2:3842\n";
        assert_eq!(text(&record(&datagram(), 0)), expected);
    }

    #[test]
    fn a_gap_is_said_where_it_is() {
        let told = text(&record(&datagram(), 12));
        assert!(told.starts_with("-- 12 frames missed"), "{told}");
        assert_eq!(told.lines().count(), 2);
    }

    #[test]
    fn broken_frames_are_one_line_each() {
        let whole = datagram();
        for octets in 0..whole.len() {
            assert_eq!(text(&record(&whole[..octets], 0)).lines().count(), 1);
            let mut out = Vec::new();
            write_json(&mut out, &record(&whole[..octets], 0)).unwrap();
            let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(object["verdict"], "probeot");
            assert_eq!(object["source_port"].is_null(), octets < whole.len());
        }
    }
}
