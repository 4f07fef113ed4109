//! UDP ports, lengths and the signature in the payload.

use super::{Refusal, octets_at};
use crate::{
    Kind, Malformed, Policy, Reason, Window,
    signature::{self, PAYLOAD_OCTETS_MIN, custom_kind},
    wire::udp,
};

/// Checks port and lengths.
///
/// `end` is where the IP packet ends. A datagram may end before it does (RFC
/// 768 gives UDP a length of its own); it may not end after it, and what lies
/// behind its own end is no payload.
#[inline(always)]
pub(super) fn inspect_header<'frame, W>(
    window: &'frame W,
    policy: &Policy,
    offset: usize,
    end: usize,
) -> Result<udp::Header<'frame>, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, udp::HEADER_OCTETS, offset, Malformed::UdpTruncated);
    let header = udp::Header(octets);
    if !policy.is_port_wanted(header.destination_port()) {
        return Err(Reason::UdpPort.into());
    }
    //= RFC 768: the minimum value of the length is eight.
    let length = header.length();
    if length < udp::HEADER_OCTETS || offset + length > end {
        return Err(Malformed::UdpLength.into());
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
) -> Result<Kind, Refusal>
where
    W: Window + ?Sized,
{
    if length >= udp::HEADER_OCTETS + PAYLOAD_OCTETS_MIN {
        let start = offset + udp::HEADER_OCTETS;
        let payload = octets_at!(window, PAYLOAD_OCTETS_MIN, start, Malformed::UdpTruncated);
        if let Some(kind) = signature::recognise(payload)
            && policy.kinds().contains(kind)
        {
            return Ok(kind);
        }
    }
    inspect_custom(window, policy, offset, length - udp::HEADER_OCTETS)
}

/// Looks for the user's own signatures.
#[inline(always)]
fn inspect_custom<W>(
    window: &W,
    policy: &Policy,
    offset: usize,
    payload_octets: usize,
) -> Result<Kind, Refusal>
where
    W: Window + ?Sized,
{
    for (index, custom) in policy.customs().enumerate() {
        let Some(at) = custom.offset_in_datagram(payload_octets) else { continue };
        let octets = octets_at!(window, 8, offset + at, Malformed::UdpTruncated);
        if custom.matches(*octets) {
            return Ok(custom_kind(index));
        }
    }
    if policy.kinds().contains(Kind::Any) { Ok(Kind::Any) } else { Err(Reason::Signature.into()) }
}
