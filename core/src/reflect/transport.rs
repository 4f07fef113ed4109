//! UDP ports, lengths and the signature in the payload.

use super::{Carrier, Refusal};
use crate::{
    Kind, Policy, Reason, Window,
    frame::wire::udp,
    reflect::signature::{self, PAYLOAD_OCTETS_MIN, custom_kind},
};

/// Checks port and lengths.
///
/// A datagram may end before the IP packet does (RFC 768 gives UDP a length of
/// its own); it may not end after it, and what lies behind its own end is no
/// payload.
#[inline(always)]
pub(super) fn inspect_header<'frame, W>(
    window: &'frame W,
    policy: &Policy,
    offset: usize,
    end: usize,
    carrier: Carrier,
) -> Result<udp::Header<'frame>, Refusal>
where
    W: Window + ?Sized,
{
    let Some(octets) = window.at::<{ udp::HEADER_OCTETS }>(offset) else {
        // The header before may name more octets of itself than there are.
        return Err(if offset > window.whole_len() {
            carrier.headers_cause().into()
        } else {
            let end = offset + udp::HEADER_OCTETS;
            Refusal::Absent { end, cause: Reason::UdpTruncated }
        });
    };
    let header = udp::Header(octets);
    if !policy.is_port_wanted(header.destination_port()) {
        return Err(Reason::UdpPort.into());
    }
    //= RFC 768: the minimum value of the length is eight.
    let length = header.length();
    if length < udp::HEADER_OCTETS || offset + length > end {
        return Err(if end < offset { carrier.length_cause() } else { Reason::UdpLength }.into());
    }
    Ok(header)
}

/// Finds the signature in a datagram of `length` octets, its header included.
#[inline(always)]
pub(super) fn recognise<W>(
    window: &W,
    policy: &Policy,
    offset: usize,
    length: usize,
    carrier: Carrier,
) -> Result<Kind, Refusal>
where
    W: Window + ?Sized,
{
    if length >= udp::HEADER_OCTETS + PAYLOAD_OCTETS_MIN {
        let start = offset + udp::HEADER_OCTETS;
        let Some(payload) = window.at::<PAYLOAD_OCTETS_MIN>(start) else {
            let end = start + PAYLOAD_OCTETS_MIN;
            return Err(Refusal::Absent { end, cause: carrier.length_cause() });
        };
        if let Some(kind) = signature::recognise(payload)
            && policy.kinds().contains(kind)
        {
            return Ok(kind);
        }
    }
    inspect_custom(window, policy, offset, length - udp::HEADER_OCTETS, carrier)
}

/// Looks for the user's own signatures.
#[inline(always)]
fn inspect_custom<W>(
    window: &W,
    policy: &Policy,
    offset: usize,
    payload_octets: usize,
    carrier: Carrier,
) -> Result<Kind, Refusal>
where
    W: Window + ?Sized,
{
    for (index, custom) in policy.customs().enumerate() {
        let Some(at) = custom.offset_in_datagram(payload_octets) else { continue };
        let Some(octets) = window.at::<8>(offset + at) else {
            return Err(Refusal::Absent { end: offset + at + 8, cause: carrier.length_cause() });
        };
        if custom.matches(*octets) {
            return Ok(custom_kind(index));
        }
    }
    if policy.kinds().contains(Kind::Any) { Ok(Kind::Any) } else { Err(Reason::Signature.into()) }
}
