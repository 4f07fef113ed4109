//! The common cases on a short cut: a policy of mode `all` whose answers have one
//! hop less, without prefixes, own addresses, services and rate cap; IPv4 without
//! options or IPv6 without extension headers, UDP, a built-in signature.
//!
//! Everything that is asked stands in the first octets, so one compare with the
//! end is enough and every field is at a fixed place. The short cut says yes, or
//! one of the noes that busy links see most. Whatever else it finds is looked at
//! closely, and only that gives the other reasons. That both agree is tested on
//! every frame of the corpus and by fuzzing.
//!
//! IPv4 without a tag is asked for first, as a whole frame ([`reflect`]). Behind
//! tags, and for IPv6, the link layer is looked at closely and the packet behind
//! it takes the short cut ([`reflect_packet`]).

#![expect(clippy::cast_possible_truncation, reason = "lengths are fields of 16 bits")]

use crate::{
    Kind, Policy, Reason, WindowMut,
    frame::checksum::Sum,
    frame::wire::{
        ethernet::{self, EtherType},
        ipv4, ipv6, part, udp,
    },
    reflect::signature::{self, PAYLOAD_OCTETS_MIN},
};

/// Octets from the UDP header on that the short cut looks at.
const DATAGRAM: usize = udp::HEADER_OCTETS + PAYLOAD_OCTETS_MIN;
/// Octets from the IP header on.
const IPV4: usize = ipv4::HEADER_OCTETS + DATAGRAM;
const IPV6: usize = ipv6::HEADER_OCTETS + DATAGRAM;
/// Octets of a frame.
const FRAME: usize = ethernet::HEADER_OCTETS + IPV4;

/// Takes the short cut with an IPv4 frame without a tag, if it is long enough,
/// and turns it round if it is ours; `None` if this is another case.
#[inline(always)]
pub(super) fn reflect<W: WindowMut + ?Sized>(
    window: &mut W,
    policy: &Policy,
) -> Option<Result<Kind, Reason>> {
    let verdict = inspect(window.at(0)?, window.len(), policy)?;
    if verdict.is_ok() {
        // What was read can be written, or nothing is answered.
        let Some(octets) = window.at_mut(0) else { return Some(Err(Reason::HeaderDepth)) };
        turn_round(octets);
    }
    Some(verdict)
}

/// Takes the short cut with the packet `at` octets into a frame whose link layer
/// is ours, and turns the frame round; `None` if this is another case.
#[inline(always)]
pub(super) fn reflect_packet<W: WindowMut + ?Sized>(
    window: &mut W,
    policy: &Policy,
    ether_type: EtherType,
    at: usize,
) -> Option<Result<Kind, Reason>> {
    if !policy.is_plain_behind_link() {
        return None;
    }
    let frame_octets = window.len();
    let verdict = match ether_type {
        EtherType::IPV4 => {
            let octets = window.at_mut::<IPV4>(at)?;
            let verdict = inspect_ipv4(octets, at, frame_octets, policy)?;
            if verdict.is_ok() {
                turn_ipv4_round(octets);
            }
            verdict
        }
        EtherType::IPV6 => {
            let octets = window.at_mut::<IPV6>(at)?;
            let verdict = inspect_ipv6(octets, at, frame_octets, policy)?;
            if verdict.is_ok() {
                turn_ipv6_round(octets);
            }
            verdict
        }
        _ => return None,
    };
    if verdict.is_ok() {
        // As in `reflect`.
        let Some(header) = window.at_mut(0) else { return Some(Err(Reason::HeaderDepth)) };
        ethernet::swap_addresses(header);
    }
    Some(verdict)
}

/// Decides on an IPv4 frame without a tag; `None` if this is another case.
///
/// `frame_octets` is the length of the whole frame.
#[inline(always)]
fn inspect(
    octets: &[u8; FRAME],
    frame_octets: usize,
    policy: &Policy,
) -> Option<Result<Kind, Reason>> {
    let link = ethernet::Header(part::<0, _, _>(octets));
    if link.ether_type() != EtherType::IPV4 {
        return None;
    }
    let (destination, source) = (link.destination(), link.source());
    if destination != policy.own_mac_bits() {
        if policy.is_foreign(destination) {
            return (!destination.is_group()).then_some(Err(Reason::ForeignDestinationMac));
        }
        if source == destination {
            return None;
        }
    }
    if source.is_group() || source == policy.own_mac_bits() || !policy.is_plain() {
        return None;
    }
    let packet = part::<{ ethernet::HEADER_OCTETS }, _, _>(octets);
    inspect_ipv4(packet, ethernet::HEADER_OCTETS, frame_octets, policy)
}

/// Decides on a packet that stands `at` octets into its frame.
///
/// Each value is asked for where it is read, not where the close look asks, so
/// that nothing has to be kept for later.
#[inline(always)]
fn inspect_ipv4(
    octets: &[u8; IPV4],
    at: usize,
    frame_octets: usize,
    policy: &Policy,
) -> Option<Result<Kind, Reason>> {
    let ip = ipv4::Header(part::<0, _, _>(octets));
    let datagram = part::<{ ipv4::HEADER_OCTETS }, _, _>(octets);
    if !ip.is_plain() || !ip.is_whole_udp_with_hops_left() {
        return None;
    }
    match ports_of(datagram, policy) {
        Ports::Served => {}
        Ports::Foreign => return Some(Err(Reason::UdpPort)),
        Ports::Suspicious => return None,
    }
    let (udp_octets, ip_octets) = (length_of(datagram), ip.total_length() as u32);
    if udp_octets < DATAGRAM as u32
        || udp_octets + ipv4::HEADER_OCTETS as u32 > ip_octets
        || ip_octets as usize + at > frame_octets
    {
        return None;
    }
    let verdict = recognise(datagram, policy)?;
    if verdict.is_ok() && !(ip.is_surely_between_hosts() && Sum::of_ipv4(ip.0).is_sound()) {
        return None;
    }
    Some(verdict)
}

/// As [`inspect_ipv4`].
#[inline(always)]
fn inspect_ipv6(
    octets: &[u8; IPV6],
    at: usize,
    frame_octets: usize,
    policy: &Policy,
) -> Option<Result<Kind, Reason>> {
    let ip = ipv6::Header(part::<0, _, _>(octets));
    let datagram = part::<{ ipv6::HEADER_OCTETS }, _, _>(octets);
    if ip.version() != 6 || !ip.is_udp_with_hops_left() {
        return None;
    }
    match ports_of(datagram, policy) {
        Ports::Served => {}
        Ports::Foreign => return Some(Err(Reason::UdpPort)),
        Ports::Suspicious => return None,
    }
    let (udp_octets, ip_octets) = (length_of(datagram), ip.payload_length() as u32);
    if udp_octets < DATAGRAM as u32
        || udp_octets > ip_octets
        || ip_octets as usize + ipv6::HEADER_OCTETS + at > frame_octets
    {
        return None;
    }
    let verdict = recognise(datagram, policy)?;
    if verdict.is_ok() && !ip.is_surely_between_hosts() {
        return None;
    }
    Some(verdict)
}

/// Octets of the datagram, in 32 bits: the kernel's program has no shorter way
/// to compare them.
#[inline(always)]
fn length_of(datagram: &[u8; DATAGRAM]) -> u32 {
    udp::Header(part::<0, _, _>(datagram)).length() as u32
}

/// What the UDP ports say of a datagram.
enum Ports {
    Served,
    Foreign,
    /// The guard against loops has to look at them.
    Suspicious,
}

#[inline(always)]
fn ports_of(datagram: &[u8; DATAGRAM], policy: &Policy) -> Ports {
    let udp = udp::Header(part::<0, _, _>(datagram));
    if !policy.is_port_wanted(udp.destination_port()) {
        Ports::Foreign
    } else if policy.may_be_at_loop_risk(udp.source_port()) {
        Ports::Suspicious
    } else {
        Ports::Served
    }
}

/// Looks for a signature.
#[inline(always)]
fn recognise(datagram: &[u8; DATAGRAM], policy: &Policy) -> Option<Result<Kind, Reason>> {
    let Some(kind) = signature::recognise(part::<{ udp::HEADER_OCTETS }, _, _>(datagram)) else {
        return policy.has_built_in_kinds_only().then_some(Err(Reason::Signature));
    };
    policy.kinds().contains(kind).then_some(Ok(kind))
}

/// Exchanges all that the only mode of a plain policy says.
#[inline(always)]
fn turn_round(octets: &mut [u8; FRAME]) {
    if let Some((link, octets)) = octets.split_first_chunk_mut()
        && let Some(packet) = octets.first_chunk_mut()
    {
        ethernet::swap_addresses(link);
        turn_ipv4_round(packet);
    }
}

#[inline(always)]
fn turn_ipv4_round(octets: &mut [u8; IPV4]) {
    if let Some((ip, octets)) = octets.split_first_chunk_mut()
        && let Some(udp) = octets.first_chunk_mut()
    {
        ipv4::swap_addresses(ip);
        ipv4::lower_ttl(ip);
        udp::swap_ports(udp);
    }
}

#[inline(always)]
fn turn_ipv6_round(octets: &mut [u8; IPV6]) {
    if let Some((ip, octets)) = octets.split_first_chunk_mut()
        && let Some(udp) = octets.first_chunk_mut()
    {
        ipv6::swap_addresses(ip);
        ipv6::lower_hop_limit(ip);
        udp::swap_ports(udp);
    }
}
