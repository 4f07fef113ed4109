//! What to keep of frames, and under which names others find it.

use std::{fmt, num::NonZeroU32, str::FromStr};

use farend_core::Verdict;

use super::Expected;

/// Every Nth frame, the first one in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Every(pub NonZeroU32);

impl Every {
    /// Each one.
    pub const ONE: Self = Self(NonZeroU32::MIN);
}

impl FromStr for Every {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        text.replace('_', "")
            .parse()
            .map(Self)
            .map_err(|_| Expected::new("a number of frames: 1 for each, 1000 for every 1000th"))
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which frames are sampled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SampleOf {
    /// Those that are sent back.
    #[default]
    Reflected,
    /// Those that are not.
    Refused,
    /// Both.
    All,
}

impl SampleOf {
    /// Whether a frame of this verdict is one of them.
    #[must_use]
    pub const fn has(self, verdict: Verdict) -> bool {
        match self {
            Self::Reflected => verdict.is_sent(),
            Self::Refused => !verdict.is_sent(),
            Self::All => true,
        }
    }
}

impl FromStr for SampleOf {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text {
            "reflected" => Ok(Self::Reflected),
            "refused" => Ok(Self::Refused),
            "all" => Ok(Self::All),
            _ => Err(Expected::new("reflected, refused or all")),
        }
    }
}

impl fmt::Display for SampleOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reflected => "reflected",
            Self::Refused => "refused",
            Self::All => "all",
        })
    }
}

/// Octets of a sampled frame that are kept at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SampleOctets(pub u32);

impl SampleOctets {
    /// Any frame as a whole.
    pub const WHOLE: Self = Self(65_535);
}

impl fmt::Display for SampleOctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SampleOctets {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.parse() {
            Ok(octets @ 14..=65_535) => Ok(Self(octets)),
            _ => Err(Expected::new("octets, 14 to 65535, as 128")),
        }
    }
}

/// How many testers are told apart; 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TesterCount(pub u16);

impl TesterCount {
    const MAX: u16 = 16_384;
}

impl fmt::Display for TesterCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TesterCount {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.parse() {
            Ok(count @ 0..=Self::MAX) => Ok(Self(count)),
            _ => Err(Expected::new("a number of testers, 1 to 16384, or 0 for none")),
        }
    }
}

/// The name of a segment of shared memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentName(String);

impl SegmentName {
    /// Without the slash that goes before it.
    const LENGTH_MAX: usize = farend_shm::NAME_OCTETS_MAX - 1;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SegmentName {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let is_sound = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if text.is_empty()
            || text.len() > Self::LENGTH_MAX
            || text.starts_with('.')
            || !text.bytes().all(is_sound)
        {
            return Err(Expected(format!(
                "a name of at most {} letters, digits, dashes, dots and underscores",
                Self::LENGTH_MAX
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Reason};

    use super::*;

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["lab", "a-b_c.1"] {
            assert_eq!(text.parse::<SegmentName>().unwrap().to_string(), text);
        }
        for text in ["reflected", "refused", "all"] {
            assert_eq!(text.parse::<SampleOf>().unwrap().to_string(), text);
        }
        assert_eq!("1_000".parse::<Every>().unwrap().to_string(), "1000");
    }

    #[test]
    fn values_without_sense_are_refused_with_the_accepted_form() {
        let long = "x".repeat(31);
        for text in ["", ".", "../etc", "a b", "a/b", long.as_str(), "lab:sample=2"] {
            assert!(text.parse::<SegmentName>().is_err(), "{text:?}");
        }
        for text in ["0", "-1", "4294967296", "x"] {
            assert!(text.parse::<Every>().is_err(), "{text:?}");
        }
        assert!("13".parse::<SampleOctets>().is_err());
        assert!("65536".parse::<SampleOctets>().is_err());
        assert!("16385".parse::<TesterCount>().is_err());
        assert!("refuse".parse::<SampleOf>().is_err());
    }

    #[test]
    fn each_verdict_belongs_to_its_frames() {
        let (reflect, pass) = (Verdict::Reflect(Kind::Any), Verdict::Refuse(Reason::Vlan));
        assert!(SampleOf::Reflected.has(reflect) && !SampleOf::Reflected.has(pass));
        assert!(!SampleOf::Refused.has(reflect) && SampleOf::Refused.has(pass));
        assert!(SampleOf::All.has(reflect) && SampleOf::All.has(pass));
    }
}
