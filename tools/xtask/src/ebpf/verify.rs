//! Whether the kernel takes the object.

use std::path::Path;

use anyhow::Result;
use farend_lab::kernel::{OBJECT_VARIABLE, Program, verify_shield};

use crate::{
    host,
    shell::{Shell, cargo},
};

/// Loads each program of the object at hand.
pub(crate) fn programs(shell: &Shell) -> Result<()> {
    if !farend_lab::is_root() {
        return host::skip(shell, "the verifier was not asked: needs root");
    }
    for name in ["farend_reflect", "farend_floor", "farend_count", "farend_pass", "farend_source"] {
        Program::plain(name)?;
        shell.say(&format!("{name}: the verifier takes it"));
    }
    verify_shield()?;
    shell.say("farend_shield: the verifier takes it");
    Ok(())
}

/// Loads each program of another object and runs the corpus through it.
pub(crate) fn verifier_and_corpus(shell: &Shell, object: &Path) -> Result<()> {
    if !farend_lab::is_root() {
        return host::skip(shell, "neither verifier nor corpus was asked: needs root");
    }
    let mut corpus = cargo();
    corpus.env(OBJECT_VARIABLE, object).args(["test", "--package", "farend-truth", "--quiet"]);
    shell.run(&mut corpus)
}
