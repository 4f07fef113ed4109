//! Tests that need what not every machine has.

use std::{
    env,
    io::{self, Write as _},
};

/// Says why a test does nothing here.
///
/// # Panics
///
/// If the environment has `FAREND_NO_SKIP`: where every test must really run,
/// a skip is a failure.
pub fn skip(test: &str, reason: &str) {
    let is_forbidden = env::var_os("FAREND_NO_SKIP").is_some_and(|value| !value.is_empty());
    assert!(!is_forbidden, "{test} was skipped, which FAREND_NO_SKIP forbids: {reason}");
    // Not by a macro: the test harness would keep it to itself.
    let _told = writeln!(io::stderr(), "skipped {test}: {reason}");
}
