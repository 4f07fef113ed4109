//! What can go wrong, sorted by exit code.

use std::fmt;

/// One clear line that says what to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The arguments make no sense, or do not fit this machine: exit code 2.
    Usage(String),
    /// Something failed at run time: exit code 1.
    Run(String),
}

impl Error {
    /// An error of the arguments.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// An error at run time.
    pub fn run(message: impl Into<String>) -> Self {
        Self::Run(message.into())
    }

    /// What the process exits with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Run(_) => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Run(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
