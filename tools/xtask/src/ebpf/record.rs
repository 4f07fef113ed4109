//! What the checked-in objects were built from, and with what.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    build::{self, OBJECTS, Objects},
    toolchain::Toolchain,
};
use crate::{hex::hex, shell::root};

/// The record beside the object.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Record {
    /// SHA-256 of the sources and of the compiler's flags.
    pub sources: String,
    /// Version of the compiler.
    pub rustc: String,
    /// Version of the compiler's LLVM.
    pub llvm: String,
    /// Version of the linker.
    pub bpf_linker: String,
    /// SHA-256 of each object, by its name.
    pub objects: BTreeMap<String, String>,
}

const HEADING: &str = "# Written by `cargo xtask ebpf`: what the objects here were built from.\n";

impl Record {
    pub(crate) fn new(toolchain: &Toolchain, objects: &Objects) -> Result<Self> {
        Ok(Self {
            sources: hash_of_sources()?,
            rustc: toolchain.rustc_version.clone(),
            llvm: toolchain.llvm_version.clone(),
            bpf_linker: toolchain.linker_version.clone(),
            objects: hashes(objects),
        })
    }

    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(path()).context("no record; run cargo xtask ebpf")?;
        toml::from_str(&text).context("the record is damaged; run cargo xtask ebpf")
    }

    pub(crate) fn write(&self) -> Result<()> {
        let text = format!("{HEADING}{}", toml::to_string(self)?);
        fs::write(path(), text).context("cannot write the record")
    }
}

fn path() -> PathBuf {
    root().join("ebpf/prebuilt/record.toml")
}

/// SHA-256 of each object, by its name.
pub(crate) fn hashes(objects: &Objects) -> BTreeMap<String, String> {
    OBJECTS.iter().zip(objects).map(|(&name, object)| (name.to_owned(), hash(object))).collect()
}

/// SHA-256, as text.
fn hash(octets: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(octets)))
}

/// Modules of the core that are not compiled for the kernel.
const NOT_IN_KERNEL: [&str; 5] = ["measure", "port", "ring", "seeded", "sync"];

/// SHA-256 of everything that goes into the objects.
pub(crate) fn hash_of_sources() -> Result<String> {
    let root = root();
    let mut files = vec![
        root.join("core/Cargo.toml"),
        root.join("ebpf/Cargo.lock"),
        root.join("ebpf/Cargo.toml"),
    ];
    let core = root.join("core/src");
    collect(&core, &mut files)?;
    files.retain(|file| {
        let module = file.strip_prefix(&core).ok().and_then(|file| file.iter().next());
        let module = module.map(|module| Path::new(module).with_extension(""));
        !module.is_some_and(|module| NOT_IN_KERNEL.iter().any(|name| module == Path::new(name)))
    });
    collect(&root.join("ebpf/src"), &mut files)?;
    files.sort();
    let mut all = build::FLAGS.join("\n").into_bytes();
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        let octets = fs::read(&file).with_context(|| format!("cannot read {name}"))?;
        // Each file by its own hash, so that no end of one can pass for the
        // start of the next.
        all.extend(format!("\n{name} {}", hash(&octets)).into_bytes());
    }
    Ok(hash(&all))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push(entry.path());
        }
    }
    Ok(())
}
