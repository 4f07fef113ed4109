//! To standard output: lines for a person, or JSON.

use std::io::{ErrorKind, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;

/// Whether whoever reads is still there.
pub type Goes = Result<bool, Error>;

/// Writes one line, without control characters.
///
/// # Errors
///
/// Standard output takes nothing, for another reason than that nobody reads.
pub fn line(out: &mut impl Write, text: &str) -> Goes {
    let text = text.replace(|c: char| c.is_control() && c != '\n', " ");
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::run(format!("cannot write to standard output: {error}"))),
    }
}

/// Writes what a driver has said as one line of JSON, with the driver's name.
///
/// # Errors
///
/// As in [`line()`].
pub fn reply(out: &mut impl Write, driver: &str, reply: &impl Serialize) -> Goes {
    let mut said = json!({ "driver": driver });
    if let (Some(said), Ok(Value::Object(reply))) =
        (said.as_object_mut(), serde_json::to_value(reply))
    {
        said.extend(reply);
    }
    // JSON writes control characters as escapes.
    line(out, &said.to_string())
}
