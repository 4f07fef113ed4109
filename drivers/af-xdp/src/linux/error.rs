//! Why no socket could be opened.

use std::{fmt, io};

use rustix::io::Errno;

use super::mode::BindMode;

/// Why no socket could be opened on a queue.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The kernel gives no socket.
    Socket(io::Error),
    /// The kernel does not take the memory.
    Umem {
        /// Octets of it.
        octets: usize,
        /// The kernel's reason.
        error: io::Error,
    },
    /// An option of the socket, or one of its rings, is refused.
    Option {
        /// What was asked for.
        what: &'static str,
        /// The kernel's reason.
        error: io::Error,
    },
    /// The socket cannot be bound to its queue.
    Bind {
        /// The queue.
        queue: u32,
        /// The mode that was asked for.
        mode: BindMode,
        /// The kernel's reason.
        error: io::Error,
    },
    /// The rings cannot be worked with.
    Rings {
        /// The queue.
        queue: u32,
        /// What is wrong with them.
        reason: String,
    },
}

impl OpenError {
    /// The kernel's reason, if it gave one.
    #[must_use]
    pub const fn error(&self) -> Option<&io::Error> {
        match self {
            Self::Socket(error)
            | Self::Umem { error, .. }
            | Self::Option { error, .. }
            | Self::Bind { error, .. } => Some(error),
            Self::Rings { .. } => None,
        }
    }

    fn errno(&self) -> Option<Errno> {
        Errno::from_io_error(self.error()?)
    }

    /// Whether another socket holds the queue.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Bind { .. }) && self.errno() == Some(Errno::BUSY)
    }

    /// Whether another mode may work.
    #[must_use]
    pub fn is_about_mode(&self) -> bool {
        matches!(self, Self::Bind { .. }) && !self.is_taken()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.errno()) {
            (Self::Socket(_), Some(Errno::AFNOSUPPORT)) => {
                f.write_str("this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)")
            }
            (Self::Socket(error), _) => write!(f, "no AF_XDP socket: {error}"),
            (Self::Umem { octets, .. }, Some(Errno::NOBUFS)) => write!(
                f,
                "{} KiB of frame memory are over the limit of locked memory",
                octets.div_ceil(1 << 10)
            ),
            (Self::Umem { octets, error }, _) => {
                write!(f, "{} MiB of frame memory: {error}", octets.div_ceil(1 << 20))
            }
            (Self::Option { what, error }, _) => write!(f, "{what}: {error}"),
            (Self::Bind { queue, .. }, Some(Errno::BUSY)) => {
                write!(f, "queue {queue} is held by another AF_XDP socket")
            }
            (Self::Bind { mode, .. }, Some(Errno::OPNOTSUPP)) => {
                write!(f, "the driver does no {mode}")
            }
            (Self::Bind { queue, mode, error }, _) => {
                write!(f, "{mode} is refused for queue {queue}: {error}")
            }
            (Self::Rings { queue, reason }, _) => write!(f, "queue {queue}: {reason}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error().map(|error| error as _)
    }
}
