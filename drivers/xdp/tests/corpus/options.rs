//! A corpus policy as a command line.

use farend_core::{Kind, Mode};
use farend_driver::{arguments, failure::Failure, plan, runtime::Platform, tier::TierName};
use farend_truth::PolicyOptions;
use farend_xdp::{Xdp, XdpOptions, tier::TierChoice};

/// A plan of the program.
pub(crate) type Plan = plan::Plan<Xdp>;

/// Makes the plan of a command line that says all of the options that it can.
///
/// # Errors
///
/// The program's own words, if it does not take them on this tier.
pub(crate) fn plan(options: &PolicyOptions, tier: TierChoice) -> Result<Plan, Failure> {
    let text = options.to_string();
    let given = text.split("; ").filter_map(argument);
    let mut words = vec!["farend-xdp".to_owned(), "far".to_owned()];
    words.push(format!("--tier={}", tier.name()));
    words.extend(given);
    let line = arguments::parse::<XdpOptions>(&Xdp::PROGRAM, &words)
        .unwrap_or_else(|error| panic!("{}: {error}", words.join(" ")));
    Plan::make(&line)
}

/// The first option that plain sockets do not have, because they see no frames.
pub(crate) fn needs_frames(options: &PolicyOptions) -> Option<&'static str> {
    let given = [
        (options.port.is_none(), "--port any"),
        (options.source_oui.is_some(), "--oui"),
        (!options.tester_ouis.is_empty(), "--tester-oui"),
        (!options.vlans.is_empty(), "--vlan"),
        (options.is_any_destination, "--any-destination"),
        (options.mode != Mode::All, "--mode"),
    ];
    given.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
}

/// Whether a command line has no words for all of it: `any` stands there
/// alone, the rate's clock is the tier's, and some lists are firmware's.
pub(crate) fn is_beyond_words(options: &PolicyOptions) -> bool {
    let has_any = options.kinds.contains(&Kind::Any);
    let has_lists = options.loop_ports.is_some() || !options.own_addresses.is_empty();
    options.rate.is_some() || has_lists || (has_any && options.kinds.len() > 1)
}

/// One option of a corpus policy as the program has it.
fn argument(option: &str) -> Option<String> {
    let (name, value) = option.split_once(' ')?;
    match name {
        // The interface has the one, no command line the others.
        "own-mac" | "max-rate" | "loop-ports" | "own-address" => None,
        "destination" => Some("--any-destination".to_owned()),
        "custom" => Some(format!("--pattern={}", value.replace(' ', ":"))),
        "without" => Some(format!("--disable-guard={value}")),
        "signatures" if value.split(',').any(|kind| kind == Kind::Any.name()) => {
            Some("--signatures=any".to_owned())
        }
        _ => Some(format!("--{name}={value}")),
    }
}
