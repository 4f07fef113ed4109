//! IPv4 and IPv6, up to the UDP header.

use super::{Family, Refusal, guard, octets_at, transport::Place};
use crate::{
    Guards, Malformed, Policy, Reason, Window,
    checksum::Sum,
    wire::{ip_protocol::IpProtocol, ipv4, ipv6},
};

/// What the network layer says of a frame.
pub(super) struct Network<'frame> {
    pub(super) header: Header<'frame>,
    /// Octets before the IP header.
    pub(super) offset: usize,
    /// Octets before the UDP header.
    pub(super) transport_offset: usize,
    /// Octets before the end of the IP packet, as its header has it.
    pub(super) end: usize,
}

/// The header of either IP version.
pub(super) enum Header<'frame> {
    Ipv4(ipv4::Header<'frame>),
    Ipv6(ipv6::Header<'frame>),
}

impl Header<'_> {
    #[inline(always)]
    pub(super) const fn family(&self) -> Family {
        match self {
            Self::Ipv4(_) => Family::Ipv4,
            Self::Ipv6(_) => Family::Ipv6,
        }
    }
}

impl Network<'_> {
    /// What is broken if the packet's length does not fit.
    #[inline(always)]
    pub(super) const fn length_cause(&self) -> Malformed {
        match self.header {
            Header::Ipv4(_) => Malformed::Ipv4TotalLength,
            Header::Ipv6(_) => Malformed::Ipv6PayloadLength,
        }
    }

    /// Where the datagram lies.
    #[inline(always)]
    pub(super) const fn place(&self) -> Place {
        Place {
            offset: self.transport_offset,
            end: self.end,
            // The fixed part of either header was read: what can be cut off
            // are IPv4's options and IPv6's extension headers.
            cause_before: match self.header {
                Header::Ipv4(_) => Malformed::Ipv4Truncated,
                Header::Ipv6(_) => Malformed::ExtensionTruncated,
            },
            length_cause: self.length_cause(),
        }
    }
}

#[inline(always)]
pub(super) fn inspect_ipv4<W>(window: &W, offset: usize) -> Result<Network<'_>, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv4::HEADER_OCTETS, offset, Malformed::Ipv4Truncated);
    let header = ipv4::Header(octets);
    let header_octets = if header.is_plain() {
        ipv4::HEADER_OCTETS
    } else {
        if header.version() != 4 {
            return Err(Malformed::IpVersion.into());
        }
        //= RFC 791 3.1: the minimum value for a correct header is 5.
        if header.ihl_words() < ipv4::IHL_WORDS_MIN {
            return Err(Malformed::Ipv4HeaderLength.into());
        }
        header.ihl_words() * 4
    };
    if !header.is_whole_udp() {
        // A later fragment has payload where the UDP header would be.
        return Err(if header.protocol() == IpProtocol::UDP {
            Reason::Fragment.into()
        } else {
            Reason::IpProtocol.into()
        });
    }
    Ok(Network {
        header: Header::Ipv4(header),
        offset,
        transport_offset: offset + header_octets,
        end: offset + header.total_length(),
    })
}

#[inline(always)]
pub(super) fn inspect_ipv6<W>(window: &W, offset: usize) -> Result<Network<'_>, Refusal>
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
    Ok(Network { header: Header::Ipv6(header), offset, transport_offset, end })
}

/// Finds the UDP header behind hop-by-hop, routing and destination options.
#[inline(always)]
fn walk_extensions<W>(window: &W, first: u8, start: usize) -> Result<usize, Refusal>
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
pub(super) fn guard<W>(window: &W, policy: &Policy, network: &Network<'_>) -> Result<(), Refusal>
where
    W: Window + ?Sized,
{
    match network.header {
        Header::Ipv4(header) => {
            guard_hop_limit(policy, header.ttl())?;
            guard::inspect_addresses(policy, header.source(), header.destination())?;
            guard_checksum(window, policy, header, network)
        }
        Header::Ipv6(header) => {
            guard_hop_limit(policy, header.hop_limit())?;
            guard::inspect_addresses(policy, header.source(), header.destination())
        }
    }
}

#[inline(always)]
fn guard_hop_limit(policy: &Policy, hop_limit: u8) -> Result<(), Refusal> {
    if hop_limit == 0 && policy.has(Guards::HOP_LIMIT) {
        return Err(Reason::HopLimit.into());
    }
    Ok(())
}

/// Sums the IPv4 header with its options.
#[inline(always)]
fn guard_checksum<W>(
    window: &W,
    policy: &Policy,
    header: ipv4::Header<'_>,
    network: &Network<'_>,
) -> Result<(), Refusal>
where
    W: Window + ?Sized,
{
    let mut sum = Sum::of_ipv4(header.0);
    let mut offset = network.offset + ipv4::HEADER_OCTETS;
    for _ in ipv4::IHL_WORDS_MIN..ipv4::IHL_WORDS_MAX {
        if offset >= network.transport_offset {
            break;
        }
        sum = sum.add(*octets_at!(window, 4, offset, Malformed::Ipv4Truncated));
        offset += 4;
    }
    if !sum.is_sound() && policy.has(Guards::CHECKSUM) {
        return Err(Malformed::Ipv4Checksum.into());
    }
    Ok(())
}
