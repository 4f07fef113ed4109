//! `--check`: all that can be known before anything is attached.

use std::io::{self, Write};

use super::{Platform, Target, ladder};
use crate::{
    arguments::CommandLine,
    control::Door,
    event::{Code, Event},
    failure::Failure,
    observe::Outputs,
    plan::{OwnChoices, Plan},
    sink::{emit, say},
    statistics::CountersPage,
    tier::TierName,
};

/// Checks file, options, targets and privileges, and prints what would be in
/// force.
///
/// # Errors
///
/// The first thing that would keep it from running.
pub(super) fn check<P: Platform>(line: &CommandLine<OwnChoices<P>>) -> Result<(), Failure> {
    let plan = Plan::<P>::make(line)?;
    for note in plan.notes() {
        emit(&Event::new(Code::Notice, note));
    }
    for warning in plan.warnings() {
        emit(&Event::new(Code::Warning, warning));
    }
    let mut platform = P::start()
        .map_err(|error| Failure::run_time(format!("cannot listen to the system: {error}")))?;
    let targets = platform.find(&plan)?;
    for target in &targets {
        ladder::check(&platform, &plan.of(target.name()), target)?;
    }
    let observe = &plan.settings.observe;
    Outputs::check(observe).map_err(Failure::run_time)?;
    // Made and let go of: whether the name is to be had.
    CountersPage::start(observe, targets.len(), crate::sink::notice).map_err(Failure::run_time)?;
    Door::open(&plan.settings.control, P::PROGRAM.name, &plan.targets)
        .map_err(Failure::run_time)?;
    let mut fatal = None;
    for target in &targets {
        let name = target.name();
        let plan = &plan.of(name);
        let tier = ladder::rehearse(&mut platform, plan, target, |tier, error| {
            say(format!("tier {} would be skipped on {name}: {error}", tier.name()));
        })?;
        say(format!("{name}: tier {} would be tried", tier.name()));
        for line in platform.forecast(plan, target, tier) {
            say(format!("{name}: {line}"));
        }
        for finding in platform.findings(plan, target, tier) {
            if finding.is_fatal {
                fatal.get_or_insert(format!("{name}: {finding}"));
            }
            emit(&Event::found(name, finding));
        }
    }
    if let Some(message) = fatal {
        return Err(Failure::run_time(message));
    }
    write!(io::stdout(), "{}", plan.to_toml())
        .map_err(|error| Failure::run_time(format!("cannot write to standard output: {error}")))
}
