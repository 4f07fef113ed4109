//! Times of the command line.

use std::time::Duration;

/// Reads seconds, such as 10 or 0.5, as nanoseconds.
///
/// # Errors
///
/// Says what is expected.
pub fn parse_seconds_ns(text: &str) -> Result<u64, String> {
    let expected = || "expected seconds, such as 10 or 0.5".to_owned();
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| is_plain).ok_or_else(expected)?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| expected())?;
    u64::try_from(time.as_nanos()).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_plain_numbers() {
        assert_eq!(parse_seconds_ns("1.5"), Ok(1_500_000_000));
        for text in ["", "-1", "1e3", "inf", "1s", "99999999999999"] {
            assert!(parse_seconds_ns(text).is_err(), "{text}");
        }
    }
}
