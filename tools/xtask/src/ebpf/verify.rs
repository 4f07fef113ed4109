//! Whether the kernel takes the object.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use farend_core::{MacAddress, Policy};
use farend_lab::kernel::{OBJECTS_VARIABLE, Program, verify_redirect, verify_shield};

use crate::{
    host,
    shell::{Shell, cargo},
};

/// Most instructions of the reflecting program as the kernel holds it under the
/// default policy. A ratchet: whatever goes beyond what was before is paid for
/// in speed or in a guard (docs/decisions/0007-verdicts-and-loops.md).
const INSTRUCTIONS_MAX: u32 = 1160;

/// Loads each program of the object at hand.
pub(crate) fn programs(shell: &Shell) -> Result<()> {
    if !farend_lab::is_root() {
        return host::skip(shell, "the verifier was not asked: needs root");
    }
    let own_mac = MacAddress([0x02, 0, 0, 0, 0, 1]);
    let policy = Policy::builder().own_mac(own_mac).build().map_err(|error| anyhow!("{error}"))?;
    for policy in [Policy::closed(), policy] {
        Program::reflect(&policy)?;
    }
    shell.say("farend_reflect: the verifier takes it");
    for name in ["farend_floor", "farend_count", "farend_pass", "farend_source"] {
        Program::of_lab(name)?;
        shell.say(&format!("{name}: the verifier takes it"));
    }
    verify_shield()?;
    shell.say("farend_shield: the verifier takes it");
    verify_redirect()?;
    shell.say("farend_redirect: the verifier takes it");
    Ok(())
}

/// Fails if the reflecting program, under the default policy, is too long once
/// the kernel has removed what that policy makes unreachable.
pub(crate) fn length(shell: &Shell) -> Result<()> {
    if !farend_lab::is_root() {
        return host::skip(shell, "the kernel was not asked for the program's length: needs root");
    }
    let own_mac = MacAddress([0x02, 0, 0, 0, 0, 1]);
    let policy = Policy::builder().own_mac(own_mac).build().map_err(|error| anyhow!("{error}"))?;
    let instructions = Program::reflect(&policy)?.instructions()?;
    shell.say(&format!("{instructions} instructions under the default policy"));
    if instructions > INSTRUCTIONS_MAX {
        bail!("{instructions} instructions under the default policy, more than {INSTRUCTIONS_MAX}");
    }
    Ok(())
}

/// Loads each program of other objects and runs the corpus through them.
pub(crate) fn verifier_and_corpus(shell: &Shell, folder: &Path) -> Result<()> {
    if !farend_lab::is_root() {
        return host::skip(shell, "neither verifier nor corpus was asked: needs root");
    }
    let mut corpus = cargo();
    corpus.env(OBJECTS_VARIABLE, folder).args(["test", "--package", "farend-truth", "--quiet"]);
    shell.run(&mut corpus)
}
