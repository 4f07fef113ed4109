//! `cargo xtask ebpf`: the kernel programs, built, recorded and checked.
//!
//! The objects are checked in, so that users need no toolchain but stable
//! Rust. Beside them stands a record of their sources and of the toolchain that
//! built them; the same toolchain gives the same octets in any folder.

mod build;
mod gate;
mod record;
mod toolchain;
mod verify;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

pub(crate) use self::toolchain::{cache_folder, sources_of};
use self::{
    build::{OBJECTS, Objects},
    record::Record,
    toolchain::Toolchain,
};
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
    let objects = read_objects()?;
    if record.sources != record::hash_of_sources()? {
        bail!("the sources of the kernel programs changed since they were built: cargo xtask ebpf");
    }
    if record.objects != record::hashes(&objects) {
        bail!("ebpf/prebuilt is not what its record says: cargo xtask ebpf");
    }
    check_size(shell, &objects)?;
    let toolchain = match Toolchain::ready(shell) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            return host::skip(shell, &format!("the kernel programs were not rebuilt: {error:#}"));
        }
    };
    let rebuilt = build::objects(shell, &toolchain)?;
    if toolchain.is_recorded(&record) {
        if rebuilt != objects {
            bail!("the recorded toolchain gives other octets: cargo xtask ebpf");
        }
        shell.say("the recorded toolchain gives the same octets");
        return Ok(());
    }
    let folder = target().join("ebpf/checked");
    fs::create_dir_all(&folder)?;
    write_objects(&folder, &rebuilt)?;
    verify::verifier_and_corpus(shell, &folder)?;
    shell.say(&format!(
        "not the recorded toolchain but {toolchain}: its objects passed the verifier and the corpus",
    ));
    Ok(())
}

fn rebuild(shell: &Shell) -> Result<()> {
    let toolchain = Toolchain::ready(shell)?;
    let objects = build::objects(shell, &toolchain)?;
    write_objects(&folder(), &objects)?;
    Record::new(&toolchain, &objects)?.write()?;
    for (object, name) in objects.iter().zip(OBJECTS) {
        shell.say(&format!("{name}.bpf.o: {} octets, {toolchain}", object.len()));
    }
    verify::programs(shell)?;
    check_size(shell, &objects)
}

/// Fails if an object holds what it must not, or the reflecting program calls
/// what it must not or is too long.
fn check_size(shell: &Shell, objects: &Objects) -> Result<()> {
    for (object, name) in objects.iter().zip(OBJECTS) {
        gate::check_contents(name, object)?;
    }
    let [reflecting, ..] = objects;
    let instructions = gate::check_calls(reflecting)?;
    shell.say(&format!("{instructions} instructions, no call but of helpers"));
    verify::length(shell)
}

fn folder() -> PathBuf {
    root().join("ebpf/prebuilt")
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.bpf.o"))
}

fn read_objects() -> Result<Objects> {
    let mut objects = Objects::default();
    for (object, name) in objects.iter_mut().zip(OBJECTS) {
        *object = fs::read(path(&folder(), name)).context("no object; run cargo xtask ebpf")?;
    }
    Ok(objects)
}

fn write_objects(folder: &Path, objects: &Objects) -> Result<()> {
    for (object, name) in objects.iter().zip(OBJECTS) {
        fs::write(path(folder, name), object).context("cannot write an object")?;
    }
    Ok(())
}
