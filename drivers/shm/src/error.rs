//! What can go wrong when a segment is made or attached to.

use std::{error, fmt, io};

use farend_core::{ring::LayoutError, sync::NoOwner};
use farend_futex::registry::RESERVED_NAMES;

use crate::name::NAME_OCTETS_MAX;

/// Why a segment was not made or attached to. Nothing was changed, but for stale
/// segments that were removed.
#[derive(Debug)]
pub enum SegmentError {
    /// The name is empty, too long, or has an octet that names cannot have.
    Name {
        /// The name.
        name: String,
    },
    /// There is no segment of this name.
    Missing {
        /// The name.
        name: String,
    },
    /// A living process has made a segment of this name.
    InUse {
        /// The name.
        name: String,
        /// The process; 0 if it has not said yet who it is.
        pid: u32,
    },
    /// The system does not let this process open the segment.
    Denied {
        /// The name.
        name: String,
    },
    /// The segment is another user's.
    OtherUser {
        /// The user who made it.
        uid: u32,
    },
    /// Other users can read or write the segment.
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
    /// The segment's processes are in another pid or time namespace, so that nobody
    /// could tell which of them live.
    OtherRealm,
    /// The memory behind a file descriptor could be shortened by its other users.
    NotSealed,
    /// This process cannot own the locks of the value.
    NoOwner(NoOwner),
    /// A semaphore cannot have so many units.
    Units,
    /// There is no ring in the segment, or none that this program can use.
    Layout(LayoutError),
    /// The system refused.
    System {
        /// What was asked of it.
        action: &'static str,
        /// What it answered.
        error: io::Error,
    },
}

impl SegmentError {
    /// Puts what was asked before what the system answered.
    pub(crate) fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System { action, error: error.into() }
    }
}

impl fmt::Display for SegmentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                formatter,
                "`{name}` cannot name a segment: use up to {NAME_OCTETS_MAX} characters, `/` \
                 first, then letters, digits, `.`, `_` and `-`, or `GROUP/name`; names that begin with \
                 `{RESERVED_NAMES}` are of registries of lock owners"
            ),
            Self::Missing { name } => write!(
                formatter,
                "there is no segment {name}: start the process that makes it, or check the name"
            ),
            Self::InUse { name, pid: 0 } => write!(
                formatter,
                "segment {name} is being made by another process: try again, or use another name"
            ),
            Self::InUse { name, pid } => write!(
                formatter,
                "segment {name} is in use by process {pid}: end it, or use another name"
            ),
            Self::Denied { name } => {
                write!(formatter, "segment {name} may not be opened: run as the user who made it")
            }
            Self::OtherUser { uid } => write!(
                formatter,
                "the segment is that of user {uid}: run as that user, or use another name"
            ),
            Self::Exposed { mode } => write!(
                formatter,
                "other users may open the segment (mode {mode:03o}): remove it and make it again"
            ),
            Self::OtherRealm => formatter.write_str(
                "the segment's processes are in another pid or time namespace: run all of them in \
                 one",
            ),
            Self::NotSealed => formatter.write_str(
                "the memory is not sealed against being shortened: pass the file descriptor of \
                 an anonymous ring",
            ),
            Self::Units => formatter.write_str("a semaphore has at most 2147483647 units"),
            Self::NoOwner(error) => error.fmt(formatter),
            Self::Layout(error) => error.fmt(formatter),
            Self::System { action, error } => write!(formatter, "cannot {action}: {error}"),
        }
    }
}

impl error::Error for SegmentError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::System { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<NoOwner> for SegmentError {
    fn from(error: NoOwner) -> Self {
        Self::NoOwner(error)
    }
}

impl From<LayoutError> for SegmentError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}
