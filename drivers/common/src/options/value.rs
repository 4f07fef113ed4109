//! The types that an option's value can have.

use std::{fmt::Write, path::PathBuf};

use farend_core::{Mode, Oui};
use serde_json::Value;

use crate::values::{
    BusyPoll, ControlAt, Every, Expected, Format, Guard, Numbers, Port, Prefix, Rate, SampleOctets,
    SampleOf, Seconds, SegmentName, SignatureSet, SourceOui, TesterCount, UserSignature, VlanId,
    mode_name, parse_mode, parse_oui,
};

/// A value that is read from text and written back as the same text.
pub trait OptionValue: Clone + PartialEq + Send + Sync + std::fmt::Debug + 'static {
    /// The value of an option that is given without one, if it can be.
    const MISSING: Option<&'static str> = None;
    /// Whether a file may give it as a list, which is one text with commas.
    const IS_SET: bool = false;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// Says what was expected.
    fn from_text(text: &str) -> Result<Self, Expected>;

    /// Writes it.
    fn to_text(&self) -> String;

    /// Writes it as a value of TOML.
    fn to_toml(&self) -> String {
        let text = self.to_text();
        let is_number = text.bytes().all(|c| c.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
            && (1..=15).contains(&text.len());
        if !Self::IS_SET && (is_number || matches!(text.as_str(), "true" | "false")) {
            return text;
        }
        quoted(&text)
    }

    /// Writes it as a value of JSON: as bare as in TOML.
    fn to_json(&self) -> Value {
        let bare = serde_json::from_str(&self.to_toml()).ok();
        bare.filter(|value: &Value| !value.is_string())
            .unwrap_or_else(|| Value::String(self.to_text()))
    }
}

/// Says of types that implement `FromStr` and `Display` that they are values.
#[macro_export]
macro_rules! option_values {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::options::OptionValue for $type {
            fn from_text(text: &str) -> ::core::result::Result<Self, $crate::values::Expected> {
                text.parse()
            }

            fn to_text(&self) -> String {
                self.to_string()
            }
        })+
    };
}

option_values!(
    ControlAt,
    Every,
    Format,
    Guard,
    Port,
    Prefix,
    Rate,
    SampleOctets,
    SampleOf,
    SegmentName,
    SourceOui,
    TesterCount,
    UserSignature,
    VlanId,
);

impl OptionValue for bool {
    const MISSING: Option<&'static str> = Some("true");

    fn from_text(text: &str) -> Result<Self, Expected> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Expected::new("true or false")),
        }
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for BusyPoll {
    const MISSING: Option<&'static str> = Some("20");

    fn from_text(text: &str) -> Result<Self, Expected> {
        text.parse()
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for Numbers {
    const IS_SET: bool = true;

    fn from_text(text: &str) -> Result<Self, Expected> {
        text.parse()
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for SignatureSet {
    const IS_SET: bool = true;

    fn from_text(text: &str) -> Result<Self, Expected> {
        text.parse()
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for Seconds {
    fn from_text(text: &str) -> Result<Self, Expected> {
        text.parse()
    }

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for Oui {
    fn from_text(text: &str) -> Result<Self, Expected> {
        parse_oui(text)
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for Mode {
    fn from_text(text: &str) -> Result<Self, Expected> {
        parse_mode(text)
    }

    fn to_text(&self) -> String {
        mode_name(*self).to_owned()
    }
}

impl OptionValue for PathBuf {
    fn from_text(text: &str) -> Result<Self, Expected> {
        if text.is_empty() {
            return Err(Expected::new("the path of a file"));
        }
        Ok(text.into())
    }

    fn to_text(&self) -> String {
        self.display().to_string()
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_text())
    }
}

/// A basic string of TOML (TOML 1.0, "String").
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_with_quotes_is_a_toml_string() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
        assert_eq!(PathBuf::from("007").to_toml(), "\"007\"");
    }

    #[test]
    fn numbers_and_flags_are_bare_in_toml() {
        assert_eq!(Rate(250_000).to_toml(), "250000");
        assert_eq!(true.to_toml(), "true");
        assert_eq!(Numbers(vec![0, 1, 2]).to_toml(), "\"0-2\"");
    }

    #[test]
    fn numbers_and_flags_are_bare_in_json() {
        assert_eq!(Rate(250_000).to_json(), 250_000);
        assert_eq!(true.to_json(), true);
        assert_eq!("1.5".parse::<Seconds>().unwrap().to_json(), 1.5);
        assert_eq!(Numbers(vec![0, 1, 2]).to_json(), "0-2");
        assert_eq!(PathBuf::from("a\"b").to_json(), "a\"b");
    }
}
