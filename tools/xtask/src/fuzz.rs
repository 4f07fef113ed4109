//! The fuzz targets, each for a bounded time.
//!
//! Coverage counters are a pass of LLVM that the stable compiler takes, and
//! libFuzzer comes as a crate: neither nightly Rust nor cargo-fuzz is needed.
//! Only sanitizers would need nightly.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    host,
    shell::{Shell, capture, cargo, root, target},
};

/// The binaries of `fuzz/`.
const TARGETS: [&str; 10] = [
    "control",
    "reflect",
    "policy_from_octets",
    "reflect_datagram",
    "configuration",
    "records",
    "segment",
    "link",
    "cassette",
    "http",
];

/// How the instrumented code is compiled: as cargo-fuzz does without a
/// sanitizer.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// Longest input: all headers and some payload.
const INPUT_OCTETS_MAX: u32 = 2_048;

/// An input that takes longer than this is a finding.
const INPUT_TIME_S: u32 = 10;

/// Runs every target for so many seconds. A finding is left in the folder that
/// the output names.
pub(crate) fn run(shell: &Shell, seconds: u32) -> Result<()> {
    let folder = target().join("fuzz");
    let (seeds, found) = (folder.join("seeds"), folder.join("found"));
    fs::create_dir_all(&found)?;
    let mut write_seeds = cargo();
    write_seeds.args(["run", "--quiet", "--package", "farend-truth", "--example", "seeds", "--"]);
    shell.run(write_seeds.arg(&seeds))?;
    let binaries = build(shell, &folder)?;
    for name in TARGETS {
        let work = folder.join("work").join(name);
        fs::create_dir_all(&work)?;
        let mut fuzz = Command::new(binaries.join(name));
        fuzz.current_dir(root()).arg(&work);
        // Those of the corpus, and those that are kept as files.
        let folders = [seeds.join(name), root().join("fuzz/seeds").join(name)];
        fuzz.args(folders.iter().filter(|folder| folder.exists()));
        fuzz.args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={INPUT_OCTETS_MAX}"),
            format!("-timeout={INPUT_TIME_S}"),
            format!("-artifact_prefix={}/", found.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        shell.run(&mut fuzz).with_context(|| {
            format!("{name} found something; the input is in {}", found.display())
        })?;
    }
    Ok(())
}

/// Builds the targets and returns the folder with them.
fn build(shell: &Shell, folder: &Path) -> Result<PathBuf> {
    // libFuzzer itself is C++.
    if Command::new("c++").arg("--version").output().is_err() {
        host::install(shell, &["g++"])?;
    }
    // A target by name keeps the flags from build scripts and macros.
    let triple = host_triple()?;
    let mut build = cargo();
    build
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .env("CARGO_TARGET_DIR", folder)
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target", &triple]);
    shell.run(&mut build).context("cannot build the fuzz targets")?;
    Ok(folder.join(triple).join("release"))
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = capture(Command::new(rustc).arg("-vV"))?;
    let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.context("rustc does not name its host")?.to_owned())
}
