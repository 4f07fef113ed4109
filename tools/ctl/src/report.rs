//! `report`: all that a ticket needs, without addresses of others.

use std::{fs, io::Write, net::IpAddr};

use farend_control::calls::{GetConfiguration, GetStatistics, GetStatus, Since};
use serde_json::{Value, json};

use crate::{
    drivers::{self, Which},
    error::Error,
    print,
};

/// Prints status, configuration and statistics of all drivers, as JSON.
///
/// # Errors
///
/// Nobody is there, or a driver refuses.
pub fn report(which: &Which, is_json: bool, out: &mut impl Write) -> Result<(), Error> {
    for mut driver in drivers::all(which, false)? {
        let asked = GetStatistics { since: Some(Since::Start), ..GetStatistics::default() };
        let client = &mut driver.client;
        let read = (|| {
            let status = client.call(&GetStatus {})?;
            let configuration = client.call(&GetConfiguration {})?;
            Ok((status, configuration, client.call(&asked)?.statistics))
        })();
        let (status, configuration, statistics) = read.map_err(|error| driver.error(&error))?;
        let mut report = json!({
            "schema": "farend.report",
            "version": 1,
            "farendctl_version": env!("CARGO_PKG_VERSION"),
            "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|it| it.trim().to_owned()),
            "driver": driver.name,
            "status": status,
            "configuration": configuration,
            "statistics": statistics,
        });
        redact(&mut report);
        let text = if is_json {
            report.to_string()
        } else {
            serde_json::to_string_pretty(&report).unwrap_or_default()
        };
        if !print::line(out, &text)? {
            break;
        }
    }
    Ok(())
}

/// Takes addresses out of all texts: of a MAC address the maker stays, of an IP
/// address the network.
fn redact(value: &mut Value) {
    match value {
        Value::String(text) => *text = redacted(text),
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(object) => object.values_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn redacted(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
    let mut redacted = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        redacted += before;
        redacted += &redacted_word(word);
        rest = after;
    }
    redacted + rest
}

fn redacted_word(word: &str) -> String {
    let octets: Vec<_> = word.split(':').collect();
    let is_mac = octets.len() == 6 && octets.iter().all(|octet| octet.len() == 2);
    match word.parse::<IpAddr>() {
        _ if is_mac => format!("{}:xx:xx:xx", octets[..3].join(":")),
        Ok(IpAddr::V4(address)) => {
            let [a, b, ..] = address.octets();
            format!("{a}.{b}.x.x")
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, ..] = address.segments();
            format!("{a:x}:{b:x}:x")
        }
        Err(_) => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_and_nothing_else() {
        for (text, expected) in [
            ("02:00:00:ab:cd:ef", "02:00:00:xx:xx:xx"),
            (
                "allow = [\"192.0.2.7/32\", \"fd00:1::7/64\"]",
                "allow = [\"192.0.x.x/32\", \"fd00:1:x/64\"]",
            ),
            ("eth1: 0.1.0, port 3842", "eth1: 0.1.0, port 3842"),
            ("00:c0:17", "00:c0:17"),
            ("beef decade", "beef decade"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }
}
