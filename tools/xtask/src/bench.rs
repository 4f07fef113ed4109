//! `cargo xtask bench`: every number that the project claims, measured here
//! and now beside what it is compared with.
//!
//! What is compared is measured in turns, one after the other and again, so
//! that a machine that grows slower or faster meanwhile does so for both.

mod af_packet;
mod af_xdp;
mod cases;
mod counts;
mod instructions;
mod kernel;
mod machine;
mod program;
mod record;
mod report;
mod samples;
mod sync;
mod testpmd;
mod tier;
mod veth;

use anyhow::{Result, bail};

use self::{machine::Machine, report::Report};
use crate::{host, shell::Shell};

/// Fails if the README's figures are not the recorded ones, or a count is worse
/// than its newest record.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    record::check()?;
    counts::check(shell)
}

/// What to measure and how to tell.
#[derive(Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the command line")]
pub(crate) struct Arguments {
    /// Only groups whose name contains one of these, with commas between: program, kernel, veth, instructions,
    /// af-packet, af-xdp, sync
    filter: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Fail if something that must hold does not
    #[arg(long)]
    check: bool,
    /// Measure for a shorter time, for a first look
    #[arg(long)]
    quick: bool,
    /// Also the rows that take minutes
    #[arg(long)]
    long: bool,
    /// Keep the run in benches/results and write the README's figures anew
    #[arg(long, conflicts_with = "quick")]
    record: bool,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Turns of each measurement.
    pub(crate) turns: usize,
    /// Whether rows of some minutes are wanted.
    pub(crate) is_long: bool,
}

/// A number of rows that are measured together.
struct Group {
    name: &'static str,
    needs_root: bool,
    measure: fn(&Shell, Effort, &mut Report) -> Result<()>,
}

const GROUPS: [Group; 7] = [
    Group { name: "program", needs_root: true, measure: program::measure },
    Group { name: "instructions", needs_root: false, measure: instructions::measure },
    Group { name: "kernel", needs_root: true, measure: kernel::measure },
    Group { name: "veth", needs_root: true, measure: veth::measure },
    Group { name: "af-packet", needs_root: true, measure: af_packet::measure },
    Group { name: "af-xdp", needs_root: true, measure: af_xdp::measure },
    Group { name: "sync", needs_root: false, measure: sync::measure },
];

/// Measures and prints.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = Shell::loud();
    let filter = arguments.filter.as_deref().unwrap_or("");
    let groups: Vec<&Group> = GROUPS
        .iter()
        .filter(|group| filter.split(',').any(|part| group.name.contains(part)))
        .collect();
    if groups.is_empty() {
        let names = GROUPS.map(|group| group.name).join(", ");
        bail!("no group {filter}; there are {names}");
    }
    let effort = Effort { turns: if arguments.quick { 3 } else { 11 }, is_long: arguments.long };
    let mut report = Report::new(arguments.json);
    let machine = Machine::look();
    let mut measured = Vec::new();
    for group in groups {
        if group.needs_root && !farend_lab::is_root() {
            host::skip(&shell, &format!("the group {} needs root", group.name))?;
            continue;
        }
        (group.measure)(&shell, effort, &mut report)?;
        measured.push(group.name);
    }
    report.print_table();
    report.remark(&machine.describe());
    for warning in machine.warnings() {
        report.warn(&warning);
    }
    if arguments.record {
        let is_whole = measured.len() == GROUPS.len();
        let scope = record::Scope { groups: measured, turns: effort.turns, is_whole };
        counts::append(report.rows())?;
        record::append(&report, &machine, scope)?;
    } else {
        record::tell_unknown_cpu(&report);
    }
    if arguments.check && report.is_broken() {
        bail!("something that must hold does not");
    }
    Ok(())
}
