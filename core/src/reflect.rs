//! Looks at a frame, decides, and turns it round in place.
//!
//! Checks go in the order of how much foreign traffic they turn away for how
//! little work: addresses of the link, type, protocol, port, lengths,
//! signature; only what is test traffic by all of these is looked at for the
//! costly guards. A frame has one verdict: that of the first check it fails.
//!
//! Looking ([`inspect`]) and turning round are apart, so a frame that is not
//! answered is not touched, not one bit.

pub mod counters;
pub mod cpu_state;
mod datagram;
mod guard;
mod link;
mod network;
mod plain;
pub mod policy;
pub mod rate;
pub mod refused;
pub mod signature;
mod transport;
pub mod verdict;

pub use datagram::{Datagram, reflect_datagram};

use self::transport::Trouble;
use crate::{
    Kind, Limit, Malformed, Mode, Policy, Reason, Verdict, Window,
    frame::wire::{
        ethernet::{self, EtherType},
        ipv4, ipv6, udp,
    },
    reflect::verdict::{Code, Refused},
};

/// Why a frame is not answered, before it is known whether octets that could
/// not be read are missing or only out of sight.
enum Refusal {
    Known(Refused),
    /// The octets before `end` could not be read.
    Absent {
        end: usize,
        /// If the frame ends among them.
        cause: Malformed,
    },
}

impl From<Refused> for Refusal {
    #[inline(always)]
    fn from(refused: Refused) -> Self {
        Self::Known(refused)
    }
}

impl From<Reason> for Refusal {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self::Known(reason.into())
    }
}

impl From<Malformed> for Refusal {
    #[inline(always)]
    fn from(cause: Malformed) -> Self {
        Self::Known(cause.into())
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

impl Family {
    /// What is broken if the packet's length does not fit.
    #[inline(always)]
    const fn length_cause(self) -> Malformed {
        match self {
            Self::Ipv4 => Malformed::Ipv4TotalLength,
            Self::Ipv6 => Malformed::Ipv6PayloadLength,
        }
    }

    /// What a datagram's trouble is if a packet of this family holds it.
    ///
    /// The fixed part of either IP header was read: what can be cut off are
    /// IPv4's options and IPv6's extension headers.
    #[inline(always)]
    fn refusal(self, trouble: Trouble) -> Refusal {
        match trouble {
            Trouble::Refusal(refusal) => refusal,
            Trouble::HeadersCut => match self {
                Self::Ipv4 => Malformed::Ipv4Truncated.into(),
                Self::Ipv6 => Malformed::ExtensionTruncated.into(),
            },
            Trouble::PacketShort => self.length_cause().into(),
            Trouble::PacketCut { end } => Refusal::Absent { end, cause: self.length_cause() },
        }
    }
}

/// Parses one Ethernet frame and, if it is ours, turns it round in place.
///
/// The frame is without FCS. Its length never changes, no checksum is
/// computed for the answer (see [`checksum`](crate::frame::checksum)), and turning it
/// round twice restores it. `limit` is asked last, and only about frames that
/// would be answered.
#[inline(always)]
pub fn reflect<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Verdict
where
    W: Window + ?Sized,
    L: Limit,
{
    match plain::look(window, policy) {
        Some(Ok(kind)) if limit.admit(policy.rate_cap()) => plain::turn_round(window, kind),
        Some(Ok(_)) => Verdict::Drop(Reason::RateCap),
        Some(Err(reason)) => Verdict::Pass(reason),
        None => reflect_after_a_close_look(window, policy, limit),
    }
}

#[inline(never)]
fn reflect_after_a_close_look<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Verdict
where
    W: Window + ?Sized,
    L: Limit,
{
    reflect_closely(window, policy, limit).verdict()
}

/// The common case alone, as [`reflect`] takes it first: the verdict as one
/// number, or `None` if this is another case.
///
/// With [`reflect_closely`] it is what `reflect` does, in two pieces: a caller
/// that is short of registers, as the kernel program is, makes a window of its
/// own for each, and keeps nothing of the first for the second.
#[inline(always)]
pub fn reflect_common<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Option<Code>
where
    W: Window + ?Sized,
    L: Limit,
{
    Some(match plain::look(window, policy)? {
        Ok(kind) if limit.admit(policy.rate_cap()) => plain::turn_round(window, kind).into(),
        Ok(_) => Refused::from(Reason::RateCap).into(),
        Err(reason) => Refused::from(reason).into(),
    })
}

/// Every case, without the short cut of [`reflect_common`].
#[inline(always)]
pub fn reflect_closely<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Code
where
    W: Window + ?Sized,
    L: Limit,
{
    match decide(window, policy) {
        Ok(answer) if limit.admit(policy.rate_cap()) => {
            turn_round(window, answer, policy.mode());
            answer.kind.into()
        }
        Ok(_) => Refused::from(Reason::RateCap).into(),
        Err(refused) => refused.into(),
    }
}

/// Parses one Ethernet frame and decides, without touching it.
///
/// # Errors
///
/// The verdict on a frame that is not answered.
#[inline(always)]
pub fn inspect<W>(window: &W, policy: &Policy) -> Result<Answer, Verdict>
where
    W: Window + ?Sized,
{
    decide(window, policy).map_err(|refused| Code::from(refused).verdict())
}

#[inline(always)]
fn decide<W>(window: &W, policy: &Policy) -> Result<Answer, Refused>
where
    W: Window + ?Sized,
{
    match look(window, policy) {
        Ok(answer) => Ok(answer),
        Err(Refusal::Known(refused)) => Err(refused),
        // A header that lies in a later fragment, or further in than a window
        // looks, is not broken: the frame goes on for long enough.
        Err(Refusal::Absent { end, .. }) if end <= window.whole_len() => {
            Err(Reason::HeaderDepth.into())
        }
        Err(Refusal::Absent { cause, .. }) => Err(cause.into()),
    }
}

#[inline(always)]
fn look<W>(window: &W, policy: &Policy) -> Result<Answer, Refusal>
where
    W: Window + ?Sized,
{
    let link = link::inspect(window, policy)?;
    let network = match link.ether_type {
        EtherType::IPV4 => network::inspect_ipv4(window, policy, link.network_offset)?,
        EtherType::IPV6 => network::inspect_ipv6(window, policy, link.network_offset)?,
        _ => return Err(Reason::EtherType.into()),
    };
    let (offset, end) = (network.transport_offset, network.end);
    let header = transport::inspect_header(window, policy, offset, end)
        .map_err(|trouble| network.family.refusal(trouble))?;
    // Asked while the header is at hand, told after the signature was found.
    let loop_risk = guard::inspect_loop_risk(policy, header, Some(link.header));
    let refused = loop_risk.err().or(network.guard);
    let kind = transport::recognise(window, policy, offset, header.length())
        .map_err(|trouble| network.family.refusal(trouble))?;
    if let Some(refused) = refused {
        return Err(refused.into());
    }
    // The frame's end last: to find it may cost a call into the kernel.
    if end > window.len() && end > window.whole_len() {
        return Err(network.family.length_cause().into());
    }
    Ok(Answer {
        kind,
        family: network.family,
        network_offset: link.network_offset,
        transport_offset: offset,
    })
}

/// Exchanges what the mode says. The offsets were all reached by [`inspect`].
#[inline(always)]
fn turn_round<W>(window: &mut W, answer: Answer, mode: Mode)
where
    W: Window + ?Sized,
{
    if let Some(header) = window.at_mut(0) {
        ethernet::swap_addresses(header);
    }
    if mode == Mode::Mac {
        return;
    }
    match answer.family {
        Family::Ipv4 => {
            if let Some(header) = window.at_mut(answer.network_offset) {
                ipv4::swap_addresses(header);
            }
        }
        Family::Ipv6 => {
            if let Some(header) = window.at_mut(answer.network_offset) {
                ipv6::swap_addresses(header);
            }
        }
    }
    if mode == Mode::All
        && let Some(header) = window.at_mut(answer.transport_offset)
    {
        udp::swap_ports(header);
    }
}
