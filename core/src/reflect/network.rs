//! IPv4 and IPv6, up to the UDP header.

use super::{
    Carrier, Refusal,
    guard::{self, Address},
    octets_at,
};
use crate::{
    Guards, Policy, Reason, Window,
    frame::checksum::Sum,
    frame::wire::{ip_protocol::IpProtocol, ipv4, ipv6},
};

/// What the network layer says of a frame.
pub(super) struct Network {
    pub(super) carrier: Carrier,
    /// Octets before the UDP header.
    pub(super) transport_offset: usize,
    /// Octets before the end of the IP packet, as its header has it.
    pub(super) end: usize,
    /// Whether the policy names the sender's address as a tester's.
    pub(super) is_sender_named: bool,
    /// The first of the costly guards that the packet fails. Asked where the
    /// header is at hand, told after port and signature were found right.
    pub(super) guard: Option<Reason>,
}

#[inline(always)]
pub(super) fn inspect_ipv4<W>(
    window: &W,
    policy: &Policy,
    offset: usize,
) -> Result<Network, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv4::HEADER_OCTETS, offset, Reason::Ipv4Truncated);
    let header = ipv4::Header(octets);
    let header_octets = if header.is_plain() {
        ipv4::HEADER_OCTETS
    } else {
        if header.version() != 4 {
            return Err(Reason::IpVersion.into());
        }
        //= RFC 791 3.1: the minimum value for a correct header is 5.
        if header.ihl_words() < ipv4::IHL_WORDS_MIN {
            return Err(Reason::Ipv4HeaderLength.into());
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
    let transport_offset = offset + header_octets;
    Ok(Network {
        carrier: Carrier::Ipv4,
        transport_offset,
        end: offset + header.total_length(),
        is_sender_named: policy.has_named_hosts() && header.source().is_named(policy),
        guard: guard_ipv4(window, policy, header, offset, transport_offset).err(),
    })
}

#[inline(always)]
pub(super) fn inspect_ipv6<W>(
    window: &W,
    policy: &Policy,
    offset: usize,
) -> Result<Network, Refusal>
where
    W: Window + ?Sized,
{
    let octets = octets_at!(window, ipv6::HEADER_OCTETS, offset, Reason::Ipv6Truncated);
    let header = ipv6::Header(octets);
    if header.version() != 6 {
        return Err(Reason::IpVersion.into());
    }
    let first = header.next_header();
    let start = offset + ipv6::HEADER_OCTETS;
    let end = start + header.payload_length();
    let transport_offset = walk_extensions(window, first, start)?;
    Ok(Network {
        carrier: Carrier::Ipv6,
        transport_offset,
        end,
        is_sender_named: policy.has_named_hosts() && header.source().is_named(policy),
        guard: guard_ipv6(policy, header).err(),
    })
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
        let octets = octets_at!(window, ipv6::EXTENSION_OCTETS, offset, Reason::ExtensionTruncated);
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
fn guard_ipv6(policy: &Policy, header: ipv6::Header<'_>) -> Result<(), Reason> {
    guard_hop_limit(policy, header.hop_limit())?;
    guard::inspect_addresses(policy, header.source(), header.destination())?;
    guard::inspect_own(policy, header.destination())
}

/// As [`guard_ipv6`], and the sum over the header with its options.
#[inline(always)]
fn guard_ipv4<W>(
    window: &W,
    policy: &Policy,
    header: ipv4::Header<'_>,
    offset: usize,
    header_end: usize,
) -> Result<(), Reason>
where
    W: Window + ?Sized,
{
    guard_hop_limit(policy, header.ttl())?;
    guard::inspect_addresses(policy, header.source(), header.destination())?;
    let mut sum = Sum::of_ipv4(header.0);
    let mut has_source_route = false;
    if !header.is_plain() {
        let start = offset + ipv4::HEADER_OCTETS;
        (sum, has_source_route) = add_options(window, sum, start, header_end);
    }
    if !sum.is_sound() && policy.has(Guards::CHECKSUM) {
        return Err(Reason::Ipv4Checksum);
    }
    if has_source_route {
        return Err(Reason::SourceRoute);
    }
    guard::inspect_own(policy, header.destination())
}

#[inline(always)]
fn guard_hop_limit(policy: &Policy, hop_limit: u8) -> Result<(), Reason> {
    // With 1 the answer would leave with 0, which no host may send (RFC 1122
    // section 3.2.1.7).
    if hop_limit <= 1 && policy.has(Guards::HOP_LIMIT) {
        return Err(Reason::HopLimit);
    }
    Ok(())
}

/// Adds the options that stand from `start` to `end`, and says whether they may
/// name routers to go by: exchanged addresses would not lead back.
///
/// Ends early if a word is absent: then so is the UDP header behind it, and
/// that is what the frame is refused for.
#[inline(always)]
fn add_options<W>(window: &W, mut sum: Sum, start: usize, end: usize) -> (Sum, bool)
where
    W: Window + ?Sized,
{
    let mut offset = start;
    let mut has_source_route = false;
    for _ in ipv4::IHL_WORDS_MIN..ipv4::IHL_WORDS_MAX {
        if offset >= end {
            break;
        }
        let Some(words) = window.at::<4>(offset) else { break };
        sum = sum.add(*words);
        has_source_route |= ipv4::may_begin_source_route(*words);
        offset += 4;
    }
    (sum, has_source_route)
}
