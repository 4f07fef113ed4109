//! Rates: what is asked for, and when each frame is due.
//!
//! L2 counts the frame with its FCS; L1 counts preamble and gap as well, which
//! is what a link's bit rate is spent on.

use std::fmt;

use crate::error::Error;

/// Octets of the frame check sequence, part of every stated frame size.
pub const FCS_OCTETS: usize = 4;

/// Octets of preamble, start delimiter and least gap: on the link, in no
/// frame.
pub const GAP_OCTETS: usize = 20;

const NS_PER_S: u128 = 1_000_000_000;

/// What the sender is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Frames in 1000 seconds.
    Frames {
        /// Thousandths of a frame a second.
        milli_frames_per_s: u64,
    },
    /// Bits a second on the link, L1.
    Bits {
        /// Bits a second.
        bits_per_s: u64,
    },
    /// As fast as it goes.
    Max,
}

impl Asked {
    /// Reads `--rate`: frames a second, with `k`, `M`, or `max`.
    ///
    /// # Errors
    ///
    /// Says what is expected.
    pub fn parse_frames(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let milli_frames_per_s = parse_thousandths(text)
            .filter(|rate| *rate > 0)
            .ok_or("expected frames a second, such as 500, 10k, 1.5M, or max")?;
        Ok(Self::Frames { milli_frames_per_s })
    }

    /// Reads `--bandwidth`: bits a second on the link, with `k`, `M`, `G`.
    ///
    /// # Errors
    ///
    /// Says what is expected.
    pub fn parse_bits(text: &str) -> Result<Self, String> {
        let bits_per_s = parse_thousandths(text)
            .map(|thousandths| thousandths / 1_000)
            .filter(|rate| *rate > 0)
            .ok_or("expected bits a second, such as 500k, 100M, 2.5G")?;
        Ok(Self::Bits { bits_per_s })
    }

    /// The pace for frames of this length, FCS in; `None` for
    /// [`Asked::Max`].
    #[must_use]
    pub const fn pace(self, frame_octets: usize) -> Option<Pace> {
        match self {
            Self::Frames { milli_frames_per_s } => {
                Some(Pace { frames: milli_frames_per_s as u128, per_ns: 1_000 * NS_PER_S })
            }
            Self::Bits { bits_per_s } => Some(Pace {
                frames: bits_per_s as u128,
                per_ns: (frame_octets + GAP_OCTETS) as u128 * 8 * NS_PER_S,
            }),
            Self::Max => None,
        }
    }
}

/// A steady pace: a number of frames in a number of nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    frames: u128,
    per_ns: u128,
}

impl Pace {
    /// Frames that are due after this time; the first one is at once.
    #[must_use]
    pub fn due(self, elapsed_ns: u64) -> u64 {
        self.within(elapsed_ns).saturating_add(1)
    }

    /// Frames that fit into this time.
    #[must_use]
    pub fn within(self, elapsed_ns: u64) -> u64 {
        saturate(u128::from(elapsed_ns).saturating_mul(self.frames) / self.per_ns)
    }

    /// When the frame with this number, counted from 0, is due.
    #[must_use]
    pub fn due_at_ns(self, number: u64) -> u64 {
        saturate(u128::from(number).saturating_mul(self.per_ns).div_ceil(self.frames))
    }

    /// Frames a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate to print")]
    pub fn frames_per_s(self) -> f64 {
        self.frames as f64 * NS_PER_S as f64 / self.per_ns as f64
    }
}

/// Bits a second on the link for frames of this length, FCS in.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rate to print")]
pub fn l1_bits_per_s(frames_per_s: f64, frame_octets: usize) -> f64 {
    frames_per_s * ((frame_octets + GAP_OCTETS) * 8) as f64
}

/// Bits a second of frames of this length, FCS in.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a rate to print")]
pub fn l2_bits_per_s(frames_per_s: f64, frame_octets: usize) -> f64 {
    frames_per_s * (frame_octets * 8) as f64
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames { milli_frames_per_s } if milli_frames_per_s % 1_000 == 0 => {
                write!(f, "{} frames/s", milli_frames_per_s / 1_000)
            }
            Self::Frames { milli_frames_per_s } => {
                let (whole, rest) = (milli_frames_per_s / 1_000, milli_frames_per_s % 1_000);
                write!(f, "{whole}.{rest:03} frames/s")
            }
            Self::Bits { bits_per_s } => write!(f, "{bits_per_s} bit/s at L1"),
            Self::Max => f.write_str("as fast as it goes"),
        }
    }
}

/// Reads seconds with up to nine decimals.
///
/// # Errors
///
/// Says what is expected.
pub fn parse_seconds_ns(text: &str) -> Result<u64, String> {
    parse_scaled(text, 9).ok_or_else(|| String::from("expected seconds, such as 10 or 0.5"))
}

/// Reads a percentage as millionths.
///
/// # Errors
///
/// Says what is expected.
pub fn parse_percent_ppm(text: &str) -> Result<u64, String> {
    parse_scaled(text.strip_suffix('%').unwrap_or(text), 4)
        .filter(|ppm| *ppm <= 1_000_000)
        .ok_or_else(|| String::from("expected a percentage from 0 to 100, such as 0.1"))
}

/// Reads microseconds as nanoseconds.
///
/// # Errors
///
/// Says what is expected.
pub fn parse_microseconds_ns(text: &str) -> Result<u64, String> {
    parse_scaled(text, 3).ok_or_else(|| String::from("expected microseconds, such as 250 or 12.5"))
}

/// The frame rate that one size is asked to send at, in whole frames a
/// second, for the warning about shared networks.
pub(crate) fn is_high(asked: Asked, frame_octets: usize) -> bool {
    // A thousand small frames a second, or ten megabits of large ones.
    const FRAMES_PER_S: f64 = 1_000.0;
    const BITS_PER_S: f64 = 10_000_000.0;
    asked.pace(frame_octets).is_none_or(|pace| {
        let frames_per_s = pace.frames_per_s();
        frames_per_s > FRAMES_PER_S || l1_bits_per_s(frames_per_s, frame_octets) > BITS_PER_S
    })
}

/// Checks a duration and a pace against the sequence numbers there are.
///
/// # Errors
///
/// [`Error::Usage`] if a run would need more than 2^32 - 1.
pub(crate) fn frames_wanted(
    pace: Option<Pace>,
    duration_ns: Option<u64>,
    count: Option<u64>,
) -> Result<u32, Error> {
    let in_time = match (pace, duration_ns) {
        (Some(pace), Some(duration_ns)) => pace.within(duration_ns).max(1),
        _ => u64::from(u32::MAX),
    };
    let wanted = in_time.min(count.unwrap_or(u64::MAX));
    u32::try_from(wanted).map_err(|_| {
        Error::usage(format!(
            "{wanted} frames in one run are more than its 4294967295 sequence numbers: \
             give a shorter --duration, a lower --rate or a --count"
        ))
    })
}

fn parse_thousandths(text: &str) -> Option<u64> {
    let (digits, power) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 3),
        b'M' | b'm' => (&text[..text.len() - 1], 6),
        b'G' | b'g' => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    parse_scaled(digits, 3 + power)
}

/// Reads a decimal number times ten to the power, without rounding.
fn parse_scaled(text: &str, power: u32) -> Option<u64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let missing = power.checked_sub(u32::try_from(decimals.len()).ok()?)?;
    let digits: u64 = format!("{whole}{decimals}").parse().ok()?;
    digits.checked_mul(10_u64.checked_pow(missing)?)
}

fn saturate(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_their_suffixes() {
        let frames = |milli_frames_per_s| Ok(Asked::Frames { milli_frames_per_s });
        assert_eq!(Asked::parse_frames("500"), frames(500_000));
        assert_eq!(Asked::parse_frames("0.5"), frames(500));
        assert_eq!(Asked::parse_frames("1.5M"), frames(1_500_000_000));
        assert_eq!(Asked::parse_frames("max"), Ok(Asked::Max));
        assert_eq!(Asked::parse_bits("2.5G"), Ok(Asked::Bits { bits_per_s: 2_500_000_000 }));
        for text in ["", "0", "-1", "1e3", "k", "1.2.3", "99999999999999999999", ".5", "ä"] {
            assert!(Asked::parse_frames(text).is_err(), "{text}");
            assert!(Asked::parse_bits(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_and_shares_are_read_exactly() {
        assert_eq!(parse_seconds_ns("0.000000001"), Ok(1));
        assert!(parse_seconds_ns("0.0000000001").is_err());
        assert_eq!(parse_percent_ppm("0.1"), Ok(1_000));
        assert_eq!(parse_percent_ppm("100%"), Ok(1_000_000));
        assert!(parse_percent_ppm("100.1").is_err());
        assert_eq!(parse_microseconds_ns("12.5"), Ok(12_500));
    }

    #[test]
    fn a_gigabit_is_spent_on_the_frames_that_rfc_2544_says() {
        for (frame_octets, frames_per_s) in
            [(64, 1_488_095), (128, 844_594), (512, 234_962), (1518, 81_274), (9000, 13_858)]
        {
            let pace = Asked::Bits { bits_per_s: 1_000_000_000 }.pace(frame_octets).unwrap();
            assert_eq!(pace.within(1_000_000_000), frames_per_s);
        }
    }

    #[test]
    fn a_frame_is_due_exactly_from_its_time_on() {
        let pace = Asked::parse_frames("3").unwrap().pace(64).unwrap();
        for number in 0..1_000 {
            let at_ns = pace.due_at_ns(number);
            assert_eq!(pace.due(at_ns), number + 1);
            assert!(at_ns == 0 || pace.due(at_ns - 1) == number);
        }
        assert_eq!(pace.within(10_000_000_000), 30);
        assert_eq!(pace.due(u64::MAX), 55_340_232_222);
    }

    #[test]
    fn a_run_never_needs_more_sequence_numbers_than_there_are() {
        let pace = Asked::parse_frames("100M").unwrap().pace(64);
        assert_eq!(frames_wanted(pace, Some(1_000_000_000), None), Ok(100_000_000));
        assert!(frames_wanted(pace, Some(100_000_000_000), None).is_err());
        assert_eq!(frames_wanted(pace, None, Some(5)), Ok(5));
        assert_eq!(frames_wanted(None, Some(1), None), Ok(u32::MAX));
    }
}
