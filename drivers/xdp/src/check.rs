//! `--check`: all that can be known before anything is attached.

use std::io::{self, Write};

use farend_driver::console::say;

use crate::{arguments::CommandLine, failure::Failure, plan::Plan, target::Target, tier};

/// Checks file, options, interfaces and privileges, and prints what would be
/// in force.
///
/// # Errors
///
/// The first thing that would keep it from running.
pub(crate) fn check(line: &CommandLine) -> Result<(), Failure> {
    let plan = Plan::make(line)?;
    for note in plan.notes() {
        say(format!("notice: {note}"));
    }
    let targets = Target::find_all(&plan.targets, plan.tier)?;
    for target in &targets {
        tier::check_policy(&plan, target)?;
    }
    for target in &targets {
        let choice = tier::rehearse(&plan, target, |choice, error| {
            say(format!("tier {} would be skipped on {}: {error}", choice.name(), target.name()));
        })?;
        say(format!("{}: tier {} would be tried", target.name(), choice.name()));
        examine(&plan, target, choice);
    }
    write!(io::stdout(), "{}", plan.to_toml())
        .map_err(|error| Failure::run_time(format!("cannot write to standard output: {error}")))
}

#[cfg(target_os = "linux")]
fn examine(plan: &Plan, target: &Target, choice: tier::TierChoice) {
    let Target::Interface(interface) = target else { return };
    if choice == tier::TierChoice::AfXdp {
        let queues = plan.af_xdp.queues.as_ref().map(|queues| queues.0.as_slice());
        match tier::af_xdp::forecast(interface, queues) {
            Ok(numbers) => say(format!("{}: {numbers}", interface.name)),
            Err(error) => say(format!("warning: {}: {error}", interface.name)),
        }
        if let Some(line) = tier::af_xdp::memory_trouble(interface, queues) {
            say(format!("warning: {}: {line}", interface.name));
        }
    }
    for line in crate::doctor::examine(interface, choice, &plan.settings) {
        say(format!("warning: {}: {line}", interface.name));
    }
}

#[cfg(not(target_os = "linux"))]
fn examine(_plan: &Plan, _target: &Target, _choice: tier::TierChoice) {}
