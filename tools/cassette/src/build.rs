//! Records on their way into a cassette.

use crate::{
    payload::Exchange,
    record::{HEADER_OCTETS, Kind, RECORD_OCTETS_MAX, checksum},
};

/// A record to append.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// What it is.
    pub kind: Kind,
    /// The record's flags.
    pub flags: u8,
    /// The connection, or 0.
    pub connection: u32,
    /// The exchange from 1 on, or 0.
    pub exchange: u64,
    /// Nanoseconds since the file was made.
    pub time_ns: u64,
    /// The payload, in parts that follow each other.
    pub payload: [&'a [u8]; 2],
}

/// An exchange to append, whole or open.
#[derive(Clone, Copy, Debug)]
pub struct NewExchange<'a> {
    /// The record's flags.
    pub flags: u8,
    /// The connection.
    pub connection: u32,
    /// The exchange from 1 on.
    pub exchange: u64,
    /// When its request began, in nanoseconds since the file was made.
    pub time_ns: u64,
    /// The payload.
    pub content: Exchange<'a>,
}

/// Adds a record to `octets`, which begin at the multiple of 8 `base` in the file.
/// `None`, with `octets` as they were, if it would be too long.
pub(crate) fn record(
    octets: &mut Vec<u8>,
    base: u64,
    id: &[u8; 16],
    new: &NewRecord<'_>,
) -> Option<()> {
    seal(octets, base, id, new, |octets| {
        for part in new.payload {
            octets.extend_from_slice(part);
        }
        Some(())
    })
}

/// Adds an exchange of `kind` to `octets`, like [`record`].
pub(crate) fn exchange(
    octets: &mut Vec<u8>,
    base: u64,
    id: &[u8; 16],
    kind: Kind,
    new: &NewExchange<'_>,
) -> Option<()> {
    let record = NewRecord {
        kind,
        flags: new.flags,
        connection: new.connection,
        exchange: new.exchange,
        time_ns: new.time_ns,
        payload: [&[]; 2],
    };
    seal(octets, base, id, &record, |octets| new.content.write(octets))
}

/// Writes the header, lets `write` add the payload, pads, and puts length and checksum in.
fn seal(
    octets: &mut Vec<u8>,
    base: u64,
    id: &[u8; 16],
    new: &NewRecord<'_>,
    write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    let start = octets.len();
    octets.extend_from_slice(&[0; 8]);
    octets.extend_from_slice(&[new.kind.0, new.flags, 0, 0]);
    octets.extend_from_slice(&new.connection.to_le_bytes());
    octets.extend_from_slice(&new.exchange.to_le_bytes());
    octets.extend_from_slice(&new.time_ns.to_le_bytes());
    debug_assert_eq!(octets.len() - start, HEADER_OCTETS);
    let written = write(octets);
    let unpadded = octets.len() - start;
    let padding = unpadded.next_multiple_of(8) - unpadded;
    let length = u32::try_from(unpadded + padding).ok();
    let length = length.filter(|length| *length <= RECORD_OCTETS_MAX);
    let (Some(()), Some(length), Ok(zeros)) = (written, length, u8::try_from(padding)) else {
        octets.truncate(start);
        return None;
    };
    octets.resize(octets.len() + padding, 0);
    octets[start..start + 4].copy_from_slice(&length.to_le_bytes());
    octets[start + 10] = zeros;
    let sum = checksum(id, base + start as u64, &octets[start..]);
    octets[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    Some(())
}
