//! What tests share: how much they do, as the environment asks, what they skip, and
//! ports of their own.
#![deny(unsafe_code)]

mod port;

pub use port::own_port;

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    thread,
};

/// Environment variable that forbids to skip, for where all must really run.
pub const NO_SKIP: &str = "FAREND_NO_SKIP";

/// Environment variable that makes tests run for longer.
pub const LONG: &str = "FAREND_LONG";

/// Environment variable that names a file which collects the skips, a line each:
/// the test, a tab, the reason.
pub const SKIPS_FILE: &str = "FAREND_SKIPS_FILE";

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
    if let Some(file) = env::var_os(SKIPS_FILE) {
        let recorded = record(Path::new(&file), why);
        assert!(recorded.is_ok(), "cannot record a skip in {}: {recorded:?}", file.display());
    }
}

/// Adds a line by one write, so that tests that run at once do not mix theirs.
fn record(file: &Path, why: &str) -> io::Result<()> {
    let line = format!("{}\t{}\n", test_name(), why.replace('\n', " "));
    OpenOptions::new().append(true).create(true).open(file)?.write_all(line.as_bytes())
}

/// The test of this thread, as the test runner calls it.
fn test_name() -> String {
    let name = |variable| env::var(variable).ok();
    match (name("NEXTEST_BINARY_ID"), name("NEXTEST_TEST_NAME")) {
        (Some(binary), Some(test)) => format!("{binary} {test}"),
        _ => thread::current().name().unwrap_or("a test").to_owned(),
    }
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_skip_is_one_line_with_test_and_reason() {
        let file = env::temp_dir().join(format!("farend-skips-{}", std::process::id()));
        record(&file, "no root\nhere").unwrap();
        record(&file, "no tshark").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split_once('\t').unwrap()).collect();
        assert_eq!(
            lines.iter().map(|line| line.1).collect::<Vec<_>>(),
            ["no root here", "no tshark"]
        );
        assert!(lines[0].0.ends_with("recorded_skip_is_one_line_with_test_and_reason"), "{text}");
    }
}
