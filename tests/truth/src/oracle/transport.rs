//! UDP and the signature in its payload.

use farend_core::{Kind, Malformed, Reason, Verdict};

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
        let header = copy(frame, packet.transport_offset, 8, Malformed::UdpTruncated)?;
        Ok(Self {
            source_port: u16::from(header[0]) * 256 + u16::from(header[1]),
            destination_port: u16::from(header[2]) * 256 + u16::from(header[3]),
            length: number(&header[4..6]),
        })
    }
}

pub(super) fn check_port(datagram: &Datagram, options: &PolicyOptions) -> Result<(), Verdict> {
    match options.port {
        Some(port) if datagram.destination_port != port => Err(Verdict::Pass(Reason::UdpPort)),
        _ => Ok(()),
    }
}

/// The datagram must lie in the packet; then its payload, and no octet more,
/// is searched.
pub(super) fn recognise(
    frame: &[u8],
    packet: &Packet,
    datagram: &Datagram,
    options: &PolicyOptions,
) -> Result<Kind, Verdict> {
    let start = packet.transport_offset;
    if datagram.length < 8 || start + datagram.length > packet.end {
        return Err(Verdict::Malformed(Malformed::UdpLength));
    }
    let payload = &frame[start + 8..start + datagram.length];
    // Only a signature that starts too far into the frame to be looked at can
    // keep the others from being searched.
    if payload.len() >= 12 && start + 8 > OFFSET_MAX {
        return Err(Verdict::Pass(Reason::HeaderDepth));
    }
    let deepest_custom_end = OFFSET_MAX.saturating_sub(start);
    search(payload, deepest_custom_end, options)
}

pub(super) fn recognise_payload(payload: &[u8], options: &PolicyOptions) -> Result<Kind, Verdict> {
    search(payload, OFFSET_MAX, options)
}

/// A signature of the user's own counts only if it ends at most
/// `deepest_custom_end` octets into the payload: the eight octets that end
/// there start as far behind the start of the UDP header.
fn search(
    payload: &[u8],
    deepest_custom_end: usize,
    options: &PolicyOptions,
) -> Result<Kind, Verdict> {
    if payload.len() >= 12
        && let Some(kind) = built_in(payload)
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
        let end = usize::from(custom.offset) + custom.octets.len();
        if end > payload.len() {
            continue;
        }
        if end > deepest_custom_end {
            return Err(Verdict::Pass(Reason::HeaderDepth));
        }
        let octets = &payload[usize::from(custom.offset)..end];
        let pairs = octets.iter().zip(custom.octets.iter().zip(&custom.mask));
        if pairs.into_iter().all(|(octet, (wanted, mask))| octet & mask == wanted & mask) {
            return Ok(kind);
        }
    }
    if options.kinds.contains(&Kind::Any) {
        return Ok(Kind::Any);
    }
    Err(Verdict::Pass(Reason::Signature))
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
