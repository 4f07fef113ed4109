//! Looks at a frame, decides, and turns it round in place.
//!
//! Checks go in the order of how much foreign traffic they turn away for how
//! little work: addresses of the link, type, protocol, port, lengths,
//! signature; only what is test traffic by all of these is looked at for the
//! costly guards. A frame has one verdict: that of the first check it fails.
//!
//! Looking ([`inspect`]) and turning round are apart, so a frame that is not
//! answered is not touched, not one bit.

mod datagram;
mod guard;
mod link;
mod network;
mod transport;

pub use datagram::{Datagram, reflect_datagram};

use crate::{
    Kind, Limit, Malformed, Mode, Policy, Reason, Verdict, Window,
    wire::{
        ethernet::{self, EtherType},
        ipv4, ipv6, udp,
    },
};

/// Why a frame is not answered, before it is known whether octets that could
/// not be read are missing or only out of sight.
enum Refusal {
    Verdict(Verdict),
    /// The octets before `end` could not be read.
    Absent {
        end: usize,
        cause: Malformed,
    },
}

impl From<Reason> for Refusal {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self::Verdict(Verdict::Pass(reason))
    }
}

impl From<Malformed> for Refusal {
    #[inline(always)]
    fn from(cause: Malformed) -> Self {
        Self::Verdict(Verdict::Malformed(cause))
    }
}

/// Borrows `octets` at `offset`, or returns because they are absent.
macro_rules! octets_at {
    ($window:expr, $octets:expr, $offset:expr, $cause:expr) => {
        match $window.at::<{ $octets }>($offset) {
            Some(octets) => octets,
            None => {
                return Err($crate::reflect::Refusal::Absent {
                    end: $offset + $octets,
                    cause: $cause,
                });
            }
        }
    };
}
pub(crate) use octets_at;

/// A frame that is ours to answer, and where its headers stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Answer {
    /// By what it was recognised.
    pub kind: Kind,
    family: Family,
    /// Octets before the IP header.
    network_offset: usize,
    /// Octets before the UDP header.
    transport_offset: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    Ipv4,
    Ipv6,
}

/// Parses one Ethernet frame and, if it is ours, turns it round in place.
///
/// The frame is without FCS. Its length never changes, no checksum is
/// computed for the answer (see [`checksum`](crate::checksum)), and turning it
/// round twice restores it. `limit` is asked last, and only about frames that
/// would be answered.
#[inline(always)]
pub fn reflect<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Verdict
where
    W: Window + ?Sized,
    L: Limit,
{
    match inspect(window, policy) {
        Ok(answer) if limit.admit(policy.rate_cap()) => {
            turn_round(window, answer, policy.mode());
            Verdict::Reflect(answer.kind)
        }
        Ok(_) => Verdict::Drop(Reason::RateCap),
        Err(verdict) => verdict,
    }
}

/// Parses one Ethernet frame and decides, without touching it.
///
/// # Errors
///
/// The verdict on a frame that is not answered.
#[inline(always)]
pub fn inspect<W>(window: &mut W, policy: &Policy) -> Result<Answer, Verdict>
where
    W: Window + ?Sized,
{
    match look(window, policy) {
        Ok(answer) => Ok(answer),
        Err(Refusal::Verdict(verdict)) => Err(verdict),
        // A header that lies in a later fragment, or further in than a window
        // looks, is not broken: the frame goes on for long enough.
        Err(Refusal::Absent { end, .. }) if window.reaches(end) => {
            Err(Verdict::Pass(Reason::HeaderDepth))
        }
        Err(Refusal::Absent { cause, .. }) => Err(Verdict::Malformed(cause)),
    }
}

#[inline(always)]
fn look<W>(window: &mut W, policy: &Policy) -> Result<Answer, Refusal>
where
    W: Window + ?Sized,
{
    let link = link::inspect(window, policy)?;
    let network = match link.ether_type {
        EtherType::IPV4 => network::inspect_ipv4(window, link.network_offset)?,
        EtherType::IPV6 => network::inspect_ipv6(window, link.network_offset)?,
        _ => return Err(Reason::EtherType.into()),
    };
    let ports = transport::inspect_ports(window, policy, &network)?;
    if network.end < network.transport_offset || !window.reaches(network.end) {
        return Err(match network.family {
            Family::Ipv4 => Malformed::Ipv4TotalLength.into(),
            Family::Ipv6 => Malformed::Ipv6PayloadLength.into(),
        });
    }
    let kind = transport::inspect_payload(window, policy, &network, ports.length)?;
    guard::inspect_loop_risk(policy, ports.source, Some(link.source_oui))?;
    match network.family {
        Family::Ipv4 => network::guard_ipv4(window, policy, link.network_offset)?,
        Family::Ipv6 => network::guard_ipv6(window, policy, link.network_offset)?,
    }
    Ok(Answer {
        kind,
        family: network.family,
        network_offset: link.network_offset,
        transport_offset: network.transport_offset,
    })
}

/// Exchanges what the mode says. The offsets were all reached by [`inspect`].
#[inline(always)]
fn turn_round<W>(window: &mut W, answer: Answer, mode: Mode)
where
    W: Window + ?Sized,
{
    ethernet::swap_addresses(window);
    if mode == Mode::Mac {
        return;
    }
    match answer.family {
        Family::Ipv4 => {
            if let Some(octets) = window.at::<{ ipv4::HEADER_OCTETS }>(answer.network_offset) {
                ipv4::Header(octets).swap_addresses();
            }
        }
        Family::Ipv6 => {
            if let Some(octets) = window.at::<{ ipv6::HEADER_OCTETS }>(answer.network_offset) {
                ipv6::Header(octets).swap_addresses();
            }
        }
    }
    if mode == Mode::MacIp {
        return;
    }
    if let Some(octets) = window.at::<{ udp::HEADER_OCTETS }>(answer.transport_offset) {
        udp::Header(octets).swap_ports();
    }
}
