//! Why a driver ends, and with which exit code.

use std::{fmt, process::ExitCode};

use crate::{config::ConfigError, tier::TierError};

/// An end that was not asked for: one line, and an exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Wrong options or a wrong file: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Something that went wrong while running: exit code 1.
    pub fn run_time(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<TierError> for Failure {
    fn from(error: TierError) -> Self {
        Self::run_time(error.to_string())
    }
}
