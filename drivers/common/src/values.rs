//! The values that options and configuration keys take, read from text and
//! written back as the same text.
//!
//! An error says what was expected and shows it; whoever reports it names the
//! option or the key and repeats what was given.

mod capture;
mod control;
mod numbers;
mod prefix;
mod signature;

use std::{fmt, num::NonZeroU16, str::FromStr, time::Duration};

use farend_core::{Guards, Mode, Oui};

pub use capture::{Every, SampleOctets, SampleOf, SegmentName, TesterCount};
pub use control::ControlAt;
pub use numbers::{BusyPoll, Numbers};
pub use prefix::Prefix;
pub use signature::{SignatureSet, UserSignature};

/// What was expected in place of a value that could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected(pub(crate) String);

impl Expected {
    /// Names it, as in "a UDP port, 1 to 65535".
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for Expected {}

/// The UDP destination port to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// Every port.
    Any,
    /// This one.
    Only(NonZeroU16),
}

impl Port {
    /// The port of the ITO testers.
    pub const ITO: Self = match NonZeroU16::new(farend_core::reflect::policy::ITO_PORT) {
        Some(port) => Self::Only(port),
        None => Self::Any,
    };
}

impl FromStr for Port {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(Self::Any);
        }
        text.parse()
            .map(Self::Only)
            .map_err(|_| Expected::new("a UDP port, 1 to 65535 (3842 is ITO's), or any"))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(port) => port.fmt(f),
        }
    }
}

/// Reads an OUI: three octets in hexadecimal.
///
/// # Errors
///
/// Says the accepted form; a group bit is refused, because no station sends
/// with it.
pub fn parse_oui(text: &str) -> Result<Oui, Expected> {
    let octets = parse_colon_octets::<3>(text)
        .ok_or_else(|| Expected::new("an OUI of three octets in hexadecimal, as 00:c0:17"))?;
    if octets[0] & 1 != 0 {
        return Err(Expected::new(
            "the OUI of a station: the lowest bit of its first octet is 0, as in 00:c0:17",
        ));
    }
    Ok(Oui(octets))
}

/// Reads `N` octets of two hexadecimal digits with colons or dashes between.
fn parse_colon_octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let part = parts.next()?;
        if part.len() != 2 || !part.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// The source OUI to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceOui {
    /// Every source.
    Any,
    /// This one alone.
    Only(Oui),
}

impl FromStr for SourceOui {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(Self::Any);
        }
        parse_oui(text).map(Self::Only).map_err(|error| Expected(format!("{}, or any", error.0)))
    }
}

impl fmt::Display for SourceOui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(oui) => oui.fmt(f),
        }
    }
}

/// Reads a mode.
///
/// # Errors
///
/// Names the modes.
pub fn parse_mode(text: &str) -> Result<Mode, Expected> {
    match text {
        "mac" => Ok(Mode::Mac),
        "mac-ip" => Ok(Mode::MacIp),
        "all" => Ok(Mode::All),
        _ => Err(Expected::new(
            "mac, mac-ip (MAC and IP addresses) or all (addresses and UDP ports)",
        )),
    }
}

/// The name of a mode.
#[must_use]
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Mac => "mac",
        Mode::MacIp => "mac-ip",
        Mode::All => "all",
    }
}

/// One VLAN id: 0 stands for frames without a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanId(pub u16);

impl FromStr for VlanId {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.parse() {
            Ok(vid @ 0..=4094) => Ok(Self(vid)),
            _ => Err(Expected::new("a VLAN id, 1 to 4094, or 0 for frames without a tag")),
        }
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One guard, by its stable name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard {
    /// Its name in options and files.
    pub name: &'static str,
    /// Its bit.
    pub guards: Guards,
}

impl FromStr for Guard {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let known = Guards::NAMES.iter().find(|(name, _)| *name == text);
        known.map(|(name, guards)| Self { name, guards: *guards }).ok_or_else(|| {
            let names: Vec<_> = Guards::NAMES.iter().map(|(name, _)| *name).collect();
            Expected(format!("a guard: {}", names.join(", ")))
        })
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Frames a second that one CPU or worker answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate(pub u64);

/// Above this a rate is a typing error: no interface carries more frames a
/// second.
const RATE_FRAMES_PER_S_MAX: u64 = 10_000_000_000;

impl FromStr for Rate {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let (digits, unit) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000),
            Some(b'M') => (&text[..text.len() - 1], 1_000_000),
            _ => (text, 1),
        };
        let rate = digits.replace('_', "").parse().ok().and_then(|n: u64| n.checked_mul(unit));
        match rate {
            Some(rate @ 1..=RATE_FRAMES_PER_S_MAX) => Ok(Self(rate)),
            _ => Err(Expected::new("frames a second, 1 to 10000000000, as 250000 or 250k")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A time in seconds; three decimals count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds(pub Duration);

/// A year: longer is a typing error, and no sum with it overflows.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

impl FromStr for Seconds {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.strip_suffix('s').unwrap_or(text).parse::<f64>() {
            Ok(seconds) if (0.001..=SECONDS_MAX).contains(&seconds) => {
                Ok(Self(Duration::from_secs_f64(seconds)))
            }
            _ => Err(Expected::new("seconds, 0.001 to a year, as 10 or 0.5")),
        }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_secs_f64().fmt(f)
    }
}

/// The form of the statistics on standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
    /// One line of values an interval, after one line of names.
    Csv,
    /// Nothing.
    None,
}

impl FromStr for Format {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "none" => Ok(Self::None),
            _ => Err(Expected::new("text, json, csv or none")),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::None => "none",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: FromStr<Err = Expected>>(text: &str) -> String {
        text.parse::<T>().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["any", "1", "65535"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in ["any", "00:c0:17"] {
            assert_eq!(text.parse::<SourceOui>().unwrap().to_string(), text);
        }
        for text in ["10", "0.5"] {
            assert_eq!(text.parse::<Seconds>().unwrap().to_string(), text);
        }
        for text in ["mac", "mac-ip", "all"] {
            assert_eq!(mode_name(parse_mode(text).unwrap()), text);
        }
        for (name, guards) in Guards::NAMES {
            assert_eq!(name.parse::<Guard>().unwrap().guards, guards);
        }
    }

    #[test]
    fn a_refusal_shows_the_accepted_form() {
        assert!(refusal::<Port>("0").contains("1 to 65535"));
        assert!(refusal::<Port>("65536").contains("or any"));
        assert!(refusal::<SourceOui>("00:c0").contains("00:c0:17, or any"));
        assert!(refusal::<SourceOui>("00:c0:17:01").contains("three octets"));
        assert!(refusal::<SourceOui>("+0:c0:17").contains("three octets"));
        assert!(refusal::<SourceOui>("01:c0:17").contains("lowest bit"));
        assert!(refusal::<VlanId>("4095").contains("1 to 4094"));
        assert!(refusal::<Guard>("loop").contains("loop-risk"));
        assert!(refusal::<Format>("xml").contains("csv"));
    }

    #[test]
    fn rate_takes_decimal_prefixes() {
        for (text, rate) in [("250k", 250_000), ("1_000", 1_000), ("2M", 2_000_000)] {
            assert_eq!(text.parse(), Ok(Rate(rate)));
        }
        assert!(refusal::<Rate>("k").contains("250k"));
        assert!(refusal::<Rate>("20000000000000M").contains("250k"));
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        for text in ["0", "-1", "1e400", "NaN", "inf", "", "99999999999999999999"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }
}
