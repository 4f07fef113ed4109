//! What can go wrong, with a way out.

use std::{fmt, io, net::SocketAddr};

/// Why no worker could be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Any port was asked for.
    AnyPort,
    /// The host has neither IPv4 nor IPv6.
    NoIp,
    /// No socket of this kind, or one of its options.
    Socket {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the kernel says.
        error: io::Error,
    },
    /// The address is not to be had.
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the kernel says.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyPort => f.write_str(
                "a UDP socket listens on one port, not on any: name the port, \
                 or use a tier that sees frames",
            ),
            Self::NoIp => f.write_str("this host has neither IPv4 nor IPv6: enable one"),
            Self::Socket { address, error } => write!(f, "no UDP socket for {address}: {error}"),
            Self::Bind { address, error } => {
                write!(f, "cannot listen on UDP {address}: {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => f.write_str(
                        ": another program listens there; stop it or choose another port",
                    ),
                    io::ErrorKind::AddrNotAvailable => f.write_str(
                        ": no interface has this address; add it, or listen on all of them",
                    ),
                    io::ErrorKind::PermissionDenied => f.write_str(
                        ": ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one",
                    ),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket { error, .. } | Self::Bind { error, .. } => Some(error),
            Self::AnyPort | Self::NoIp => None,
        }
    }
}

/// Why a worker stopped before it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// Waiting for datagrams failed.
    Poll(io::Error),
    /// A socket cannot receive any more.
    Receive {
        /// Where it listens.
        address: SocketAddr,
        /// What the kernel says.
        error: io::Error,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(error) => write!(f, "cannot wait for datagrams: {error}"),
            Self::Receive { address, error } => {
                write!(f, "cannot receive on UDP {address}: {error}")
            }
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Poll(error) | Self::Receive { error, .. } => Some(error),
        }
    }
}
