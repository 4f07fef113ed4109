//! IPv4 and IPv6, up to the UDP header.

use super::{Answer, Family, guard, link::Link, octets_at, transport};
use crate::{
    Guards, Malformed, Policy, Reason, Verdict, Window,
    checksum::Sum,
    wire::{ip_protocol::IpProtocol, ipv4, ipv6},
};

#[inline(always)]
pub(super) fn inspect_ipv4<W>(
    window: &mut W,
    policy: &Policy,
    link: Link,
) -> Result<Answer, Verdict>
where
    W: Window + ?Sized,
{
    let network_offset = link.network_offset;
    let octets = octets_at!(window, ipv4::HEADER_OCTETS, network_offset, Malformed::Ipv4Truncated);
    let header = ipv4::Header(octets);
    if header.version() != 4 {
        return Err(Verdict::Malformed(Malformed::IpVersion));
    }
    //= RFC 791 3.1: the minimum value for a correct header is 5.
    let ihl_words = header.ihl_words();
    if ihl_words < ipv4::IHL_WORDS_MIN {
        return Err(Verdict::Malformed(Malformed::Ipv4HeaderLength));
    }
    if header.protocol() != IpProtocol::UDP {
        return Err(Verdict::Pass(Reason::IpProtocol));
    }
    // A later fragment has payload where the UDP header would be.
    if header.is_fragment() {
        return Err(Verdict::Pass(Reason::Fragment));
    }
    let total_length = header.total_length();
    let transport_offset = network_offset + ihl_words * 4;

    let ports = transport::inspect_ports(window, policy, transport_offset)?;
    let end = network_offset + total_length;
    if end < transport_offset || !window.reaches(end) {
        return Err(Verdict::Malformed(Malformed::Ipv4TotalLength));
    }
    let kind = transport::inspect_payload(window, policy, transport_offset, ports.length, end)?;

    let octets = octets_at!(window, ipv4::HEADER_OCTETS, network_offset, Malformed::Ipv4Truncated);
    let header = ipv4::Header(octets);
    if header.ttl() == 0 && policy.has(Guards::HOP_LIMIT) {
        return Err(Verdict::Pass(Reason::HopLimit));
    }
    let (source, destination) = (header.source(), header.destination());
    let mut sum = Sum::of_ipv4(header.0);
    guard::inspect_addresses(policy, source, destination)?;
    guard::inspect_loop_risk(policy, ports.source, policy.is_tester_oui(link.source_oui))?;
    for word in ipv4::IHL_WORDS_MIN..ipv4::IHL_WORDS_MAX {
        if word >= ihl_words {
            break;
        }
        sum = sum.add(*octets_at!(window, 4, network_offset + word * 4, Malformed::Ipv4Truncated));
    }
    if !sum.is_sound() && policy.has(Guards::CHECKSUM) {
        return Err(Verdict::Malformed(Malformed::Ipv4Checksum));
    }
    Ok(Answer { kind, family: Family::Ipv4, network_offset, transport_offset })
}

#[inline(always)]
pub(super) fn inspect_ipv6<W>(
    window: &mut W,
    policy: &Policy,
    link: Link,
) -> Result<Answer, Verdict>
where
    W: Window + ?Sized,
{
    let network_offset = link.network_offset;
    let octets = octets_at!(window, ipv6::HEADER_OCTETS, network_offset, Malformed::Ipv6Truncated);
    let header = ipv6::Header(octets);
    if header.version() != 6 {
        return Err(Verdict::Malformed(Malformed::IpVersion));
    }
    let first = header.next_header();
    let payload_length = header.payload_length();
    let transport_offset = walk_extensions(window, first, network_offset + ipv6::HEADER_OCTETS)?;

    let ports = transport::inspect_ports(window, policy, transport_offset)?;
    let end = network_offset + ipv6::HEADER_OCTETS + payload_length;
    if end < transport_offset || !window.reaches(end) {
        return Err(Verdict::Malformed(Malformed::Ipv6PayloadLength));
    }
    let kind = transport::inspect_payload(window, policy, transport_offset, ports.length, end)?;

    let octets = octets_at!(window, ipv6::HEADER_OCTETS, network_offset, Malformed::Ipv6Truncated);
    let header = ipv6::Header(octets);
    if header.hop_limit() == 0 && policy.has(Guards::HOP_LIMIT) {
        return Err(Verdict::Pass(Reason::HopLimit));
    }
    guard::inspect_addresses(policy, header.source(), header.destination())?;
    guard::inspect_loop_risk(policy, ports.source, policy.is_tester_oui(link.source_oui))?;
    Ok(Answer { kind, family: Family::Ipv6, network_offset, transport_offset })
}

/// Finds the UDP header behind hop-by-hop, routing and destination options.
#[inline(always)]
fn walk_extensions<W>(window: &mut W, first: u8, start: usize) -> Result<usize, Verdict>
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
            return Err(Verdict::Pass(Reason::RoutingHeader));
        }
        next = extension.next_header();
        offset += extension.octets();
    }
    match next {
        IpProtocol::UDP => Ok(offset),
        IpProtocol::FRAGMENT => Err(Verdict::Pass(Reason::Fragment)),
        _ if IpProtocol::is_walked_extension(next) => Err(Verdict::Pass(Reason::ExtensionHeaders)),
        _ => Err(Verdict::Pass(Reason::IpProtocol)),
    }
}
