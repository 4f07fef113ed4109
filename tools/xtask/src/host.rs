//! The machine that this runs on.

use std::{
    env, fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, bail};

use crate::shell::{Shell, cargo};

/// Whether skips are forbidden although the environment does not say so.
static IS_SKIP_FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Forbids skips from here on, unless the environment has a word of its own on it.
pub(crate) fn forbid_skips() {
    let is_asked = env::var_os(farend_effort::NO_SKIP).is_some();
    IS_SKIP_FORBIDDEN.store(!is_asked, Ordering::Relaxed);
}

/// Hands on to a program that skips are [forbidden](forbid_skips).
pub(crate) fn forbid_skips_in(command: &mut Command) {
    if IS_SKIP_FORBIDDEN.load(Ordering::Relaxed) {
        command.env(farend_effort::NO_SKIP, "1");
    }
}

/// Says why something is left out, or fails where that is forbidden.
pub(crate) fn skip(shell: &Shell, why: &str) -> Result<()> {
    if IS_SKIP_FORBIDDEN.load(Ordering::Relaxed) || farend_effort::is_skip_forbidden() {
        bail!("{why}, and {} forbids to skip it", farend_effort::NO_SKIP);
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
    update(shell)?;
    shell
        .run(apt_get(&["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("cannot install {wanted}"))
}

/// Asks once which Debian packages there are now.
pub(crate) fn update(shell: &Shell) -> Result<()> {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if !IS_DONE.load(Ordering::Relaxed) {
        shell.run(&mut apt_get(&["update", "-qq"]))?;
        IS_DONE.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// Whether a Debian package is there to be installed.
pub(crate) fn is_offered(package: &str) -> bool {
    let told = Command::new("/usr/bin/apt-cache").args(["show", package]).output();
    told.is_ok_and(|told| told.status.success() && !told.stdout.is_empty())
}

/// Installs parts of the toolchain that are not there, each given by the command of
/// cargo that it brings.
pub(crate) fn need_components(shell: &Shell, commands: &[(&str, &str)]) -> Result<()> {
    for (command, component) in commands {
        let is_there = cargo()
            .args([command, "--version"])
            .output()
            .is_ok_and(|output| output.status.success());
        if !is_there {
            shell.say(&format!("installing {component}"));
            shell
                .run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing; install it"))?;
        }
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    command
}
