//! Octets as text.

use std::fmt::Write as _;

/// Two hexadecimal digits for each octet.
pub(crate) fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing to a string does not fail.
        let _written = write!(text, "{octet:02x}");
    }
    text
}
