//! The common case on a short cut: a policy without filters and rate cap, a
//! frame without tag, IPv4 without options, UDP, a built-in signature.
//!
//! Everything that is asked stands in the first octets of the frame, so one
//! compare with its end is enough and every field is at a fixed place. The
//! short cut says yes, or one of the noes that busy links see most. Whatever
//! else it finds is looked at closely, and only that gives the other reasons.
//! That both agree is tested on every frame of the corpus and by fuzzing.

use crate::{
    Kind, Policy, Reason, Window,
    frame::checksum::Sum,
    frame::wire::{
        ethernet::{self, EtherType},
        ipv4, part, udp,
    },
    reflect::signature::{self, PAYLOAD_OCTETS_MIN},
};

const IP: usize = ethernet::HEADER_OCTETS;
const UDP: usize = IP + ipv4::HEADER_OCTETS;
const PAYLOAD: usize = UDP + udp::HEADER_OCTETS;

/// Octets that the short cut looks at.
const OCTETS: usize = PAYLOAD + PAYLOAD_OCTETS_MIN;

/// Takes the short cut, if the frame is long enough for it, and turns the frame
/// round if it is ours; `None` if this is another case.
#[inline(always)]
pub(super) fn reflect<W: Window + ?Sized>(
    window: &mut W,
    policy: &Policy,
) -> Option<Result<Kind, Reason>> {
    let verdict = inspect(window.at(0)?, window.len(), policy)?;
    if verdict.is_ok() {
        // What was read can be written, or nothing is answered.
        let Some(octets) = window.at_mut(0) else { return Some(Err(Reason::HeaderDepth)) };
        turn_round(octets, policy);
    }
    Some(verdict)
}

/// Decides on the common case; `None` if this is another.
///
/// `frame_octets` is the length of the whole frame.
#[inline(always)]
fn inspect(
    octets: &[u8; OCTETS],
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
    if source.is_group() || source == policy.own_mac_bits() {
        return None;
    }
    // Each value is asked for where it is read, not where the close look asks:
    // nothing has to be kept for later.
    let ip = ipv4::Header(part::<IP, _, _>(octets));
    let udp = udp::Header(part::<UDP, _, _>(octets));
    if !policy.is_plain() || !ip.is_plain() || !ip.is_whole_udp() {
        return None;
    }
    if !policy.is_port_wanted(udp.destination_port()) {
        return Some(Err(Reason::UdpPort));
    }
    if ip.ttl() <= policy.hop_limit_fall()
        || policy.may_be_at_loop_risk(udp.source_port())
        || udp.length() < OCTETS - UDP
        || udp.length() + (UDP - IP) > ip.total_length()
        || ip.total_length() + IP > frame_octets
    {
        return None;
    }
    let Some(kind) = signature::recognise(part::<PAYLOAD, _, _>(octets)) else {
        return policy.has_built_in_kinds_only().then_some(Err(Reason::Signature));
    };
    let is_answered = policy.kinds().contains(kind)
        && ip.is_surely_between_hosts()
        && Sum::of_ipv4(ip.0).is_sound();
    is_answered.then_some(Ok(kind))
}

/// Exchanges all that the only mode of a plain policy says.
///
/// Apart from the look, where it is a function of its own: together they need
/// more registers than are free, and saving some costs every frame, foreign
/// ones above all, more than the jump.
#[cfg_attr(target_arch = "bpf", inline(always))]
#[cfg_attr(not(target_arch = "bpf"), inline(never))]
fn turn_round(octets: &mut [u8; OCTETS], policy: &Policy) {
    if let Some((link, octets)) = octets.split_first_chunk_mut()
        && let Some((ip, octets)) = octets.split_first_chunk_mut()
        && let Some(udp) = octets.first_chunk_mut()
    {
        ethernet::swap_addresses(link);
        ipv4::swap_addresses(ip);
        if policy.hop_limit_fall() != 0 {
            ipv4::lower_ttl(ip);
        }
        udp::swap_ports(udp);
    }
}
