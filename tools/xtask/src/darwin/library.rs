//! Rust's own library for a Mac, built once for each compiler.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::toolchain::{Toolchain, make_empty};
use crate::shell::{Shell, target};

/// A package without a line of code: what is wanted is what it depends on.
const MANIFEST: &str = r#"[package]
name = "nothing"
version = "0.0.0"
edition = "2024"

[workspace]
"#;
const NOTHING: &str = "nothing";

/// Builds the library for those targets that have none yet, which takes some
/// minutes.
pub(crate) fn ready(shell: &Shell, toolchain: &Toolchain, targets: &[&str]) -> Result<()> {
    for name in targets {
        let folder = toolchain.library.join("lib/rustlib").join(name).join("lib");
        if !folder.exists() {
            shell.say(&format!("building the library for {name} into {}", folder.display()));
            build(shell, toolchain, name, &folder)
                .with_context(|| format!("cannot build the library for {name}"))?;
        }
    }
    Ok(())
}

fn build(shell: &Shell, toolchain: &Toolchain, name: &str, folder: &Path) -> Result<()> {
    let package = target().join("darwin").join(NOTHING);
    fs::create_dir_all(package.join("src"))?;
    fs::write(package.join("Cargo.toml"), MANIFEST)?;
    fs::write(package.join("src/lib.rs"), "#![no_std]\n")?;

    // Its own folder, so that nothing older is taken for the library.
    let built = package.join("target").join(name);
    make_empty(&built)?;
    let mut command = toolchain.cargo();
    // The library that these flags name is the one to be built.
    command.env_remove("CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS");
    command.env_remove("CARGO_TARGET_X86_64_APPLE_DARWIN_RUSTFLAGS");
    command
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        // Keeps its crates apart from those of the same name in a program.
        .env("__CARGO_DEFAULT_LIB_METADATA", "farend-darwin")
        .args(["build", "--release", "--quiet", "--target", name])
        .arg("-Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test");
    shell.run(&mut command)?;

    // Renamed into place at the end: a build that was cut off leaves nothing.
    let unfinished = folder.with_extension(format!("{}", std::process::id()));
    make_empty(&unfinished)?;
    let mut copied = 0;
    for path in files(&built.join("release/deps"))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_library(&path) && !name.starts_with(&format!("lib{NOTHING}-")) {
            fs::copy(&path, unfinished.join(name))?;
            copied += 1;
        }
    }
    if copied == 0 {
        bail!("cargo built no library in {}", built.display());
    }
    if let Err(error) = fs::rename(&unfinished, folder) {
        fs::remove_dir_all(&unfinished)?;
        // Another tree's run may have been first.
        if !folder.exists() {
            return Err(error).with_context(|| format!("cannot make {}", folder.display()));
        }
    }
    fs::remove_dir_all(&package).context("cannot clear up")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn is_library(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|end| ["rlib", "rmeta"].contains(&end))
}
