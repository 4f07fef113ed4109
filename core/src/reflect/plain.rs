//! The common case on a short cut: a policy without filters, a frame without
//! tag, IPv4 without options, UDP, a built-in signature.
//!
//! Everything that is asked stands in the first octets of the frame, so one
//! compare with its end is enough and every field is at a fixed place. The
//! short cut says yes, or one of the noes that busy links see most. Whatever
//! else it finds is looked at closely, and only that gives the other reasons.
//! That both agree is tested on every frame of the corpus and by fuzzing.

use crate::{
    Kind, Policy, Reason, Verdict, Window,
    checksum::Sum,
    signature::{self, PAYLOAD_OCTETS_MIN},
    wire::{
        ethernet::{self, EtherType},
        ipv4, part, udp,
    },
};

const IP: usize = ethernet::HEADER_OCTETS;
const UDP: usize = IP + ipv4::HEADER_OCTETS;
const PAYLOAD: usize = UDP + udp::HEADER_OCTETS;

/// Octets that the short cut looks at.
pub(super) const OCTETS: usize = PAYLOAD + PAYLOAD_OCTETS_MIN;

/// Octets of them behind the link header.
pub(super) const PACKET_OCTETS: usize = OCTETS - IP;

/// Decides on the common case; `None` if this is another.
///
/// `frame_octets` is the length of the whole frame.
#[inline(always)]
pub(super) fn inspect(
    octets: &[u8; OCTETS],
    frame_octets: usize,
    policy: &Policy,
) -> Option<Result<Kind, Reason>> {
    let link = ethernet::Header(part::<0, _, _>(octets));
    if link.ether_type() != EtherType::IPV4 {
        return None;
    }
    let (destination, source) = (link.destination(), link.source());
    if policy.is_foreign(destination) {
        return (!destination.is_group()).then_some(Err(Reason::ForeignDestinationMac));
    }
    if source.is_group() || source == policy.own_mac_bits() || source == destination {
        return None;
    }
    let octets = part::<IP, _, _>(octets);
    match inspect_headers(octets, frame_octets - IP, policy)? {
        Ok(_) => {}
        Err(reason) => return Some(Err(reason)),
    }
    let Some(kind) = signature::recognise(part::<{ PAYLOAD - IP }, _, _>(octets)) else {
        return policy.has_built_in_kinds_only().then_some(Err(Reason::Signature));
    };
    (policy.kinds().contains(kind) && is_sound(octets)).then_some(Ok(kind))
}

/// Decides on the common case by the IP and UDP headers, as far as the
/// signature does not come first: the octets of UDP header and payload.
///
/// `octets_max` is what the frame has room for behind its link header.
#[inline(always)]
pub(super) fn inspect_headers(
    octets: &[u8; PACKET_OCTETS],
    octets_max: usize,
    policy: &Policy,
) -> Option<Result<usize, Reason>> {
    let ip = ipv4::Header(part::<0, _, _>(octets));
    let udp = udp::Header(part::<{ UDP - IP }, _, _>(octets));
    if !policy.is_plain() || !ip.is_plain() || !ip.is_whole_udp() {
        return None;
    }
    if !policy.is_port_wanted(udp.destination_port()) {
        return Some(Err(Reason::UdpPort));
    }
    // Each value is asked for where it is read, not where the close look asks:
    // nothing has to be kept for later.
    let is_usual = ip.ttl() != 0
        && !policy.is_plainly_at_loop_risk(udp.source_port())
        && udp.length() >= OCTETS - UDP
        && udp.length() + (UDP - IP) <= ip.total_length()
        && ip.total_length() <= octets_max;
    is_usual.then_some(Ok(udp.length()))
}

/// Whether the addresses are surely hosts', and the header undamaged.
#[inline(always)]
pub(super) fn is_sound(octets: &[u8; PACKET_OCTETS]) -> bool {
    let ip = ipv4::Header(part::<0, _, _>(octets));
    ip.source().is_surely_host()
        && ip.destination().is_surely_host()
        && Sum::of_ipv4(ip.0).is_sound()
}

/// Exchanges all that the only mode of a plain policy says.
///
/// Apart from the look, where it is a function of its own: together they need
/// more registers than are free, and saving some costs every frame, foreign
/// ones above all, more than the jump.
#[cfg_attr(target_arch = "bpf", inline(always))]
#[cfg_attr(not(target_arch = "bpf"), inline(never))]
pub(super) fn turn_round<W: Window + ?Sized>(window: &mut W, kind: Kind) -> Verdict {
    if let Some(octets) = window.at_mut::<OCTETS>(0)
        && let Some((link, octets)) = octets.split_first_chunk_mut()
        && let Some((ip, octets)) = octets.split_first_chunk_mut()
        && let Some(udp) = octets.first_chunk_mut()
    {
        ethernet::swap_addresses(link);
        ipv4::swap_addresses(ip);
        udp::swap_ports(udp);
    }
    Verdict::Reflect(kind)
}
