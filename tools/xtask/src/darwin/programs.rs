//! Programs for a Mac, and what they ask the system for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::toolchain::{Part, Toolchain, nm, select};
use crate::shell::{Shell, capture};

/// Links everything in this part of a package that becomes a program. Returns
/// where the programs are.
pub(crate) fn linked(
    shell: &Shell,
    toolchain: &Toolchain,
    target: &str,
    package: &str,
    part: Part,
    features: &[&str],
) -> Result<Vec<PathBuf>> {
    let mut command = toolchain.cargo();
    command.args(["build", part.option(), "--quiet"]);
    command.arg("--message-format=json-render-diagnostics");
    select(&mut command, target, package, features);
    shell.say(&format!("linking {package} for {target}"));
    let mut programs = Vec::new();
    for line in capture(&mut command)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line).context("cargo's words")?;
        if let Some(path) = message["executable"].as_str() {
            programs.push(PathBuf::from(path));
        }
    }
    programs.sort();
    programs.dedup();
    if programs.is_empty() {
        bail!("{package} has no program to link");
    }
    Ok(programs)
}

/// What a program takes from other libraries.
pub(crate) fn undefined_names(program: &Path) -> Result<Vec<String>> {
    let listed = capture(nm().arg("-u").arg(program))?;
    let names: Vec<_> =
        listed.split_whitespace().filter(|word| word.starts_with('_')).map(str::to_owned).collect();
    if names.is_empty() {
        bail!("takes nothing from the system, which cannot be");
    }
    Ok(names)
}

/// Whether these octets stand anywhere in a program.
pub(crate) fn holds_text(program: &Path, text: &str) -> Result<bool> {
    let octets = fs::read(program)?;
    Ok(octets.windows(text.len()).any(|window| window == text.as_bytes()))
}
