//! Why memory is not a ring.

use core::fmt;

use super::{CAPACITY_MAX, Kind, VERSION};
use crate::ring::{Owner, broadcast, channel};

/// Why memory is not a ring, or not one that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayoutError {
    /// All octets are zero: nobody has made a ring there yet.
    Blank,
    /// Its creator is still making it, or was killed while it did.
    Initialising {
        /// The creator.
        creator: Owner,
    },
    /// It is something else than a ring.
    Foreign,
    /// It is a ring of another version.
    Version {
        /// Its version.
        found: u32,
    },
    /// It is another kind of ring.
    Kind {
        /// Its kind, or `None` if this version knows no such kind.
        found: Option<Kind>,
    },
    /// It is data of another type, or of another version of the type.
    Type,
    /// Its locks' owners stand in another registry, where their ids mean others.
    Owners,
    /// Somebody has made a ring there already, or is making one.
    NotBlank,
    /// The memory is shorter than the ring.
    Truncated {
        /// Octets of the memory.
        octets: u64,
        /// Octets of the ring.
        wanted: u64,
    },
    /// The memory does not start at a multiple of 8 octets.
    Misaligned,
    /// The capacity is 0, no power of two, or out of range.
    Capacity {
        /// The capacity.
        found: u64,
        /// The least that there can be.
        least: u64,
    },
    /// The longest message is 0 or out of range.
    MessageOctets {
        /// Octets of the longest message.
        found: u64,
        /// The most that there can be.
        most: u64,
    },
    /// The number of readers is 0 or out of range.
    Readers {
        /// The number.
        found: u32,
    },
    /// The number of senders is 0 or out of range.
    Senders {
        /// The number.
        found: u32,
    },
    /// The policy for slow readers is none that this version knows.
    Policy {
        /// Its code.
        found: u32,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => formatter
                .write_str("no ring has been made there yet: start the process that makes it"),
            Self::NotBlank => formatter
                .write_str("there is something in this memory already: make the ring elsewhere"),
            Self::Initialising { creator } => write!(
                formatter,
                "process {} is still making the ring: try again, or make it anew if that \
                 process was killed",
                creator.pid()
            ),
            Self::Foreign => formatter.write_str("it is not a ring: use another name"),
            Self::Version { found } => write!(
                formatter,
                "it is a ring of layout version {found}, this program has {VERSION}: \
                 use programs of one release"
            ),
            Self::Kind { found: Some(Kind::Spsc) } => {
                formatter.write_str("it is a ring for one producer and one consumer")
            }
            Self::Kind { found: Some(Kind::Broadcast) } => {
                formatter.write_str("it is a ring for one writer and many readers")
            }
            Self::Kind { found: Some(Kind::Data) } => {
                formatter.write_str("it is no ring, but data of one type")
            }
            Self::Kind { found: Some(Kind::Channel) } => {
                formatter.write_str("it is a channel for many senders and many receivers")
            }
            Self::Type => formatter.write_str(
                "it is data of another type: use programs of one release, or another name",
            ),
            Self::Owners => formatter.write_str(
                "its locks' owners stand in another registry: have all processes join one, \
                 and make it again",
            ),
            Self::Kind { found: None } => {
                formatter.write_str("it is a kind of ring that this program does not know")
            }
            Self::Truncated { octets, wanted } => write!(
                formatter,
                "the memory has {octets} octets, the ring needs {wanted}: make it again"
            ),
            Self::Misaligned => {
                formatter.write_str("the memory does not start at a multiple of 8 octets")
            }
            Self::Capacity { found, least } => write!(
                formatter,
                "capacity {found} is no power of two from {least} to {CAPACITY_MAX}"
            ),
            Self::MessageOctets { found, most } => {
                write!(formatter, "messages of {found} octets: must be 1 to {most}")
            }
            Self::Readers { found } => {
                write!(formatter, "{found} readers: must be 1 to {}", broadcast::READERS_MAX)
            }
            Self::Senders { found } => {
                write!(formatter, "{found} senders: must be 1 to {}", channel::SENDERS_MAX)
            }
            Self::Policy { found } => {
                write!(formatter, "policy {found} for slow readers is unknown to this program")
            }
        }
    }
}

impl core::error::Error for LayoutError {}
