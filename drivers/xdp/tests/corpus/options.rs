//! A corpus policy as a command line.

use clap::Parser;
use farend_core::{Kind, Mode};
use farend_truth::{PolicyOptions, options::BUILT_IN};
use farend_xdp::{CommandLine, Failure, Plan, tier::TierChoice};

/// Makes the plan of a command line that says all of the options that it can.
///
/// # Errors
///
/// The program's own words, if it does not take them on this tier.
pub(crate) fn plan(options: &PolicyOptions, tier: TierChoice) -> Result<Plan, Failure> {
    let mut words = vec!["farend-xdp".to_owned(), "far".to_owned()];
    words.push(format!("--tier={}", tier.name()));
    words.extend(arguments(options));
    let line = CommandLine::try_parse_from(&words)
        .unwrap_or_else(|error| panic!("{}: {error}", words.join(" ")));
    Plan::make(&line)
}

/// Whether a command line has no words for all of it: `any` stands there
/// alone, and the rate's clock is the tier's.
pub(crate) fn is_beyond_words(options: &PolicyOptions) -> bool {
    let has_any = options.kinds.contains(&Kind::Any);
    options.rate.is_some() || (has_any && options.kinds.len() > 1)
}

fn arguments(options: &PolicyOptions) -> Vec<String> {
    let mut words = Vec::new();
    match options.port {
        Some(port) => words.push(format!("--port={port}")),
        None => words.push("--port=any".to_owned()),
    }
    if options.is_any_destination {
        words.push("--any-destination".to_owned());
    }
    words.extend(options.source_oui.iter().map(|oui| format!("--oui={}", colons(oui))));
    words.extend(options.tester_ouis.iter().map(|oui| format!("--tester-oui={}", colons(oui))));
    words.extend(options.vlans.iter().map(|vid| format!("--vlan={vid}")));
    words.extend(
        options.allowed.iter().map(|prefix| format!("--allow={}/{}", prefix.address, prefix.bits)),
    );
    if options.kinds != BUILT_IN {
        words.push(format!("--signatures={}", signatures(&options.kinds)));
    }
    words.extend(options.customs.iter().map(|custom| {
        format!("--signature={}:{}/{}", custom.offset, hex(&custom.octets), hex(&custom.mask))
    }));
    match options.mode {
        Mode::Mac => words.push("--mode=mac".to_owned()),
        Mode::MacIp => words.push("--mode=mac-ip".to_owned()),
        Mode::All => {}
    }
    for (name, guard) in farend_core::Guards::NAMES {
        if !options.has(guard) {
            words.push(format!("--disable-guard={name}"));
        }
    }
    words
}

fn signatures(kinds: &[Kind]) -> String {
    if kinds.is_empty() {
        return "none".to_owned();
    }
    if kinds.contains(&Kind::Any) {
        return "any".to_owned();
    }
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn colons(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}
