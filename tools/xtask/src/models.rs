//! Locks, signals, rings and AF_XDP's queue under two model checkers.

use anyhow::Result;

use crate::shell::{Shell, cargo, target};

/// Every order of the steps of two or three threads, in the memory model of the
/// language; and each fault that is put in is found.
pub(crate) fn loom(shell: &Shell) -> Result<()> {
    check(shell, "loom")
}

/// Many orders of the steps of eight threads.
pub(crate) fn shuttle(shell: &Shell) -> Result<()> {
    check(shell, "shuttle")
}

/// Runs the core's models over `checker`, in a folder of its own because every
/// dependency is built with its flag.
fn check(shell: &Shell, checker: &str) -> Result<()> {
    // The models are in `sync::model` and `ring::models`, and in `model`.
    for (package, models) in [("farend-core", "::model"), ("farend-af-xdp", "model::")] {
        let mut command = cargo();
        command
            .args(["test", "--quiet", "--package", package, "--lib", "--no-default-features"])
            .args(["--features", checker])
            .arg("--target-dir")
            .arg(target().join(checker))
            .args(["--", models])
            .env("RUSTFLAGS", format!("--cfg farend_{checker}"))
            // They run a hundred thousand times.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("RUST_BACKTRACE", "0");
        shell.run(&mut command)?;
    }
    Ok(())
}
