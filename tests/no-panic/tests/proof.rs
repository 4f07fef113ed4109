//! Builds that succeed only if the core keeps its promises, and builds that
//! fail if they are broken on purpose.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use farend_effort::skip;
use object::{Object, ObjectSymbol, SymbolKind};

/// What the compiler may call where the source copies or compares octets.
const MEMORY_FUNCTIONS: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];

/// A target without an operating system, and so without any library but core.
const BARE_TARGET: &str = "thumbv7m-none-eabi";

/// A compiler beside rustup's whose library sources are installed: Debian's
/// packages `rustc-web` and `rust-web-src`. The environment's
/// `FAREND_BUILD_STD_RUSTC` names another.
const BUILD_STD_RUSTC: &str = "/usr/bin/rustc";

fn probe_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("probe")
}

/// Builds the probe, with its own target folder for each feature: a build must
/// not find another's object.
fn build_probe(feature: Option<&str>) -> (Output, PathBuf) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(feature.unwrap_or("probe"));
    let mut cargo = cargo();
    cargo
        .args(["build", "--release", "--locked"])
        .arg("--manifest-path")
        .arg(probe_folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    if let Some(feature) = feature {
        cargo.args(["--features", feature]);
    }
    let output = cargo.output().unwrap_or_else(|error| panic!("cargo does not run: {error}"));
    (output, target.join("release/libfarend_no_panic_probe.so"))
}

/// Cargo without what the outer cargo set for its own build.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        cargo.env_remove(name);
    }
    cargo
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the probe's link arguments are those of GNU ld")]
fn every_entry_of_the_core_links_without_a_panic_handler() {
    let (output, object) = build_probe(None);
    assert!(output.status.success(), "the probe does not link:\n{}", said(&output));
    let octets = fs::read(&object).unwrap_or_else(|error| panic!("{}: {error}", object.display()));
    let object = object::File::parse(&octets[..]).unwrap_or_else(|error| panic!("{error}"));

    let exported: Vec<_> = object.exports().unwrap_or_default();
    let entries = exported.iter().filter(|symbol| symbol.name().starts_with(b"entry_")).count();
    // What the probe declares is there, and there is no less than when this was written.
    assert!(entries >= 80, "only {entries} entries were linked: not all would be proven");

    let suspects: Vec<_> = object
        .symbols()
        .filter(|symbol| symbol.kind() != SymbolKind::File)
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| {
            // The probe's own name has one of the words.
            let name = name.replace("farend_no_panic_probe", "");
            ["panic", "unwind", "alloc"].iter().any(|word| name.contains(word))
        })
        .collect();
    assert!(suspects.is_empty(), "symbols that should not be there: {suspects:?}");

    let foreign: BTreeSet<_> = object
        .dynamic_symbols()
        .filter(|symbol| symbol.is_undefined() && !symbol.is_weak())
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| !name.is_empty() && !MEMORY_FUNCTIONS.contains(name))
        .collect();
    assert!(foreign.is_empty(), "the core calls into the operating system: {foreign:?}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the probe's link arguments are those of GNU ld")]
fn a_panic_path_fails_the_link_and_is_named() {
    let (output, _) = build_probe(Some("panic"));
    assert!(!output.status.success(), "a panic path was linked");
    assert!(said(&output).contains("a_panic_is_reachable_from_the_core"), "{}", said(&output));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the probe's link arguments are those of GNU ld")]
fn an_allocation_fails_the_link_and_is_named() {
    let (output, _) = build_probe(Some("allocation"));
    assert!(!output.status.success(), "an allocation was linked");
    let said = said(&output);
    assert!(said.contains("an_allocation_is_reachable_from_the_core"), "{said}");
}

#[test]
fn the_core_builds_for_a_target_without_an_operating_system() {
    builds_for_a_bare_target("core", "libfarend_core.rlib");
}

#[test]
fn locks_that_spin_build_for_a_target_without_an_operating_system() {
    builds_for_a_bare_target("drivers/futex", "libfarend_futex.rlib");
}

fn builds_for_a_bare_target(package: &str, library: &str) {
    let rustc = env::var("FAREND_BUILD_STD_RUSTC").unwrap_or_else(|_| BUILD_STD_RUSTC.to_owned());
    let sources = Command::new(&rustc).args(["--print", "sysroot"]).output().ok().map(|output| {
        let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Path::new(&sysroot).join("lib/rustlib/src/rust/library/core/src/lib.rs")
    });
    if !sources.is_some_and(|sources| sources.exists()) {
        skip(&format!(
            "{rustc} has no library sources to build {package} for {BARE_TARGET}: apt-get install \
             rustc-web rust-web-src, or name another by FAREND_BUILD_STD_RUSTC"
        ));
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(package);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(BARE_TARGET);
    let mut cargo = cargo();
    let output = cargo
        .args(["build", "--release", "--locked", "-Zbuild-std=core", "--target", BARE_TARGET])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTC", &rustc)
        // `-Zbuild-std` is cargo's only way to build core itself.
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTUP_TOOLCHAIN")
        .output()
        .unwrap_or_else(|error| panic!("cargo does not run: {error}"));
    assert!(output.status.success(), "{package} does not build:\n{}", said(&output));
    let library = target.join(BARE_TARGET).join("release").join(library);
    assert!(library.exists(), "{} was not built", library.display());
}
