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
    Kind, Limit, Mode, Policy, Reason, Verdict, Window,
    wire::{ethernet, ipv4, ipv6, udp},
};

/// Borrows octets of the frame or returns with the verdict on their absence.
///
/// A header that lies in a later fragment, or further in than a window looks,
/// is not broken: the frame goes on for long enough.
macro_rules! octets_at {
    ($window:expr, $octets:expr, $offset:expr, $cause:expr) => {
        match $window.at::<{ $octets }>($offset) {
            Some(octets) => octets,
            None => return Err($crate::reflect::absent($window, $offset + $octets, $cause)),
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
    let link = link::inspect(window, policy)?;
    match link.ether_type {
        ethernet::EtherType::IPV4 => network::inspect_ipv4(window, policy, link),
        ethernet::EtherType::IPV6 => network::inspect_ipv6(window, policy, link),
        _ => Err(Verdict::Pass(Reason::EtherType)),
    }
}

/// Exchanges what the mode says. The offsets were all reached by [`inspect`].
#[inline(always)]
fn turn_round<W>(window: &mut W, answer: Answer, mode: Mode)
where
    W: Window + ?Sized,
{
    if let Some(octets) = window.at::<{ ethernet::HEADER_OCTETS }>(0) {
        ethernet::Header(octets).swap_addresses();
    }
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

/// The verdict on a frame whose octets up to `end` could not be read.
#[cold]
#[inline(always)]
fn absent<W>(window: &mut W, end: usize, cause: crate::Malformed) -> Verdict
where
    W: Window + ?Sized,
{
    if window.reaches(end) { Verdict::Pass(Reason::HeaderDepth) } else { Verdict::Malformed(cause) }
}
