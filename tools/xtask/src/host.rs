//! The machine that this runs on.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

/// Whether a skip is an error, as in continuous integration.
pub(crate) fn is_skip_forbidden() -> bool {
    std::env::var_os(farend_lab::NO_SKIP).is_some_and(|value| !value.is_empty())
}

/// Says why something is left out, or fails where that is forbidden.
pub(crate) fn skip(shell: &Shell, why: &str) -> Result<()> {
    if is_skip_forbidden() {
        bail!("{why}, and {} forbids to skip it", farend_lab::NO_SKIP);
    }
    shell.say(&format!("skipped: {why}"));
    Ok(())
}

/// Installs the packages of programs that are not there, each given with its
/// package.
pub(crate) fn need(shell: &Shell, programs: &[(&str, &'static str)]) -> Result<()> {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let is_there = |program| folders.iter().any(|folder| Path::new(folder).join(program).exists());
    let mut missing: Vec<_> = programs
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    missing.dedup();
    if missing.is_empty() { Ok(()) } else { install(shell, &missing) }
}

/// Installs libclang if it is not there: a peer in `benches/sync` reads C headers
/// by it when it is built.
pub(crate) fn need_libclang(shell: &Shell) -> Result<()> {
    // As Debian lays it out, whichever version.
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let is_there = folders
        .filter(|folder| folder.file_name().as_encoded_bytes().starts_with(b"llvm-"))
        .any(|folder| folder.path().join("lib/libclang.so.1").exists());
    if is_there { Ok(()) } else { install(shell, &["libclang-dev"]) }
}

/// Installs Debian packages, where that is possible.
pub(crate) fn install(shell: &Shell, packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if !farend_lab::is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("these packages are missing: {wanted}; install them, on Debian as root");
    }
    shell.say(&format!("installing {wanted}"));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("/usr/bin/apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        command
    };
    shell.run(&mut apt(&["update", "-qq"]))?;
    shell
        .run(apt(&["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("cannot install {wanted}"))
}
