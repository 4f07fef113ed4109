//! `cargo xtask test`: what a user runs to see that all is well.
//!
//! The tests run by cargo-nextest, by the rules of `.config/nextest.toml`; the
//! examples in the documentation by cargo itself. The last line is the result.

mod doctests;
pub(crate) mod nextest;
pub(crate) mod skips;

use std::time::Instant;

use anyhow::{Result, bail};

use self::{nextest::Outcome, skips::Skips};
use crate::{
    host,
    shell::{Shell, cargo},
};

/// What the tests call, and the packages that bring it.
const PROGRAMS: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("ping", "iputils-ping"),
    ("setcap", "libcap2-bin"),
    ("ethtool", "ethtool"),
    ("ps", "procps"),
    ("pgrep", "procps"),
    ("curl", "curl"),
    ("python3", "python3"),
    ("strace", "strace"),
    ("tshark", "tshark"),
];

/// What to test.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Only the tests of these packages
    #[arg(long, short)]
    package: Vec<String>,
}

/// Runs the tests of the workspace.
pub(crate) fn run(shell: &Shell, arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    prepare(shell)?;
    // Some tests start the programs, so all of them are built first.
    let mut build = cargo();
    shell.run(build.args(["build", "--workspace", "--bins", "--exclude", "xtask"]))?;
    let skips = Skips::new()?;
    let asked = nextest::Asked {
        packages: &arguments.package,
        filter: arguments.filter.as_deref(),
        is_long: farend_effort::is_long(),
        skips_file: skips.file(),
    };
    let tests = nextest::run(shell, &asked)?;
    let examples = doctests::run(shell, &arguments.package, arguments.filter.as_deref())?;
    conclude(shell, tests, &examples, &skips, start)
}

/// Installs what the tests call.
fn prepare(shell: &Shell) -> Result<()> {
    if !farend_lab::is_root() {
        return host::skip(shell, "tests in network namespaces and in the kernel need root");
    }
    // Elsewhere than on Debian, what is missing fails or skips the tests that call it.
    match host::need(shell, &PROGRAMS) {
        Ok(()) => Ok(()),
        Err(error) => host::skip(shell, &format!("{error:#}")),
    }
}

/// Lists the skips and says what came of it all, in one last line.
fn conclude(
    shell: &Shell,
    tests: Outcome,
    examples: &Outcome,
    skips: &Skips,
    start: Instant,
) -> Result<()> {
    let skipped = skips.read()?;
    skipped.tell(shell);
    let all = tests.run + examples.run;
    if all == 0 {
        bail!("no test has such a name");
    }
    let failed = [tests.failed, examples.failed.clone()].concat();
    if !failed.is_empty() {
        let names = failed.join(", ");
        bail!("{} of {all} tests failed: {names}", failed.len());
    }
    let seconds = start.elapsed().as_secs();
    shell.say(&format!(
        "all is well: {} tests and {} examples of the documentation passed, {} skipped, in {} min \
         {} s",
        tests.run.saturating_sub(skipped.tests()),
        examples.run,
        skipped.tests(),
        seconds / 60,
        seconds % 60,
    ));
    Ok(())
}
