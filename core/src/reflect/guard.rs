//! Guards that keep a reflector from being a weapon.

use crate::{
    Guards, Policy, Reason,
    frame::wire::{ethernet::MacBits, ipv4, ipv6},
};

/// Ports from here on are those that systems give to clients: Linux from 32768,
/// others from 49152 (RFC 6335 section 6).
pub(super) const CLIENT_PORTS_START: u16 = 32_768;

/// What the guards ask of an address of either IP version.
pub(super) trait Address: Copy {
    /// Group, unspecified, loopback or broadcast.
    fn is_invalid_host(self) -> bool;
    fn is_loopback(self) -> bool;
    /// Whether the policy names a prefix that holds it.
    fn is_allowed(self, policy: &Policy) -> bool;
    /// Whether the policy names it, and no other, as a tester's.
    fn is_named(self, policy: &Policy) -> bool;
    /// Whether it is one of the host's own, as far as the policy has a list.
    fn is_own(self, policy: &Policy) -> bool;
}

impl Address for ipv4::Address {
    #[inline(always)]
    fn is_invalid_host(self) -> bool {
        Self::is_invalid_host(self)
    }

    #[inline(always)]
    fn is_loopback(self) -> bool {
        Self::is_loopback(self)
    }

    #[inline(always)]
    fn is_allowed(self, policy: &Policy) -> bool {
        policy.ipv4_prefixes().any(|prefix| prefix.contains(self))
    }

    #[inline(always)]
    fn is_named(self, policy: &Policy) -> bool {
        policy.ipv4_prefixes().any(|prefix| prefix.is_host() && prefix.contains(self))
    }

    #[inline(always)]
    fn is_own(self, policy: &Policy) -> bool {
        policy.is_own_ipv4(self)
    }
}

impl Address for ipv6::Address {
    #[inline(always)]
    fn is_invalid_host(self) -> bool {
        Self::is_invalid_host(self)
    }

    #[inline(always)]
    fn is_loopback(self) -> bool {
        Self::is_loopback(self)
    }

    #[inline(always)]
    fn is_allowed(self, policy: &Policy) -> bool {
        policy.ipv6_prefixes().any(|prefix| prefix.contains(self))
    }

    #[inline(always)]
    fn is_named(self, policy: &Policy) -> bool {
        policy.ipv6_prefixes().any(|prefix| prefix.is_host() && prefix.contains(self))
    }

    #[inline(always)]
    fn is_own(self, policy: &Policy) -> bool {
        policy.is_own_ipv6(self)
    }
}

#[inline(always)]
pub(super) fn inspect_addresses<A: Address>(
    policy: &Policy,
    source: A,
    destination: A,
) -> Result<(), Reason> {
    if source.is_invalid_host() {
        return Err(Reason::SourceAddress);
    }
    if destination.is_invalid_host() {
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

/// Refuses what is for another host, if the policy has a list of its own.
#[inline(always)]
pub(super) fn inspect_own<A: Address>(policy: &Policy, destination: A) -> Result<(), Reason> {
    if policy.has_own_addresses() && !destination.is_own(policy) {
        return Err(Reason::DestinationNotOwn);
    }
    Ok(())
}

#[inline(always)]
fn inspect_prefixes<A: Address>(policy: &Policy, source: A) -> Result<(), Reason> {
    if policy.is_source_limited() && !source.is_allowed(policy) {
        return Err(Reason::SourceNotAllowed);
    }
    Ok(())
}

/// Refuses what could come back for ever.
///
/// A service that answers whatever it is sent is never answered, because its
/// answers have a fresh hop limit. An answer of another reflector comes *from*
/// a port that reflectors serve if ports are exchanged; with `mac` and `mac-ip`
/// they stay, so an answer looks like a request, and every frame could be one.
/// A reflector that cannot lower the hop limit serves no client's port and
/// answers clients' ports alone: one that serves a client's port takes what
/// comes from any other for its answer.
/// Known testers are let through there, by OUI or by address: if one is a
/// reflector all the same, the falling hop limit ends the loop.
#[inline(always)]
pub(super) fn inspect_loop_risk(
    policy: &Policy,
    source_port: u16,
    is_named: bool,
    source: Option<MacBits>,
) -> Result<(), Reason> {
    if policy.is_loop_port(source_port) {
        return Err(Reason::LoopRisk);
    }
    if policy.could_be_answer(source_port)
        && !is_named
        && !source.is_some_and(|source| policy.is_tester(source))
    {
        return Err(Reason::LoopRisk);
    }
    Ok(())
}
