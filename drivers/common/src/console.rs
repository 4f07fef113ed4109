//! Lines for a person, on standard error.

use std::io::Write;

/// Writes one line. A closed standard error is nobody listening, which is no
/// reason to stop.
pub fn say(line: impl AsRef<str>) {
    let mut line = line.as_ref().replace('\n', " ");
    line.push('\n');
    // One write, so that lines of several processes do not mix.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
