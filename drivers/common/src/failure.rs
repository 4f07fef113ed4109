//! Why a driver ends, and with which exit code.

use std::{fmt, process::ExitCode};

use crate::{config::ConfigError, tier::TierError};

/// An end that was not asked for: one line, and an exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    code: u8,
    message: String,
    /// The setting that is to blame, if one is.
    key: Option<String>,
}

impl Failure {
    /// Wrong options or a wrong file: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), key: None }
    }

    /// Something that went wrong while running: exit code 1.
    pub fn run_time(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), key: None }
    }

    /// Blames a setting.
    #[must_use]
    pub fn of_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The setting that is to blame, if one is.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether options or a file are wrong, and not what was found here.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        self.code == 2
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
