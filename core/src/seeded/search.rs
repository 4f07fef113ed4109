//! Each fault, put into a process of its own, must make a model fail there.
//!
//! A child process, because a model that fails may leave locks that cannot be
//! dropped in order.

use std::{
    env, format,
    process::{Command, Stdio},
    string::String,
    vec::Vec,
};

use super::{Seeded, VARIABLE};

/// Which model checkers find a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// loom and shuttle.
    Both,
    /// loom alone. An order that is missing shows in no order of steps, only in a
    /// weaker memory, and some orders of steps are too rare to be drawn by chance.
    Loom,
}

/// A fault, the model that finds it, and under which checkers it does.
pub type Row<F> = (F, &'static str, FoundBy);

/// Fails unless each fault is in `rows` and the models there find it. `models` is the
/// path of the module below which the models' names are.
pub fn each_is_found<F: Seeded>(models: &str, rows: &[Row<F>]) {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    let forgotten = F::ALL
        .iter()
        .filter(|fault| rows.iter().all(|(sought, ..)| sought != *fault))
        .map(|fault| format!("{}: no model looks for it", fault.name()));
    let missed = rows
        .iter()
        .filter(|(.., found_by)| cfg!(farend_loom) || *found_by == FoundBy::Both)
        .filter(|(fault, model, _)| passes(models, model, fault.name()))
        .map(|(fault, model, _)| format!("{}: not found by {model}", fault.name()));
    let complaints: Vec<String> = forgotten.chain(missed).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    // A child that failed in any case would seem to find them all.
    let (_, model, _) = rows.first().unwrap();
    assert!(passes(models, model, "none"), "{model} fails without a fault");
}

/// Whether a model passes in a child process with this fault. A model that is not
/// there passes.
fn passes(models: &str, model: &str, fault: &str) -> bool {
    let name = format!("{models}::{model}");
    let status = Command::new(env::current_exe().unwrap())
        .args([&name, "--exact", "--test-threads=1"])
        .env(VARIABLE, fault)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}
