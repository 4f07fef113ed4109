//! How much tests and checks do, as the environment asks.
#![deny(unsafe_code)]

use std::{
    env,
    io::{self, Write as _},
};

/// Environment variable that forbids to skip, for where all must really run.
pub const NO_SKIP: &str = "FAREND_NO_SKIP";

/// Environment variable that makes tests run for longer.
pub const LONG: &str = "FAREND_LONG";

/// Whether a skip is a failure here.
#[must_use]
pub fn is_skip_forbidden() -> bool {
    is_set(NO_SKIP)
}

/// Whether tests may take their time.
#[must_use]
pub fn is_long() -> bool {
    is_set(LONG)
}

/// Says why a test does nothing here.
///
/// # Panics
///
/// If [that is forbidden](is_skip_forbidden).
pub fn skip(why: &str) {
    assert!(!is_skip_forbidden(), "{why}, and {NO_SKIP} forbids to skip it");
    // Not by a macro: the test harness would keep it to itself.
    let _told = writeln!(io::stderr(), "skipped: {why}");
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}
