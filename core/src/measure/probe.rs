//! Probes: what a tester puts into the UDP payload, and the frames around it.
//!
//! Every probe begins with fields and goes on with padding in which the octet
//! at payload offset `i` is `i & 0xff`, so damage anywhere in it is seen. A
//! reflector looks at the signature alone; the other fields are the sender's,
//! and only the sender may interpret the timestamp. All fields are
//! big-endian.
//!
//! [`Form::Full`], 24 octets, for the signatures at offset 0:
//!
//! | offset | octets | field |
//! |---|---|---|
//! | 0 | 7 | signature |
//! | 7 | 4 | sequence number |
//! | 11 | 8 | timestamp, ns |
//! | 19 | 4 | stream |
//! | 23 | 1 | flags |
//!
//! [`Form::Compact`], 18 octets, the payload of an untagged IPv4 frame of 64
//! octets with FCS. A payload below 24 octets has this form:
//!
//! | offset | octets | field |
//! |---|---|---|
//! | 0 | 7 | signature |
//! | 7 | 4 | sequence number |
//! | 11 | 4 | timestamp, ns, its low 32 bits |
//! | 15 | 2 | stream, its low 16 bits |
//! | 17 | 1 | flags, [`Flags::COMPACT`] among them |
//!
//! [`Form::Ito`], 18 octets, for the signatures at offset 5. What vendors
//! write into the first five octets is not public; in ours they are:
//!
//! | offset | octets | field |
//! |---|---|---|
//! | 0 | 4 | timestamp, ns, its low 32 bits |
//! | 4 | 1 | flags, [`Flags::COMPACT`] among them |
//! | 5 | 7 | signature |
//! | 12 | 4 | sequence number |
//! | 16 | 2 | stream, its low 16 bits |
//!
//! ```
//! use farend_core::{Kind, measure::probe::{Flags, Form, Probe}};
//!
//! let sent = Probe {
//!     kind: Kind::Rfc2544,
//!     sequence: 7,
//!     timestamp_ns: 1_000,
//!     stream: 0xbeef,
//!     flags: Flags::NONE,
//! };
//! let mut payload = [0_u8; 100];
//! sent.write_payload(&mut payload)?;
//! let (returned, form) = Probe::parse(&payload).ok_or("no probe")?;
//! assert_eq!((returned, form), (sent, Form::Full));
//! assert_eq!(form.elapsed_ns(&returned, 4_000), 3_000);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod frame;
mod header;
mod neighbour;
mod received;

use core::fmt;

pub use frame::Template;
pub use header::{Addresses, Headers, Tag, Tags};
pub use neighbour::Question;
pub use received::{ChecksumState, Received};

use crate::{
    Kind,
    frame::wire::{get, put},
    reflect::signature::{self, ITO_OFFSET, PAYLOAD_OCTETS_MIN},
};

/// Longest time, in nanoseconds, that a 32-bit timestamp measures: what is
/// left of its range counts as a clock that went back.
pub const ELAPSED_NS_MAX: u64 = (1 << 32) - CLOCK_BACK_NS_MAX - 1;

/// How far back, in nanoseconds, a clock may seem to have gone: receive and
/// send times can come from two readings of one clock.
const CLOCK_BACK_NS_MAX: u64 = 1 << 28;

/// Octets of the longest form.
const FIELDS_OCTETS_MAX: usize = 24;

/// One period of the padding.
const PATTERN: [u8; 256] = {
    let mut pattern = [0; 256];
    let mut octet = 0_u8;
    while octet < u8::MAX {
        octet += 1;
        pattern[octet as usize] = octet;
    }
    pattern
};

/// Which fields a probe has, and where.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// 24 octets: 64-bit timestamp, 32-bit stream.
    Full,
    /// 18 octets: 32-bit timestamp, 16-bit stream.
    Compact,
    /// 18 octets with the signature at offset 5: 32-bit timestamp, 16-bit
    /// stream.
    Ito,
}

impl Form {
    /// The form of a probe of this kind in a payload of this length; `None` if
    /// none fits, or if the kind has no signature that is known.
    #[must_use]
    pub const fn of(kind: Kind, payload_octets: usize) -> Option<Self> {
        let form = match signature::built_in(kind) {
            Some((ITO_OFFSET, _)) => Self::Ito,
            Some(_) if payload_octets >= Self::Full.octets() => Self::Full,
            Some(_) => Self::Compact,
            None => return None,
        };
        if payload_octets < form.octets() { None } else { Some(form) }
    }

    /// Octets of the fields: the least payload.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Full => FIELDS_OCTETS_MAX,
            Self::Compact | Self::Ito => 18,
        }
    }

    /// The bits of a stream that the form carries.
    #[must_use]
    pub const fn stream_mask(self) -> u32 {
        match self {
            Self::Full => u32::MAX,
            Self::Compact | Self::Ito => 0xffff,
        }
    }

    /// Nanoseconds from the probe's timestamp to `now_ns` of the same clock.
    ///
    /// With 32 bits of timestamp that is right up to [`ELAPSED_NS_MAX`], 4.03
    /// s, and wrong beyond. 0 if the clock seems to have gone back.
    #[must_use]
    pub const fn elapsed_ns(self, probe: &Probe, now_ns: u64) -> u64 {
        let (elapsed_ns, max_ns) = match self {
            Self::Full => (now_ns.wrapping_sub(probe.timestamp_ns), u64::MAX / 2),
            Self::Compact | Self::Ito => {
                let difference = low_32(now_ns).wrapping_sub(low_32(probe.timestamp_ns));
                (difference as u64, ELAPSED_NS_MAX)
            }
        };
        if elapsed_ns > max_ns { 0 } else { elapsed_ns }
    }
}

/// What a probe says beyond sequence and time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The sender would like the reflector's time.
    pub const REQUEST_TIMESTAMP: Self = Self(1);
    /// A reflector marked it as its answer.
    pub const RESPONSE: Self = Self(1 << 1);
    /// A form of 18 octets. Set by writing, taken off by parsing.
    pub const COMPACT: Self = Self(1 << 7);
}

/// The fields of one probe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Probe {
    /// Its signature.
    pub kind: Kind,
    /// Place in its stream, from 0.
    pub sequence: u32,
    /// When it was sent, by the sender's clock; the low 32 bits where the
    /// form has no more.
    pub timestamp_ns: u64,
    /// One run of one sender; the low 16 bits where the form has no more.
    pub stream: u32,
    /// See [`Flags`].
    pub flags: Flags,
}

impl Probe {
    /// Fills a payload: fields, then padding. Returns the form that its length
    /// allows.
    ///
    /// # Errors
    ///
    /// [`WriteError::NoSignature`] if the kind has no built-in signature,
    /// [`WriteError::Payload`] if the payload is below 18 octets.
    pub fn write_payload(&self, payload: &mut [u8]) -> Result<Form, WriteError> {
        let form = self.renew(payload)?;
        for (octet, value) in payload.iter_mut().zip(PATTERN.iter().cycle()).skip(form.octets()) {
            *octet = *value;
        }
        Ok(form)
    }

    /// Writes the fields and leaves the padding, for a payload that is filled
    /// already.
    ///
    /// # Errors
    ///
    /// As [`write_payload`](Self::write_payload).
    pub fn renew(&self, payload: &mut [u8]) -> Result<Form, WriteError> {
        if signature::built_in(self.kind).is_none() {
            return Err(WriteError::NoSignature { kind: self.kind });
        }
        let octets = payload.len();
        let Some(form) = Form::of(self.kind, octets) else {
            return Err(WriteError::Payload { octets, wanted_octets: Form::Compact.octets() });
        };
        let fields = self.fields(form);
        for (octet, value) in payload.iter_mut().zip(fields).take(form.octets()) {
            *octet = value;
        }
        Ok(form)
    }

    /// Reads a probe; `None` if there is no known signature or no room for
    /// the fields. The padding is looked at by [`is_padding_intact`].
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<(Self, Form)> {
        let kind = signature::recognise(payload.first_chunk::<PAYLOAD_OCTETS_MIN>()?)?;
        let form = Form::of(kind, payload.len())?;
        let probe = match form {
            Form::Full => {
                let fields = payload.first_chunk::<24>()?;
                Self {
                    kind,
                    sequence: u32::from_be_bytes(get::<7, 4, _>(fields)),
                    timestamp_ns: u64::from_be_bytes(get::<11, 8, _>(fields)),
                    stream: u32::from_be_bytes(get::<19, 4, _>(fields)),
                    flags: Flags(fields[23]),
                }
            }
            Form::Compact => {
                let fields = payload.first_chunk::<18>()?;
                Self {
                    kind,
                    sequence: u32::from_be_bytes(get::<7, 4, _>(fields)),
                    timestamp_ns: u32::from_be_bytes(get::<11, 4, _>(fields)).into(),
                    stream: u16::from_be_bytes(get::<15, 2, _>(fields)).into(),
                    flags: Flags(fields[17] & !Flags::COMPACT.0),
                }
            }
            Form::Ito => {
                let fields = payload.first_chunk::<18>()?;
                Self {
                    kind,
                    sequence: u32::from_be_bytes(get::<12, 4, _>(fields)),
                    timestamp_ns: u32::from_be_bytes(get::<0, 4, _>(fields)).into(),
                    stream: u16::from_be_bytes(get::<16, 2, _>(fields)).into(),
                    flags: Flags(fields[4] & !Flags::COMPACT.0),
                }
            }
        };
        Some((probe, form))
    }

    /// The fields, as they stand at the start of the payload; behind a short
    /// form follow zeros.
    pub(crate) fn fields(&self, form: Form) -> [u8; FIELDS_OCTETS_MAX] {
        let mut fields = [0; FIELDS_OCTETS_MAX];
        // A kind without a signature was refused before.
        let signature = signature::built_in(self.kind).map_or([0; 7], |(_, octets)| *octets);
        let sequence = self.sequence.to_be_bytes();
        let timestamp = low_32(self.timestamp_ns).to_be_bytes();
        let [_, _, stream @ ..] = self.stream.to_be_bytes();
        let compact = self.flags.0 | Flags::COMPACT.0;
        match form {
            Form::Full => {
                put::<0, 7, _>(&mut fields, signature);
                put::<7, 4, _>(&mut fields, sequence);
                put::<11, 8, _>(&mut fields, self.timestamp_ns.to_be_bytes());
                put::<19, 4, _>(&mut fields, self.stream.to_be_bytes());
                put::<23, 1, _>(&mut fields, [self.flags.0]);
            }
            Form::Compact => {
                put::<0, 7, _>(&mut fields, signature);
                put::<7, 4, _>(&mut fields, sequence);
                put::<11, 4, _>(&mut fields, timestamp);
                put::<15, 2, _>(&mut fields, stream);
                put::<17, 1, _>(&mut fields, [compact]);
            }
            Form::Ito => {
                put::<0, 4, _>(&mut fields, timestamp);
                put::<4, 1, _>(&mut fields, [compact]);
                put::<5, 7, _>(&mut fields, signature);
                put::<12, 4, _>(&mut fields, sequence);
                put::<16, 2, _>(&mut fields, stream);
            }
        }
        fields
    }
}

/// Whether the padding behind the fields is as it was written.
#[must_use]
pub fn is_padding_intact(payload: &[u8], form: Form) -> bool {
    // In blocks of the pattern's length, because those are compared as a
    // whole and not octet by octet.
    let (first, rest) = payload.split_at_checked(PATTERN.len()).unwrap_or((payload, &[]));
    first.get(form.octets()..) == PATTERN.get(form.octets()..first.len())
        && rest.chunks(PATTERN.len()).all(|block| PATTERN.get(..block.len()) == Some(block))
}

/// Why a probe or a frame could not be written. Nothing is in the buffer then
/// that anybody may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// The kind has no signature to write.
    NoSignature {
        /// The kind.
        kind: Kind,
    },
    /// The payload has no room for the fields.
    Payload {
        /// Octets of the payload.
        octets: usize,
        /// Octets that the shortest form needs.
        wanted_octets: usize,
    },
    /// The frame has no room for its headers, or more than IP can count.
    Frame {
        /// Octets of the frame, without FCS.
        octets: usize,
        /// Octets that the headers need.
        wanted_octets: usize,
    },
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature { kind } => {
                write!(f, "{} is no built-in signature", kind.name())
            }
            Self::Payload { octets, wanted_octets } => {
                write!(f, "a payload of {octets} octets has no room for a probe of {wanted_octets}")
            }
            Self::Frame { octets, wanted_octets } => write!(
                f,
                "a frame of {octets} octets cannot be built: its headers need {wanted_octets}, \
                 and an IP packet ends at 65535"
            ),
        }
    }
}

impl core::error::Error for WriteError {}

const fn low_32(value: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = value.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
