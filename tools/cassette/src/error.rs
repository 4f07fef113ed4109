//! What can go wrong, each with its place.

use std::{fmt, io};

/// Why a file cannot be opened as a cassette.
#[derive(Debug)]
pub enum OpenError {
    /// The storage failed.
    Io(io::Error),
    /// It does not begin as a cassette does.
    NotACassette,
    /// It ends within the head.
    HeadCut {
        /// Octets that there are.
        octets: u64,
    },
    /// The head's checksum does not hold.
    HeadDamaged,
    /// A version that this program does not know.
    Major {
        /// The file's.
        found: u16,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::NotACassette => write!(f, "is not a cassette: its first octets are others"),
            Self::HeadCut { octets } => {
                write!(f, "ends after {octets} octets, within the 64 of a cassette's head")
            }
            Self::HeadDamaged => write!(f, "is damaged: the checksum of its head does not hold"),
            Self::Major { found } => {
                write!(f, "has version {found}; this program reads version 1. Use a newer one")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a record cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The storage failed, or ended before the record did.
    Io(io::Error),
    /// The record at this offset is broken.
    Damaged {
        /// Where it begins, in octets from the start of the file.
        offset: u64,
    },
    /// The record is whole, but its content contradicts itself.
    Content {
        /// Where it begins, in octets from the start of the file.
        offset: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Damaged { offset } => write!(f, "the record at octet {offset} is damaged"),
            Self::Content { offset } => {
                write!(f, "the record at octet {offset} contradicts itself")
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why nothing can be appended.
#[derive(Debug)]
pub enum AppendError {
    /// The storage refused; what was whole before is whole still.
    Io(io::Error),
    /// A record would have more than [`RECORD_OCTETS_MAX`](crate::RECORD_OCTETS_MAX).
    TooLong,
    /// An earlier append failed, and recording ended with it.
    Ended,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be written: {error}"),
            Self::TooLong => write!(f, "a record would be longer than 16 MiB"),
            Self::Ended => write!(f, "recording ended earlier, when the storage refused"),
        }
    }
}

impl std::error::Error for AppendError {}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
