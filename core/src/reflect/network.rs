//! IPv4 and IPv6, up to the UDP header.

use super::{Family, Refusal, guard, octets_at};
use crate::{
    Guards, Malformed, Policy, Reason, Window,
    checksum::Sum,
    wire::{ip_protocol::IpProtocol, ipv4, ipv6},
};

/// What the network layer says of a frame.
pub(super) struct Network {
    pub(super) family: Family,
    /// Octets before the UDP header.
    pub(super) transport_offset: usize,
    /// Octets before the end of the IP packet, as its header has it.
    pub(super) end: usize,
}

impl Network {
    /// Which header is cut off in a frame that ends before the UDP header: of
    /// IPv4 the options, of IPv6 an extension header, because the fixed parts
    /// of both were read.
    #[inline(always)]
    pub(super) const fn truncated(&self) -> Malformed {
        match self.family {
            Family::Ipv4 => Malformed::Ipv4Truncated,
            Family::Ipv6 => Malformed::ExtensionTruncated,
        }
    }
}

#[inline(always)]
pub(super) fn inspect_ipv4<W>(window: &mut W, offset: usize) -> Result<Network, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv4::HEADER_OCTETS, offset, Malformed::Ipv4Truncated);
    let header = ipv4::Header(octets);
    if header.version() != 4 {
        return Err(Malformed::IpVersion.into());
    }
    //= RFC 791 3.1: the minimum value for a correct header is 5.
    let ihl_words = header.ihl_words();
    if ihl_words < ipv4::IHL_WORDS_MIN {
        return Err(Malformed::Ipv4HeaderLength.into());
    }
    if header.protocol() != IpProtocol::UDP {
        return Err(Reason::IpProtocol.into());
    }
    // A later fragment has payload where the UDP header would be.
    if header.is_fragment() {
        return Err(Reason::Fragment.into());
    }
    Ok(Network {
        family: Family::Ipv4,
        transport_offset: offset + ihl_words * 4,
        end: offset + header.total_length(),
    })
}

#[inline(always)]
pub(super) fn inspect_ipv6<W>(window: &mut W, offset: usize) -> Result<Network, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv6::HEADER_OCTETS, offset, Malformed::Ipv6Truncated);
    let header = ipv6::Header(octets);
    if header.version() != 6 {
        return Err(Malformed::IpVersion.into());
    }
    let first = header.next_header();
    let start = offset + ipv6::HEADER_OCTETS;
    let end = start + header.payload_length();
    let transport_offset = walk_extensions(window, first, start)?;
    Ok(Network { family: Family::Ipv6, transport_offset, end })
}

/// Finds the UDP header behind hop-by-hop, routing and destination options.
#[inline(always)]
fn walk_extensions<W>(window: &mut W, first: u8, start: usize) -> Result<usize, Refusal>
where
    W: Window + ?Sized,
{
    let mut next = first;
    let mut offset = start;
    for _ in 0..ipv6::EXTENSIONS_MAX {
        if !IpProtocol::is_walked_extension(next) {
            break;
        }
        let octets =
            octets_at!(window, ipv6::EXTENSION_OCTETS, offset, Malformed::ExtensionTruncated);
        let extension = ipv6::Extension(octets);
        // With segments left we are not the last destination, and an
        // exchange of the addresses would not lead back.
        if next == IpProtocol::ROUTING && extension.segments_left() != 0 {
            return Err(Reason::RoutingHeader.into());
        }
        next = extension.next_header();
        //= RFC 8200 section 4: the same action should be taken if a node
        //= encounters a Next Header value of zero in any header other than an
        //= IPv6 header. The action is that on an unrecognised one.
        if next == IpProtocol::HOP_BY_HOP {
            return Err(Reason::IpProtocol.into());
        }
        offset += extension.octets();
    }
    match next {
        IpProtocol::UDP => Ok(offset),
        IpProtocol::FRAGMENT => Err(Reason::Fragment.into()),
        _ if IpProtocol::is_walked_extension(next) => Err(Reason::ExtensionHeaders.into()),
        _ => Err(Reason::IpProtocol.into()),
    }
}

/// The guards that are left for a frame with a signature.
#[inline(always)]
pub(super) fn guard_ipv4<W>(window: &mut W, policy: &Policy, offset: usize) -> Result<(), Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv4::HEADER_OCTETS, offset, Malformed::Ipv4Truncated);
    let header = ipv4::Header(octets);
    if header.ttl() == 0 && policy.has(Guards::HOP_LIMIT) {
        return Err(Reason::HopLimit.into());
    }
    guard::inspect_addresses(policy, header.source(), header.destination())?;
    let ihl_words = header.ihl_words();
    let mut sum = Sum::of_ipv4(header.0);
    for word in ipv4::IHL_WORDS_MIN..ipv4::IHL_WORDS_MAX {
        if word >= ihl_words {
            break;
        }
        sum = sum.add(*octets_at!(window, 4, offset + word * 4, Malformed::Ipv4Truncated));
    }
    if !sum.is_sound() && policy.has(Guards::CHECKSUM) {
        return Err(Malformed::Ipv4Checksum.into());
    }
    Ok(())
}

/// As [`guard_ipv4`]; there is no header checksum.
#[inline(always)]
pub(super) fn guard_ipv6<W>(window: &mut W, policy: &Policy, offset: usize) -> Result<(), Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv6::HEADER_OCTETS, offset, Malformed::Ipv6Truncated);
    let header = ipv6::Header(octets);
    if header.hop_limit() == 0 && policy.has(Guards::HOP_LIMIT) {
        return Err(Reason::HopLimit.into());
    }
    guard::inspect_addresses(policy, header.source(), header.destination())
}
