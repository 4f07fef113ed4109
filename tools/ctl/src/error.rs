//! What can go wrong, sorted by exit code.

use std::fmt;

use farend_control::{Error as Refusal, client::ClientError};

/// One clear line that says what to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The arguments make no sense: exit code 2.
    Usage(String),
    /// Something failed, or was refused: exit code 1.
    Run(String),
    /// Nobody is there: exit code 3.
    Nobody(String),
    /// Whoever asks may not: exit code 4.
    NotAllowed(String),
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

    /// What came of a call to this driver.
    #[must_use]
    pub fn of_call(driver: &str, error: &ClientError) -> Self {
        let message = format!("{driver}: {error}");
        match error {
            ClientError::Gone(_) => Self::Nobody(message),
            ClientError::NotAllowed(_) | ClientError::Refused(Refusal::PermissionDenied { .. }) => {
                Self::NotAllowed(message)
            }
            ClientError::Refused(_) | ClientError::Broken(_) => Self::Run(message),
        }
    }

    /// What the process exits with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Usage(_) => 2,
            Self::Nobody(_) => 3,
            Self::NotAllowed(_) => 4,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(message)
        | Self::Run(message)
        | Self::Nobody(message)
        | Self::NotAllowed(message)) = self;
        f.write_str(&message.replace(char::is_control, " "))
    }
}

impl std::error::Error for Error {}
