//! The header of a link's frame: 19 octets, big-endian.
//!
//! ```text
//! 0        8      9                 17      19
//! sequence | type | unix nanoseconds | size | size octets
//! ```
//!
//! The sequence stays below 2^56, so the first octet of a frame is 0: QUIC's
//! datagrams on the same socket begin with 0x40 or more (RFC 9443). The low
//! half of the type octet is the type, the high half the epoch of the key; a
//! link without encryption has epoch 0.

use crate::frame::wire::{get, put};

/// Octets of a header.
pub const HEADER_OCTETS: usize = 19;

/// Octets of the tag behind the payload of an encrypted frame.
pub const TAG_OCTETS: usize = 16;

/// The last sequence number.
pub const SEQUENCE_MAX: u64 = (1 << 56) - 1;

const SEQUENCE: usize = 0;
const TYPE: usize = 8;
const TIME: usize = 9;
const SIZE: usize = 17;

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One whole IP packet.
    Data,
    /// A question for the round-trip time; its payload is padding.
    EchoRequest,
    /// The answer, with the time of the question.
    EchoReply,
    /// One IP packet whose TCP or UDP checksum is only that of its
    /// pseudo-header: the rest is for the receiver's host to compute, if anybody
    /// is to see it. Only inside authenticated frames.
    DataPartial,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::EchoRequest => 1,
            Self::EchoReply => 2,
            Self::DataPartial => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Data),
            1 => Some(Self::EchoRequest),
            2 => Some(Self::EchoReply),
            3 => Some(Self::DataPartial),
            _ => None,
        }
    }
}

/// Which of the last sixteen keys a frame is sealed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Epoch(u8);

impl Epoch {
    /// How many there are before they begin again.
    pub const COUNT: usize = 16;

    /// The epoch with this number, modulo 16.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        Self(number & 0x0f)
    }

    /// Its number: 0 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.wrapping_add(1))
    }
}

/// A header, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Number of the frame: counts up from 0 under each key.
    pub sequence: u64,
    /// What the frame carries.
    pub kind: Kind,
    /// The key.
    pub epoch: Epoch,
    /// When it was sent, by the sender's clock: nanoseconds since 1970. Of a
    /// reply: that of its request.
    pub time_unix_ns: u64,
    /// Octets behind the header, tag in.
    pub size_octets: u16,
}

/// Why a datagram is no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotAFrame {
    /// Shorter than a header.
    Truncated,
    /// The first octet is not 0: another protocol's.
    Foreign,
    /// The size is not that of the datagram.
    Size,
    /// A type that is not known.
    Type,
}

impl Header {
    /// The header's octets.
    #[must_use]
    #[inline]
    pub const fn to_octets(&self) -> [u8; HEADER_OCTETS] {
        let mut octets = [0; HEADER_OCTETS];
        put::<SEQUENCE, 8, _>(&mut octets, (self.sequence & SEQUENCE_MAX).to_be_bytes());
        put::<TYPE, 1, _>(&mut octets, [(self.epoch.0 << 4) | self.kind.code()]);
        put::<TIME, 8, _>(&mut octets, self.time_unix_ns.to_be_bytes());
        put::<SIZE, 2, _>(&mut octets, self.size_octets.to_be_bytes());
        octets
    }

    /// Reads the header of a whole frame: `frame` is one datagram, or one piece
    /// of several that the kernel has joined.
    ///
    /// # Errors
    ///
    /// Why it is none.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<Self, NotAFrame> {
        let (header, payload) =
            frame.split_first_chunk::<HEADER_OCTETS>().ok_or(NotAFrame::Truncated)?;
        let sequence = u64::from_be_bytes(get::<SEQUENCE, 8, _>(header));
        if sequence > SEQUENCE_MAX {
            return Err(NotAFrame::Foreign);
        }
        let size_octets = u16::from_be_bytes(get::<SIZE, 2, _>(header));
        if usize::from(size_octets) != payload.len() {
            return Err(NotAFrame::Size);
        }
        let [code] = get::<TYPE, 1, _>(header);
        Ok(Self {
            sequence,
            kind: Kind::from_code(code & 0x0f).ok_or(NotAFrame::Type)?,
            epoch: Epoch(code >> 4),
            time_unix_ns: u64::from_be_bytes(get::<TIME, 8, _>(header)),
            size_octets,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_stands_as_documented() {
        let header = Header {
            sequence: 0x01_0203_0405_0607,
            kind: Kind::EchoReply,
            epoch: Epoch::new(0x1a),
            time_unix_ns: 0x1112_1314_1516_1718,
            size_octets: 3,
        };
        let octets = header.to_octets();
        assert_eq!(
            octets,
            [0, 1, 2, 3, 4, 5, 6, 7, 0xa2, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0, 3]
        );
        let frame = [&octets[..], &[7; 3]].concat();
        assert_eq!(Header::parse(&frame), Ok(header));
    }

    #[test]
    fn wrong_octets_are_refused_by_cause() {
        let header = Header {
            sequence: 0,
            kind: Kind::Data,
            epoch: Epoch::default(),
            time_unix_ns: 0,
            size_octets: 1,
        };
        let sound = [&header.to_octets()[..], &[7]].concat();
        let altered = |at: usize, value: u8| {
            let mut frame = sound.clone();
            frame[at] = value;
            Header::parse(&frame)
        };
        assert_eq!(Header::parse(&sound[..18]), Err(NotAFrame::Truncated));
        assert_eq!(Header::parse(&sound[..19]), Err(NotAFrame::Size));
        assert_eq!(altered(17, 1), Err(NotAFrame::Size));
        assert_eq!(altered(0, 1), Err(NotAFrame::Foreign));
        assert_eq!(altered(8, 4), Err(NotAFrame::Type));
        assert_eq!(altered(8, 0x40).map(|header| header.epoch.number()), Ok(4));
    }

    proptest! {
        #[test]
        fn what_parses_is_written_the_same(frame in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(header) = Header::parse(&frame) {
                prop_assert_eq!(&header.to_octets()[..], &frame[..HEADER_OCTETS]);
            }
        }

        #[test]
        fn written_header_parses(
            sequence in 0..=SEQUENCE_MAX, kind in 0_u8..4, epoch: u8, time: u64, size in 0_u16..300
        ) {
            let header = Header {
                sequence,
                kind: Kind::from_code(kind).unwrap(),
                epoch: Epoch::new(epoch),
                time_unix_ns: time,
                size_octets: size,
            };
            let mut frame = Vec::from(header.to_octets());
            frame.resize(HEADER_OCTETS + usize::from(size), 0);
            prop_assert_eq!(Header::parse(&frame), Ok(header));
        }
    }
}
