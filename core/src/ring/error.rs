//! What can go wrong while a ring is used.

use core::fmt;

use super::Owner;

/// Why a message was not sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The deadline came first.
    TimedOut,
    /// The message is longer than the ring takes.
    TooLong {
        /// Octets of the message.
        octets: usize,
        /// Octets that the ring takes.
        octets_max: usize,
    },
    /// The message is longer than the buffer that was given for it; it is still
    /// the next one to receive.
    BufferTooShort {
        /// Octets of the message.
        octets: usize,
        /// Octets of the buffer.
        buffer_octets: usize,
    },
    /// The message has not as many octets as what it was received for; it is received.
    OtherLength {
        /// Octets of the message.
        octets: usize,
        /// Octets that were wanted.
        wanted: usize,
    },
    /// Another living process (or another thread of this one) has this part.
    Taken(Owner),
    /// All readers that the ring was made for are there.
    NoReaderFree {
        /// As many readers as there can be.
        readers_max: u32,
    },
    /// All senders that the channel was made for are there.
    NoSenderFree {
        /// As many senders as there can be.
        senders_max: u32,
    },
    /// The other side was killed or crashed, and nothing is left to receive.
    PeerDied(Owner),
    /// The other side ended, and nothing is left to receive.
    PeerLeft,
    /// The calling process was moved to other pid or time namespaces after it took the
    /// ring: the others could not tell whether it lives.
    OtherRealm,
    /// This ring does not offer the call: readers of a ring that overwrites must
    /// copy, and cannot read in place.
    NotInPlace,
    /// The ring's memory holds what no ring writes: a peer is broken.
    Corrupt(Corruption),
}

/// What in the memory of a ring is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corruption {
    /// A cursor of the peer is where it cannot be.
    Cursor(u64),
    /// The word before a message is none that belongs there.
    MessageWord(u64),
    /// A message that was being read changed, or was taken away.
    Changed,
    /// A part of the memory is missing.
    Missing,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => formatter.write_str("timed out: the other side is slow or absent"),
            Self::TooLong { octets, octets_max } => write!(
                formatter,
                "a message of {octets} octets is longer than the ring takes ({octets_max}): \
                 split it, or make the ring larger"
            ),
            Self::BufferTooShort { octets, buffer_octets } => write!(
                formatter,
                "the next message has {octets} octets, the buffer {buffer_octets}: \
                 receive it with a larger buffer"
            ),
            Self::OtherLength { octets, wanted } => write!(
                formatter,
                "a message of {octets} octets is no value of {wanted}: the other side sends \
                 something else"
            ),
            Self::Taken(owner) => write!(
                formatter,
                "process {} has this side of the ring already: end it, or use another ring",
                owner.pid()
            ),
            Self::NoReaderFree { readers_max } => write!(
                formatter,
                "the ring has its {readers_max} readers: end one, or make it for more"
            ),
            Self::NoSenderFree { senders_max } => write!(
                formatter,
                "the channel has its {senders_max} senders: end one, or make it for more"
            ),
            Self::PeerDied(owner) => write!(
                formatter,
                "the other side (process {}) died: start it again, or close the ring",
                owner.pid()
            ),
            Self::PeerLeft => formatter.write_str("the other side has closed the ring"),
            Self::OtherRealm => formatter.write_str(
                "this process has left the pid or time namespace of the ring: take the ring's \
                 side before",
            ),
            Self::NotInPlace => formatter.write_str(
                "a ring that overwrites cannot be read in place: copy messages out instead",
            ),
            Self::Corrupt(corruption) => write!(
                formatter,
                "the ring's memory was overwritten by a broken process ({corruption}): \
                 remove the ring and make it again"
            ),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cursor(word) => write!(formatter, "cursor {word:#x}"),
            Self::MessageWord(word) => write!(formatter, "message word {word:#x}"),
            Self::Changed => formatter.write_str("a message changed while it was read"),
            Self::Missing => formatter.write_str("a part is missing"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Corruption> for Error {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}
