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

use crate::{
    Kind, Limit, Mode, Policy, Reason, Verdict, Window,
    frame::wire::{
        ethernet::{self, EtherType},
        ipv4, ipv6, udp,
    },
};

/// Why a frame is not answered, before it is known whether octets that could
/// not be read are missing or only out of sight.
enum Refusal {
    Known(Reason),
    /// The octets before `end` could not be read.
    Absent {
        end: usize,
        /// If the frame ends among them.
        cause: Reason,
    },
}

impl From<Reason> for Refusal {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self::Known(reason)
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
    carrier: Carrier,
    /// Octets before the IP header.
    network_offset: usize,
    /// Octets before the UDP header.
    transport_offset: usize,
}

/// What a datagram came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Carrier {
    Ipv4,
    Ipv6,
    /// A socket's buffer, without its headers.
    Socket,
}

impl Carrier {
    /// What is broken if the packet's length does not fit.
    #[inline(always)]
    const fn length_cause(self) -> Reason {
        match self {
            Self::Ipv4 => Reason::Ipv4TotalLength,
            Self::Ipv6 => Reason::Ipv6PayloadLength,
            Self::Socket => Reason::UdpLength,
        }
    }

    /// What is broken if the frame ends before the UDP header starts.
    ///
    /// The fixed part of either IP header was read: what can be cut off are
    /// IPv4's options and IPv6's extension headers.
    #[inline(always)]
    const fn headers_cause(self) -> Reason {
        match self {
            Self::Ipv4 => Reason::Ipv4Truncated,
            Self::Ipv6 => Reason::ExtensionTruncated,
            Self::Socket => Reason::UdpTruncated,
        }
    }
}

/// Parses one Ethernet frame and, if it is ours, turns it round in place.
///
/// The frame is without FCS. Its length never changes, no checksum is computed
/// anew for the answer (see [`checksum`](crate::frame::checksum)), and turning
/// it round twice restores it but for the hop limit. `limit` is asked last, and only about frames that
/// would be answered.
#[inline(always)]
pub fn reflect<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Verdict
where
    W: Window + ?Sized,
    L: Limit,
{
    match plain::reflect(window, policy) {
        Some(Ok(kind)) => Verdict::Reflect(kind),
        Some(Err(reason)) => Verdict::Refuse(reason),
        None => reflect_after_a_close_look(window, policy, limit),
    }
}

#[inline(never)]
fn reflect_after_a_close_look<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Verdict
where
    W: Window + ?Sized,
    L: Limit,
{
    match reflect_closely(window, policy, limit) {
        Ok(kind) => Verdict::Reflect(kind),
        Err(reason) => Verdict::Refuse(reason),
    }
}

/// The common case alone, as [`reflect`] takes it first; `None` if this is
/// another case.
///
/// With [`reflect_closely`] it is what `reflect` does, in two pieces: a caller
/// that is short of registers, as the kernel program is, makes a window of its
/// own for each, and keeps nothing of the first for the second.
#[inline(always)]
pub fn reflect_common<W>(window: &mut W, policy: &Policy) -> Option<Result<Kind, Reason>>
where
    W: Window + ?Sized,
{
    plain::reflect(window, policy)
}

/// Every case, without the short cut of [`reflect_common`].
///
/// # Errors
///
/// Why the frame is not answered.
#[inline(always)]
pub fn reflect_closely<W, L>(window: &mut W, policy: &Policy, limit: &mut L) -> Result<Kind, Reason>
where
    W: Window + ?Sized,
    L: Limit,
{
    let answer = inspect(window, policy)?;
    if !limit.admit(policy.rate_cap()) {
        return Err(Reason::RateCap);
    }
    // What was read can be written, or nothing is answered.
    turn_round(window, answer, policy).map(|()| answer.kind).ok_or(Reason::HeaderDepth)
}

/// Parses one Ethernet frame and decides, without touching it.
///
/// # Errors
///
/// Why a frame is not answered.
#[inline(always)]
pub fn inspect<W>(window: &W, policy: &Policy) -> Result<Answer, Reason>
where
    W: Window + ?Sized,
{
    match look(window, policy) {
        Ok(answer) => Ok(answer),
        Err(Refusal::Known(reason)) => Err(reason),
        // A header that lies in a later fragment, or further in than a window
        // looks, is not broken: the frame goes on for long enough.
        Err(Refusal::Absent { end, .. }) if end <= window.whole_len() => Err(Reason::HeaderDepth),
        Err(Refusal::Absent { cause, .. }) => Err(cause),
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
    let header = transport::inspect_header(window, policy, offset, end, network.carrier)?;
    // Asked while the header is at hand, told after the signature was found.
    let (carrier, at) = (network.carrier, link.network_offset);
    let is_named =
        policy.has_named_hosts() && network::is_sender_named(window, policy, carrier, at);
    let loop_risk =
        guard::inspect_loop_risk(policy, header.source_port(), is_named, Some(link.header));
    let refused = loop_risk.err().or(network.guard);
    let kind = transport::recognise(window, policy, offset, header.length(), network.carrier)?;
    if let Some(reason) = refused {
        return Err(reason.into());
    }
    if policy.has_own_addresses() && !network::is_for_host(window, policy, carrier, at) {
        return Err(Reason::DestinationNotOwn.into());
    }
    // The frame's end last: to find it may cost a call into the kernel.
    if end > window.len() && end > window.whole_len() {
        return Err(network.carrier.length_cause().into());
    }
    Ok(Answer {
        kind,
        carrier: network.carrier,
        network_offset: link.network_offset,
        transport_offset: offset,
    })
}

/// Exchanges what the mode says, and takes one from the hop limit. `None` if
/// octets that were read cannot be written.
#[inline(always)]
fn turn_round<W>(window: &mut W, answer: Answer, policy: &Policy) -> Option<()>
where
    W: Window + ?Sized,
{
    let mode = policy.mode();
    let is_falling = policy.hop_limit_fall() != 0;
    ethernet::swap_addresses(window.at_mut(0)?);
    if mode != Mode::Mac || is_falling {
        match answer.carrier {
            Carrier::Ipv4 => {
                let header = window.at_mut(answer.network_offset)?;
                if mode != Mode::Mac {
                    ipv4::swap_addresses(header);
                }
                if is_falling {
                    ipv4::lower_ttl(header);
                }
            }
            Carrier::Ipv6 => {
                let header = window.at_mut(answer.network_offset)?;
                if mode != Mode::Mac {
                    ipv6::swap_addresses(header);
                }
                if is_falling {
                    ipv6::lower_hop_limit(header);
                }
            }
            Carrier::Socket => {}
        }
    }
    if mode == Mode::All {
        udp::swap_ports(window.at_mut(answer.transport_offset)?);
    }
    Some(())
}
