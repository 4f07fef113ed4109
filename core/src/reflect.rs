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
mod plain;
mod transport;

pub use datagram::{Datagram, reflect_datagram};

use self::transport::Trouble;
use crate::{
    Kind, Limit, Malformed, Mode, Policy, Reason, Verdict, Window,
    verdict::{Code, Refused},
    wire::{
        ethernet::{self, EtherType},
        ipv4, ipv6, udp,
    },
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
/// computed for the answer (see [`checksum`](crate::checksum)), and turning it
/// round twice restores it. `limit` is asked last, and only about frames that
/// would be answered.
#[inline(always)]
pub fn reflect<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Verdict
where
    W: Window + ?Sized,
    L: Limit,
{
    let frame_octets = window.len();
    let decision = window
        .at::<{ plain::OCTETS }>(0)
        .and_then(|octets| plain::inspect(octets, frame_octets, policy));
    match decision {
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
    reflect_by_code(window, policy, limit).verdict()
}

/// As [`reflect`], without the short cut that it takes in the common case, and
/// with the verdict as one number: of the same parts, the form that is
/// shortest, which is what the kernel runs best.
#[inline(always)]
pub fn reflect_by_code<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Code
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
    let packet = match common_packet(window, policy, &link) {
        Some(packet) => packet,
        None => inspect_packet(window, policy, &link)?,
    };
    let kind =
        transport::recognise(window, policy, packet.transport_offset, packet.transport_octets)
            .map_err(|trouble| packet.family.refusal(trouble))?;
    if let Some(refused) = packet.guard {
        return Err(refused.into());
    }
    // The frame's end last: to find it may cost a call into the kernel.
    let end = packet.end;
    if end > window.len() && end > window.whole_len() {
        return Err(packet.family.length_cause().into());
    }
    Ok(Answer {
        kind,
        family: packet.family,
        network_offset: link.network_offset,
        transport_offset: packet.transport_offset,
    })
}

/// What the headers say, before the signature is looked for.
struct Packet {
    family: Family,
    transport_offset: usize,
    /// Octets before the end of the IP packet; 0 if the frame is known to
    /// hold all of it.
    end: usize,
    /// Octets of UDP header and payload.
    transport_octets: usize,
    /// The first of the costly guards that the frame fails. Asked where its
    /// header is at hand, told after the signature was found.
    guard: Option<Refused>,
}

/// The common case, known from octets at fixed places behind the link header.
///
/// Only in the kernel: user space took its own short cut before.
#[inline(always)]
fn common_packet<W>(window: &W, policy: &Policy, link: &link::Link<'_>) -> Option<Packet>
where
    W: Window + ?Sized,
{
    if !cfg!(target_arch = "bpf") || link.ether_type != EtherType::IPV4 {
        return None;
    }
    let octets = window.at::<{ plain::PACKET_OCTETS }>(link.network_offset)?;
    let transport_octets =
        plain::inspect_headers(octets, window.len() - link.network_offset, policy)?.ok()?;
    plain::is_sound(octets).then_some(Packet {
        family: Family::Ipv4,
        transport_offset: link.network_offset + ipv4::HEADER_OCTETS,
        end: 0,
        transport_octets,
        guard: None,
    })
}

#[inline(always)]
fn inspect_packet<W>(window: &W, policy: &Policy, link: &link::Link<'_>) -> Result<Packet, Refusal>
where
    W: Window + ?Sized,
{
    let network = match link.ether_type {
        EtherType::IPV4 => network::inspect_ipv4(window, policy, link.network_offset)?,
        EtherType::IPV6 => network::inspect_ipv6(window, policy, link.network_offset)?,
        _ => return Err(Reason::EtherType.into()),
    };
    let header = transport::inspect_header(window, policy, network.transport_offset, network.end)
        .map_err(|trouble| network.family.refusal(trouble))?;
    let loop_risk = guard::inspect_loop_risk(policy, header, Some(link.header));
    Ok(Packet {
        family: network.family,
        transport_offset: network.transport_offset,
        end: network.end,
        transport_octets: header.length(),
        guard: loop_risk.err().or(network.guard),
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
