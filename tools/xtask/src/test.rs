//! `cargo xtask test`: what a user runs to see that all is well.

use anyhow::Result;

use crate::{
    host,
    shell::{Shell, cargo},
};

/// What the tests in network namespaces call, and the packages that bring it.
const PROGRAMS: [(&str, &str); 5] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("ping", "iputils-ping"),
    ("setcap", "libcap2-bin"),
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
    if farend_lab::is_root() {
        host::need(shell, &PROGRAMS)?;
    } else {
        host::skip(shell, "tests in network namespaces and in the kernel need root")?;
    }
    // Some tests start the programs, so all of them are built first.
    let mut build = cargo();
    shell.run(build.args(["build", "--workspace", "--bins", "--exclude", "xtask"]))?;
    let mut command = cargo();
    // All of them, even after a failure: the first is seldom the only one.
    command.args(["test", "--no-fail-fast"]);
    if arguments.package.is_empty() {
        command.arg("--workspace");
    }
    for package in &arguments.package {
        command.args(["--package", package]);
    }
    command.args(&arguments.filter);
    shell.run(&mut command)
}
