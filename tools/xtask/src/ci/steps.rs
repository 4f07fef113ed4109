//! The steps: one short function for each.

use anyhow::Result;

use crate::{
    bench, darwin, demo, ebpf, fuzz, host, models,
    shell::{Shell, cargo, target},
    soak, test, tidy,
};

/// One step.
pub(crate) struct Step {
    /// What to call it on the command line.
    pub name: &'static str,
    /// What it checks.
    pub what: &'static str,
    /// Whether its output is shown as it comes.
    pub is_loud: bool,
    /// Does it.
    pub run: fn(&Shell) -> Result<()>,
}

/// Every step, those first that fail fastest. The tests are last, so that
/// their results end the output.
pub(crate) const STEPS: [Step; 13] = [
    Step { name: "fmt", what: "formatting", is_loud: false, run: fmt },
    Step { name: "tidy", what: "the project's own rules", is_loud: false, run: tidy::run },
    Step { name: "clippy", what: "lints, warnings are errors", is_loud: false, run: clippy },
    Step { name: "doc", what: "documentation, warnings are errors", is_loud: false, run: doc },
    Step {
        name: "ebpf",
        what: "the kernel program is that of the sources",
        is_loud: false,
        run: ebpf::check,
    },
    Step {
        name: "darwin",
        what: "types, lints and links for macOS",
        is_loud: false,
        run: darwin::check,
    },
    Step {
        name: "loom",
        what: "locks and rings, in every order of three threads' steps",
        is_loud: false,
        run: models::loom,
    },
    Step {
        name: "shuttle",
        what: "locks and rings, in many orders of eight threads' steps",
        is_loud: false,
        run: models::shuttle,
    },
    Step {
        name: "fuzz",
        what: "random frames, files, records and rings, from seeds on",
        is_loud: false,
        run: fuzz,
    },
    Step {
        name: "soak",
        what: "ten seconds of locks and rings while processes are killed",
        is_loud: false,
        run: soak::short,
    },
    Step {
        name: "figures",
        what: "figures are recorded ones, and no count has grown",
        is_loud: false,
        run: bench::check,
    },
    Step { name: "demo", what: "every tier answers", is_loud: false, run: demo::short },
    Step { name: "test", what: "all tests", is_loud: true, run: all_tests },
];

fn fmt(shell: &Shell) -> Result<()> {
    host::need_components(shell, &[("fmt", "rustfmt")])?;
    shell.run(cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in [
        "benches/sync/Cargo.toml",
        "ebpf/Cargo.toml",
        "fuzz/Cargo.toml",
        "tests/no-panic/probe/Cargo.toml",
    ] {
        shell.run(cargo().args(["fmt", "--manifest-path", manifest, "--check"]))?;
    }
    Ok(())
}

fn clippy(shell: &Shell) -> Result<()> {
    const LINTS: [&str; 5] = ["--all-targets", "--quiet", "--", "-D", "warnings"];
    host::need_components(shell, &[("clippy", "clippy")])?;
    shell.run(cargo().args(["clippy", "--workspace"]).args(LINTS))?;
    // A workspace of its own, and a user of the crates as others are: what
    // changes in their borders shows here.
    host::need_libclang(shell)?;
    let mut benches = cargo();
    benches.env("CARGO_TARGET_DIR", target().join("benches-sync"));
    benches.args(["clippy", "--locked", "--manifest-path", "benches/sync/Cargo.toml"]);
    shell.run(benches.args(LINTS))
}

fn doc(shell: &Shell) -> Result<()> {
    let mut command = cargo();
    command.env("RUSTDOCFLAGS", "-D warnings");
    shell.run(command.args(["doc", "--workspace", "--no-deps", "--quiet"]))
}

/// Long enough to go through the seeds some thousand times.
fn fuzz(shell: &Shell) -> Result<()> {
    const SECONDS_PER_TARGET: u32 = 15;
    fuzz::run(shell, SECONDS_PER_TARGET)
}

fn all_tests(shell: &Shell) -> Result<()> {
    test::run(shell, &test::Arguments::default())
}
