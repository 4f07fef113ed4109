//! What can go wrong, sorted by exit code.

use std::{fmt, io};

use rustix::io::Errno;

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

    /// Why sending failed for good, and what to do about it.
    #[must_use]
    pub fn of_sending(error: &io::Error) -> Self {
        let hint = match Errno::from_io_error(error) {
            Some(Errno::MSGSIZE) => {
                ": the way there has a smaller MTU; give smaller --frame-octets"
            }
            Some(Errno::PERM) => ": a firewall on this machine forbids it",
            Some(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => ": is the interface still up?",
            _ => "",
        };
        Self::run(format!("cannot send: {error}{hint}"))
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
