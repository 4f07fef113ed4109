//! Tests and checks that need what not every machine has.
#![deny(unsafe_code)]

use std::{
    env,
    io::{self, Write as _},
};

/// Environment variable that forbids to skip, for where all must really run.
pub const VARIABLE: &str = "FAREND_NO_SKIP";

/// Whether a skip is a failure here.
#[must_use]
pub fn is_forbidden() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| !value.is_empty())
}

/// Says why a test does nothing here.
///
/// # Panics
///
/// If [that is forbidden](is_forbidden).
pub fn skip(why: &str) {
    assert!(!is_forbidden(), "{why}, and {VARIABLE} forbids to skip it");
    // Not by a macro: the test harness would keep it to itself.
    let _told = writeln!(io::stderr(), "skipped: {why}");
}
