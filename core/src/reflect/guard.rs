//! Guards that keep a reflector from being a weapon.

use crate::{
    Guards, Policy, Reason,
    frame::wire::{ethernet, ipv4, ipv6, udp},
};

/// What the guards ask of an address of either IP version.
pub(super) trait Address: Copy {
    /// Group, unspecified, loopback or broadcast.
    fn is_no_host(self) -> bool;
    fn is_loopback(self) -> bool;
    /// Whether the policy names a prefix that holds it.
    fn is_allowed(self, policy: &Policy) -> bool;
}

impl Address for ipv4::Address {
    #[inline(always)]
    fn is_no_host(self) -> bool {
        Self::is_no_host(self)
    }

    #[inline(always)]
    fn is_loopback(self) -> bool {
        Self::is_loopback(self)
    }

    #[inline(always)]
    fn is_allowed(self, policy: &Policy) -> bool {
        policy.ipv4_prefixes().any(|prefix| prefix.contains(self))
    }
}

impl Address for ipv6::Address {
    #[inline(always)]
    fn is_no_host(self) -> bool {
        Self::is_no_host(self)
    }

    #[inline(always)]
    fn is_loopback(self) -> bool {
        Self::is_loopback(self)
    }

    #[inline(always)]
    fn is_allowed(self, policy: &Policy) -> bool {
        policy.ipv6_prefixes().any(|prefix| prefix.contains(self))
    }
}

#[inline(always)]
pub(super) fn inspect_addresses<A: Address>(
    policy: &Policy,
    source: A,
    destination: A,
) -> Result<(), Reason> {
    if source.is_no_host() {
        return Err(Reason::SourceAddress);
    }
    if destination.is_no_host() {
        return Err(Reason::DestinationAddress);
    }
    inspect_prefixes(policy, source)
}

/// As [`inspect_addresses`] for a datagram from a socket: between loopback
/// addresses it is sound, if the policy says so.
pub(super) fn inspect_socket_addresses<A: Address>(
    policy: &Policy,
    source: A,
    destination: A,
) -> Result<(), Reason> {
    if source.is_loopback() && destination.is_loopback() && !policy.has(Guards::LOOPBACK) {
        return inspect_prefixes(policy, source);
    }
    inspect_addresses(policy, source, destination)
}

#[inline(always)]
fn inspect_prefixes<A: Address>(policy: &Policy, source: A) -> Result<(), Reason> {
    if policy.is_source_limited() && !source.is_allowed(policy) {
        return Err(Reason::SourceNotAllowed);
    }
    Ok(())
}

/// Refuses what could be another reflector's answer.
///
/// An answer with exchanged ports comes *from* a port that reflectors serve.
/// With `mac` and `mac-ip` the ports stay, so an answer looks like a request:
/// two such reflectors would send one frame to and fro for ever, and every
/// frame is at risk. A datagram without a known MAC address has no OUI. Known
/// testers are exempt: by OUI, or because the prefixes
/// of `--allow`, checked before, hold the sender.
#[inline(always)]
pub(super) fn inspect_loop_risk(
    policy: &Policy,
    header: udp::Header<'_>,
    link_header: Option<ethernet::Header<'_>>,
) -> Result<(), Reason> {
    if policy.is_at_loop_risk(header.source_port())
        && !link_header.is_some_and(|header| policy.is_tester(header.source()))
    {
        return Err(Reason::LoopRisk);
    }
    Ok(())
}
