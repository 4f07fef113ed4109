//! Lines for whoever started the program.

use std::io::{self, Write as _};

/// One line to stderr. If nobody reads it, nothing waits and nothing ends.
pub(crate) fn line(text: &str) {
    let _nobody_reads = writeln!(io::stderr().lock(), "{text}");
}

/// One line to stdout.
pub(crate) fn out(text: &str) {
    let _nobody_reads = writeln!(io::stdout().lock(), "{text}");
}
