//! UDP ports, lengths and the signature in the payload.

use super::{Refusal, network::Network, octets_at};
use crate::{
    Kind, Malformed, Policy, Reason, Window,
    signature::{self, PAYLOAD_OCTETS_MIN, custom_kind},
    wire::udp,
};

/// What the UDP header says.
pub(super) struct Ports {
    pub(super) source: u16,
    /// Octets of header and payload, as the header has it.
    pub(super) length: usize,
}

#[inline(always)]
pub(super) fn inspect_ports<W>(
    window: &mut W,
    policy: &Policy,
    network: &Network,
) -> Result<Ports, Refusal>
where
    W: Window + ?Sized,
{
    let offset = network.transport_offset;
    let Some(octets) = window.at::<{ udp::HEADER_OCTETS }>(offset) else {
        // The header before may name more octets of itself than there are:
        // then it is that one in which the frame ends.
        let cause =
            if window.reaches(offset) { Malformed::UdpTruncated } else { network.truncated() };
        return Err(Refusal::Absent { end: offset + udp::HEADER_OCTETS, cause });
    };
    let header = udp::Header(octets);
    if !policy.is_port_wanted(header.destination_port()) {
        return Err(Reason::UdpPort.into());
    }
    Ok(Ports { source: header.source_port(), length: header.length() })
}

/// Checks the length and finds the signature.
///
/// A datagram may end before the IP packet does (RFC 768 gives UDP a length of
/// its own); it may not end after it, and what lies behind its own end is no
/// payload.
#[inline(always)]
pub(super) fn inspect_payload<W>(
    window: &mut W,
    policy: &Policy,
    network: &Network,
    length: usize,
) -> Result<Kind, Refusal>
where
    W: Window + ?Sized,
{
    let offset = network.transport_offset;
    //= RFC 768: the minimum value of the length is eight.
    if length < udp::HEADER_OCTETS || offset + length > network.end {
        return Err(Malformed::UdpLength.into());
    }
    let payload_octets = length - udp::HEADER_OCTETS;
    let kinds = policy.kinds();
    if payload_octets >= PAYLOAD_OCTETS_MIN {
        let payload = octets_at!(
            window,
            PAYLOAD_OCTETS_MIN,
            offset + udp::HEADER_OCTETS,
            Malformed::UdpTruncated
        );
        if let Some(kind) = signature::recognise(payload)
            && kinds.contains(kind)
        {
            return Ok(kind);
        }
    }
    for (index, custom) in policy.customs().enumerate() {
        let Some(at) = custom.offset_in_datagram(payload_octets) else { continue };
        let octets = octets_at!(window, 8, offset + at, Malformed::UdpTruncated);
        if custom.matches(*octets) {
            return Ok(custom_kind(index));
        }
    }
    if kinds.contains(Kind::Any) {
        return Ok(Kind::Any);
    }
    Err(Reason::Signature.into())
}
