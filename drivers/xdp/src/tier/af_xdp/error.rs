//! Why frames cannot be had in user space, and the way out.

use std::{fmt, io};

use rustix::io::Errno;

use super::layout::FRAGMENTS_KERNEL_MIN;
use crate::tier::TierError;

/// Why no socket could be opened on a queue.
#[derive(Debug)]
pub(super) enum OpenError {
    /// No socket.
    Socket(io::Error),
    /// The kernel does not take the memory.
    Umem { octets: usize, error: io::Error },
    /// An option of the socket, or one of its rings.
    Option { what: &'static str, error: io::Error },
    /// The queue is not to be had.
    Bind { queue: u32, mode: super::socket::BindMode, error: io::Error },
    /// Frames are longer than a chunk, and this kernel does not split them.
    FrameTooLong { mtu_octets: u32, mtu_octets_max: u32 },
}

impl OpenError {
    fn errno(&self) -> Option<Errno> {
        match self {
            Self::Socket(error)
            | Self::Umem { error, .. }
            | Self::Option { error, .. }
            | Self::Bind { error, .. } => Errno::from_io_error(error),
            Self::FrameTooLong { .. } => None,
        }
    }

    /// Whether another socket holds the queue.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Bind { .. }) && self.errno() == Some(Errno::BUSY)
    }

    /// Whether another mode may work.
    pub(super) fn is_about_mode(&self) -> bool {
        matches!(self, Self::Bind { .. }) && !self.is_taken()
    }

    fn advice(&self) -> Option<String> {
        let advice = match (self, self.errno()?) {
            (_, Errno::MFILE) => "raise the limit of open files: ulimit -n 1024".to_owned(),
            (_, Errno::NFILE) => "the system has no open files left: close some".to_owned(),
            (Self::Socket(_), Errno::AFNOSUPPORT) => "use --tier af-packet".to_owned(),
            (Self::Socket(_), Errno::PERM | Errno::ACCESS) => {
                "run as root, or give the program cap_net_raw by setcap".to_owned()
            }
            // The kernel's word for "over RLIMIT_MEMLOCK" (xdp_umem.c).
            (Self::Umem { octets, .. }, Errno::NOBUFS) => format!(
                "raise the limit of locked memory: ulimit -l {}, or LimitMEMLOCK=infinity in a \
                 unit of systemd, or serve fewer queues by --queues",
                octets.div_ceil(1 << 10)
            ),
            (Self::Umem { .. } | Self::Option { .. }, Errno::NOMEM | Errno::NOBUFS) => {
                "free some memory, or serve fewer queues by --queues".to_owned()
            }
            (Self::Bind { .. }, Errno::BUSY) => {
                "stop the other program, or name other queues by --queues".to_owned()
            }
            _ => return None,
        };
        Some(advice)
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
                write!(f, "queue {queue} is not to be had in {mode}: {error}")
            }
            (Self::FrameTooLong { mtu_octets, mtu_octets_max }, _) => {
                let (major, minor) = FRAGMENTS_KERNEL_MIN;
                write!(
                    f,
                    "frames of MTU {mtu_octets} come in several parts, which AF_XDP has from \
                     Linux {major}.{minor} on; lower it (ip link set IFACE mtu {mtu_octets_max}), \
                     or use --tier af-packet"
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<OpenError> for TierError {
    fn from(error: OpenError) -> Self {
        let reason = Self::new(error.to_string());
        match error.advice() {
            Some(advice) => reason.with_advice(advice),
            None => reason,
        }
    }
}
