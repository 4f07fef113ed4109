//! Where a driver's control socket is.

use std::{fmt, path::PathBuf, str::FromStr};

use farend_control::address::PATH_OCTETS_MAX;

use super::Expected;

/// Where to listen for control clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlAt {
    /// Nowhere.
    Off,
    /// In the folder of all drivers, by the name of this one.
    On,
    /// At this path.
    Path(PathBuf),
}

impl FromStr for ControlAt {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text {
            "off" => Ok(Self::Off),
            "on" => Ok(Self::On),
            // A name that is misspelt must not become a file.
            path if path.contains('/') && path.len() <= PATH_OCTETS_MAX => {
                Ok(Self::Path(path.into()))
            }
            _ => Err(Expected::new("on, off, or a path with a / and at most 103 octets")),
        }
    }
}

impl fmt::Display for ControlAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On => f.write_str("on"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_on_off_or_a_path() {
        for text in ["on", "off", "/run/farend/x.sock", "./x"] {
            assert_eq!(text.parse::<ControlAt>().unwrap().to_string(), text);
        }
        let long = format!("/{}", "x".repeat(PATH_OCTETS_MAX));
        for text in ["", "true", "of", "x.sock", &long] {
            assert!(text.parse::<ControlAt>().is_err(), "{text}");
        }
    }
}
