//! UDP and the signature in its payload.

use farend_core::{Kind, Reason, Verdict};

use super::{OFFSET_MAX, Packet, copy, number};
use crate::options::PolicyOptions;

/// A UDP header (RFC 768).
pub(super) struct Datagram {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) length: usize,
}

impl Datagram {
    pub(super) fn parse(frame: &[u8], packet: &Packet) -> Result<Self, Verdict> {
        let header = copy(frame, packet.transport_offset, 8, Reason::UdpTruncated)?;
        Ok(Self {
            source_port: u16::from(header[0]) * 256 + u16::from(header[1]),
            destination_port: u16::from(header[2]) * 256 + u16::from(header[3]),
            length: number(&header[4..6]),
        })
    }
}

pub(super) fn check_port(datagram: &Datagram, options: &PolicyOptions) -> Result<(), Verdict> {
    match options.port {
        Some(port) if datagram.destination_port != port => Err(Verdict::Refuse(Reason::UdpPort)),
        _ => Ok(()),
    }
}

/// The packet must hold its headers and the datagram; then the datagram's
/// payload, and no octet more, is searched.
pub(super) fn recognise(
    frame: &[u8],
    packet: &Packet,
    datagram: &Datagram,
    options: &PolicyOptions,
) -> Result<Kind, Verdict> {
    let start = packet.transport_offset;
    if datagram.length < 8 || start + datagram.length > packet.end {
        let cause = if packet.end < start { packet.length_cause() } else { Reason::UdpLength };
        return Err(Verdict::Refuse(cause));
    }
    // The packet may end behind the frame: then what is missing of the payload
    // is missing of the packet.
    let copy_payload = |first: usize, end: usize, looked_at: usize| {
        if start + 8 + end > frame.len() {
            return Err(Verdict::Refuse(packet.length_cause()));
        }
        if looked_at > OFFSET_MAX {
            return Err(Verdict::Refuse(Reason::HeaderDepth));
        }
        Ok(frame[start + 8 + first..start + 8 + end].to_vec())
    };
    let payload_octets = datagram.length - 8;
    search(
        payload_octets,
        // Known signatures are read with the first twelve octets, those of the
        // user with the eight that end where they end.
        || copy_payload(0, 12, start + 8),
        |first, end| copy_payload(first, end, start + end),
        options,
    )
}

pub(super) fn recognise_payload(payload: &[u8], options: &PolicyOptions) -> Result<Kind, Verdict> {
    search(
        payload.len(),
        || Ok(payload[..12].to_vec()),
        |first, end| Ok(payload[first..end].to_vec()),
        options,
    )
}

fn search(
    payload_octets: usize,
    first_twelve: impl Fn() -> Result<Vec<u8>, Verdict>,
    between: impl Fn(usize, usize) -> Result<Vec<u8>, Verdict>,
    options: &PolicyOptions,
) -> Result<Kind, Verdict> {
    if payload_octets >= 12
        && let Some(kind) = built_in(&first_twelve()?)
        && options.kinds.contains(&kind)
    {
        return Ok(kind);
    }
    let kinds = [
        Kind::Custom1,
        Kind::Custom2,
        Kind::Custom3,
        Kind::Custom4,
        Kind::Custom5,
        Kind::Custom6,
        Kind::Custom7,
        Kind::Custom8,
    ];
    for (custom, kind) in options.customs.iter().zip(kinds) {
        let first = usize::from(custom.offset);
        let end = first + custom.octets.len();
        if end > payload_octets {
            continue;
        }
        let octets = between(first, end)?;
        let mut pairs = octets.iter().zip(custom.octets.iter().zip(&custom.mask));
        if pairs.all(|(octet, (wanted, mask))| octet & mask == wanted & mask) {
            return Ok(kind);
        }
    }
    if options.kinds.contains(&Kind::Any) {
        return Ok(Kind::Any);
    }
    Err(Verdict::Refuse(Reason::Signature))
}

/// Signatures of the ITO testers stand behind five octets of the vendor's, the
/// others at the start.
fn built_in(payload: &[u8]) -> Option<Kind> {
    match &payload[5..12] {
        b"PROBEOT" => return Some(Kind::Probeot),
        b"DATA:OT" => return Some(Kind::DataOt),
        b"LATENCY" => return Some(Kind::Latency),
        _ => {}
    }
    match &payload[0..7] {
        b"RFC2544" => Some(Kind::Rfc2544),
        b"Y.1564 " => Some(Kind::Y1564),
        b"MSNSEED" => Some(Kind::Msnseed),
        _ => None,
    }
}
