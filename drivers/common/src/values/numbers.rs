//! Numbers of queues or CPUs, and times of busy polling.

use std::{fmt, str::FromStr};

use super::Expected;

/// Numbers in a list: more are a typing error.
const NUMBERS_MAX: usize = 1_024;

/// Numbers of queues or CPUs, in the order given, each once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbers(pub Vec<u32>);

impl FromStr for Numbers {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        let expected = || Expected::new("numbers, as 0-3 or 0,2,5");
        let mut numbers = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u32>().map_err(|_| expected());
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(Expected::new(format!("the lower number first: {last}-{first}")));
            }
            for number in first..=last {
                if numbers.contains(&number) {
                    return Err(Expected::new(format!(
                        "each number once; {number} is there twice"
                    )));
                }
                if numbers.len() >= NUMBERS_MAX {
                    return Err(Expected::new(format!("{NUMBERS_MAX} numbers at most")));
                }
                numbers.push(number);
            }
        }
        Ok(Self(numbers))
    }
}

impl fmt::Display for Numbers {
    /// Ranges where numbers follow each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut comma = "";
        while let Some(first) = rest.first() {
            let run = rest.iter().zip(*first..).take_while(|(number, next)| *number == next);
            let run_len = run.count();
            match rest.get(run_len - 1) {
                Some(last) if last > first => write!(f, "{comma}{first}-{last}")?,
                _ => write!(f, "{comma}{first}")?,
            }
            rest = rest.get(run_len..).unwrap_or_default();
            comma = ",";
        }
        Ok(())
    }
}

/// Microseconds that the kernel looks for frames by itself before it waits
/// for an interrupt; its documentation of busy polling has 20 to 50.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusyPoll(pub u16);

impl FromStr for BusyPoll {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.strip_suffix("us").unwrap_or(text).parse() {
            Ok(0) | Err(_) => Err(Expected::new("microseconds, 1 to 65535, as 20")),
            Ok(time_us) => Ok(Self(time_us)),
        }
    }
}

impl fmt::Display for BusyPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists_are_read_and_written_back() {
        for (text, numbers, written) in [
            ("0", vec![0], "0"),
            ("0-3", vec![0, 1, 2, 3], "0-3"),
            ("2,0,5-6", vec![2, 0, 5, 6], "2,0,5-6"),
            ("0,1,2", vec![0, 1, 2], "0-2"),
        ] {
            let read: Numbers = text.parse().unwrap();
            assert_eq!(read.0, numbers);
            assert_eq!(read.to_string(), written);
            assert_eq!(written.parse::<Numbers>(), Ok(read));
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_form() {
        for text in ["", "x", "-1", "1-", "3-1", "1,1", "0-2,1", "0-4294967295"] {
            assert!(text.parse::<Numbers>().is_err(), "{text}");
        }
        assert_eq!("3-1".parse::<Numbers>().unwrap_err().0, "the lower number first: 1-3");
    }

    #[test]
    fn busy_polling_takes_microseconds() {
        assert_eq!("20".parse(), Ok(BusyPoll(20)));
        assert_eq!("20us".parse(), Ok(BusyPoll(20)));
        assert!("0".parse::<BusyPoll>().is_err() && "70000".parse::<BusyPoll>().is_err());
    }
}
