//! What can go wrong, with a way out.

use std::{fmt, io};

/// Why no worker could be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// No packet socket.
    Socket(io::Error),
    /// An option of the socket, or its ring.
    Option {
        /// Which one.
        what: &'static str,
        /// What the kernel says.
        error: io::Error,
    },
    /// The interface is not to be had.
    Bind(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) if error.kind() == io::ErrorKind::PermissionDenied => write!(
                f,
                "no packet socket: {error}: CAP_NET_RAW is missing; run as root, \
                 or give the program the capability with setcap"
            ),
            Self::Socket(error) => write!(f, "no packet socket: {error}"),
            Self::Option { what, error } if error.kind() == io::ErrorKind::OutOfMemory => {
                write!(f, "{what}: {error}: 16 MiB of kernel memory are needed; free some")
            }
            Self::Option { what, error } => {
                write!(f, "{what}: {error}: Linux 4.20 or newer is needed")
            }
            Self::Bind(error) => write!(f, "cannot listen on the interface: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) | Self::Option { error, .. } | Self::Bind(error) => Some(error),
        }
    }
}

/// Why a worker stopped before it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The interface was deleted, or moved to another network namespace.
    InterfaceGone {
        /// Its last known name.
        name: String,
    },
    /// Waiting for frames failed.
    Poll(io::Error),
    /// The socket cannot receive any more.
    Receive(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceGone { name } => write!(
                f,
                "{name} is gone: it was deleted, or moved to another network namespace; \
                 start again when it is back"
            ),
            Self::Poll(error) => write!(f, "cannot wait for frames: {error}"),
            Self::Receive(error) => write!(f, "cannot receive frames: {error}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Poll(error) | Self::Receive(error) => Some(error),
            Self::InterfaceGone { .. } => None,
        }
    }
}
