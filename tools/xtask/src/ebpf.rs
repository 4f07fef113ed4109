//! `cargo xtask ebpf`: the kernel program, built, recorded and checked.
//!
//! The object is checked in, so that users need no toolchain but stable Rust.
//! Beside it stands a record of its sources and of the toolchain that built
//! it; the same toolchain gives the same octets in any folder.

mod build;
mod gate;
mod record;
mod toolchain;
mod verify;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use self::toolchain::{cache_folder, sources_of};
use self::{record::Record, toolchain::Toolchain};
use crate::{
    host,
    shell::{Shell, root, target},
};

/// Whether to build or to check.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing: fail if the object is not that of the sources
    #[arg(long)]
    check: bool,
}

/// Builds or checks.
pub(crate) fn run(shell: &Shell, arguments: &Arguments) -> Result<()> {
    if arguments.check { check(shell) } else { rebuild(shell) }
}

/// Checks the object at hand, as continuous integration does.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    let record = Record::read()?;
    let object = read_object()?;
    if record.sources != record::hash_of_sources()? {
        bail!("the sources of the kernel program changed since it was built: cargo xtask ebpf");
    }
    if record.object != record::hash(&object) {
        bail!("{} is not what its record says: cargo xtask ebpf", object_path().display());
    }
    let instructions = gate::check_calls(&object)?;
    shell.say(&format!("{instructions} instructions, no call but of helpers"));
    verify::length(shell)?;
    let toolchain = match Toolchain::ready(shell) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            return host::skip(shell, &format!("the kernel program was not rebuilt: {error:#}"));
        }
    };
    let rebuilt = build::object(shell, &toolchain)?;
    if toolchain.is_recorded(&record) {
        if rebuilt != object {
            bail!("the recorded toolchain gives other octets: cargo xtask ebpf");
        }
        shell.say("the recorded toolchain gives the same octets");
        return Ok(());
    }
    let path = target().join("ebpf/checked.bpf.o");
    fs::write(&path, &rebuilt)?;
    verify::verifier_and_corpus(shell, &path)?;
    shell.say(&format!(
        "not the recorded toolchain but {toolchain}: its object passed the verifier and the corpus",
    ));
    Ok(())
}

fn rebuild(shell: &Shell) -> Result<()> {
    let toolchain = Toolchain::ready(shell)?;
    let object = build::object(shell, &toolchain)?;
    fs::write(object_path(), &object).context("cannot write the object")?;
    Record::new(&toolchain, &object)?.write()?;
    shell.say(&format!("{}: {} octets, {toolchain}", object_path().display(), object.len()));
    verify::programs(shell)?;
    let instructions = gate::check_calls(&object)?;
    shell.say(&format!("{instructions} instructions, no call but of helpers"));
    verify::length(shell)
}

fn object_path() -> PathBuf {
    root().join("ebpf/prebuilt/farend.bpf.o")
}

fn read_object() -> Result<Vec<u8>> {
    fs::read(object_path()).context("no object; run cargo xtask ebpf")
}
