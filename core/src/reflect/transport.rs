//! UDP ports, lengths and the signature in the payload.

use super::{Refusal, octets_at};
use crate::{
    Kind, Malformed, Policy, Reason, Window,
    signature::{self, PAYLOAD_OCTETS_MIN, custom_kind},
    wire::udp,
};

/// A datagram for us.
pub(super) struct Transport<'frame> {
    pub(super) header: udp::Header<'frame>,
    pub(super) kind: Kind,
}

/// Where a datagram lies in the frame, and what is broken if it does not.
pub(super) struct Place {
    /// Octets before the UDP header.
    pub(super) offset: usize,
    /// Octets before the end of the IP packet.
    pub(super) end: usize,
    /// If the frame ends before the UDP header.
    pub(super) cause_before: Malformed,
    /// If the IP packet ends before the UDP header, or after the frame.
    pub(super) length_cause: Malformed,
}

/// Checks port and lengths and finds the signature.
///
/// A datagram may end before the IP packet does (RFC 768 gives UDP a length of
/// its own); it may not end after it, and what lies behind its own end is no
/// payload.
#[inline(always)]
pub(super) fn inspect<'frame, W>(
    window: &'frame W,
    policy: &Policy,
    place: &Place,
) -> Result<Transport<'frame>, Refusal>
where
    W: Window + ?Sized,
{
    let offset = place.offset;
    let octets =
        octets_at!(window, udp::HEADER_OCTETS, offset, Malformed::UdpTruncated, place.cause_before);
    let header = udp::Header(octets);
    if !policy.is_port_wanted(header.destination_port()) {
        return Err(Reason::UdpPort.into());
    }
    //= RFC 768: the minimum value of the length is eight.
    let length = header.length();
    if length < udp::HEADER_OCTETS || offset + length > place.end {
        let is_packet_short = place.end < offset;
        return Err(if is_packet_short { place.length_cause } else { Malformed::UdpLength }.into());
    }
    if length >= udp::HEADER_OCTETS + PAYLOAD_OCTETS_MIN {
        let start = offset + udp::HEADER_OCTETS;
        let payload = octets_at!(window, PAYLOAD_OCTETS_MIN, start, place.length_cause);
        if let Some(kind) = signature::recognise(payload)
            && policy.kinds().contains(kind)
        {
            return Ok(Transport { header, kind });
        }
    }
    let kind = inspect_custom(window, policy, place, length - udp::HEADER_OCTETS)?;
    Ok(Transport { header, kind })
}

/// Looks for the user's own signatures.
#[inline(always)]
fn inspect_custom<W>(
    window: &W,
    policy: &Policy,
    place: &Place,
    payload_octets: usize,
) -> Result<Kind, Refusal>
where
    W: Window + ?Sized,
{
    for (index, custom) in policy.customs().enumerate() {
        let Some(at) = custom.offset_in_datagram(payload_octets) else { continue };
        let octets = octets_at!(window, 8, place.offset + at, place.length_cause);
        if custom.matches(*octets) {
            return Ok(custom_kind(index));
        }
    }
    if policy.kinds().contains(Kind::Any) { Ok(Kind::Any) } else { Err(Reason::Signature.into()) }
}
