//! Tests that need what not every machine has.

/// Says why a test does nothing here.
///
/// # Panics
///
/// If the environment has `FAREND_NO_SKIP=1`: where every test must really
/// run, a skip is a failure.
pub fn skip(test: &str, reason: &str) {
    let is_forbidden = std::env::var_os("FAREND_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!is_forbidden, "{test} was skipped, which FAREND_NO_SKIP=1 forbids: {reason}");
    eprintln!("skipped {test}: {reason}");
}
