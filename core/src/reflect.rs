//! Looks at a frame, decides, and turns it round in place.
//!
//! Checks go in the order of how much foreign traffic they turn away for how
//! little work: addresses of the link, type, protocol, port, lengths,
//! signature; only what is test traffic by all of these is looked at for the
//! costly guards. A frame has one verdict: that of the first check it fails.
//!
//! Looking ([`inspect`]) and turning round are apart, so a frame that is not
//! answered is not touched, not one bit.

pub mod caller;
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
    Caller, Kind, Mode, Policy, Reason, Verdict, Window, WindowMut,
    frame::wire::{
        ethernet::{self, EtherType, MacBits},
        ipv4, ipv6, udp,
    },
};

/// Why a frame is not answered, before it is known whether octets that could
/// not be read are missing or only out of sight.
#[derive(Clone, Copy)]
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
/// it round twice restores it but for the hop limit. `caller` is asked last, and only about frames that
/// would be answered.
#[inline(always)]
pub fn reflect<W, C>(window: &mut W, policy: &Policy, caller: &mut C) -> Verdict
where
    W: WindowMut + ?Sized,
    C: Caller,
{
    match plain::reflect(window, policy) {
        Some(Ok(kind)) => Verdict::Reflect(kind),
        Some(Err(reason)) => Verdict::Refuse(reason),
        None => reflect_after_a_close_look(window, policy, caller),
    }
}

#[inline(never)]
fn reflect_after_a_close_look<W, C>(window: &mut W, policy: &Policy, caller: &mut C) -> Verdict
where
    W: WindowMut + ?Sized,
    C: Caller,
{
    match reflect_closely(window, policy, caller) {
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
    W: WindowMut + ?Sized,
{
    plain::reflect(window, policy)
}

/// As [`reflect`], for an IP packet that no Ethernet header precedes: what a
/// tunnel or a system's packet filter hands over.
///
/// What only an Ethernet header shows (addresses, OUI, tags) is not asked. A
/// packet has no MAC addresses to exchange, so with the mode `mac` it is turned
/// round as with `mac-ip`. Offsets count from the IP header.
#[inline(never)]
pub fn reflect_packet<W, C>(window: &mut W, policy: &Policy, caller: &mut C) -> Verdict
where
    W: WindowMut + ?Sized,
    C: Caller,
{
    let answer = match look_at_packet(window, policy) {
        Ok(answer) => answer,
        Err(refusal) => return Verdict::Refuse(settled(window, refusal)),
    };
    if !caller.admit(policy.rate_cap()) {
        return Verdict::Refuse(Reason::RateCap);
    }
    let mode = if policy.mode() == Mode::All { Mode::All } else { Mode::MacIp };
    match turn_packet_round(window, answer, policy, mode) {
        Some(()) => Verdict::Reflect(answer.kind),
        None => Verdict::Refuse(Reason::HeaderDepth),
    }
}

/// Every case, without the short cut of [`reflect_common`].
///
/// # Errors
///
/// Why the frame is not answered.
#[inline(always)]
pub fn reflect_closely<W, C>(
    window: &mut W,
    policy: &Policy,
    caller: &mut C,
) -> Result<Kind, Reason>
where
    W: WindowMut + ?Sized,
    C: Caller,
{
    let link = match link::inspect(window, policy) {
        Ok(link) => link,
        Err(refusal) => return Err(settled(window, refusal)),
    };
    let (ether_type, at, source) = (link.ether_type, link.network_offset, link.header.source());
    if let Some(verdict) = plain::reflect_packet(window, policy, ether_type, at) {
        return verdict;
    }
    let answer = look_behind_link(window, policy, ether_type, at, Some(source))
        .map_err(|refusal| settled(window, refusal))?;
    if !caller.admit(policy.rate_cap()) {
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
    look(window, policy).map_err(|refusal| settled(window, refusal))
}

/// What a refusal comes to, now that it can be asked whether octets out of sight
/// are missing.
#[inline(always)]
fn settled<W>(window: &W, refusal: Refusal) -> Reason
where
    W: Window + ?Sized,
{
    match refusal {
        Refusal::Known(reason) => reason,
        // A header that lies in a later fragment, or further in than a window
        // looks, is not broken: the frame goes on for long enough.
        Refusal::Absent { end, .. } if end <= window.whole_len() => Reason::HeaderDepth,
        Refusal::Absent { cause, .. } => cause,
    }
}

#[inline(always)]
fn look<W>(window: &W, policy: &Policy) -> Result<Answer, Refusal>
where
    W: Window + ?Sized,
{
    let link = link::inspect(window, policy)?;
    let source = link.header.source();
    look_behind_link(window, policy, link.ether_type, link.network_offset, Some(source))
}

#[inline(always)]
fn look_at_packet<W>(window: &W, policy: &Policy) -> Result<Answer, Refusal>
where
    W: Window + ?Sized,
{
    let first = octets_at!(window, 1, 0, Reason::Ipv4Truncated);
    let ether_type = match first[0] >> 4 {
        4 => EtherType::IPV4,
        6 => EtherType::IPV6,
        _ => return Err(Reason::EtherType.into()),
    };
    look_behind_link(window, policy, ether_type, 0, None)
}

/// Looks at the packet `at` octets into the frame, which a MAC address sent if it
/// is a frame of Ethernet.
#[inline(always)]
fn look_behind_link<W>(
    window: &W,
    policy: &Policy,
    ether_type: EtherType,
    at: usize,
    source: Option<MacBits>,
) -> Result<Answer, Refusal>
where
    W: Window + ?Sized,
{
    let network = match ether_type {
        EtherType::IPV4 => network::inspect_ipv4(window, policy, at)?,
        EtherType::IPV6 => network::inspect_ipv6(window, policy, at)?,
        _ => return Err(Reason::EtherType.into()),
    };
    let (offset, end) = (network.transport_offset, network.end);
    let header = transport::inspect_header(window, policy, offset, end, network.carrier)?;
    // Asked while the header is at hand, told after the signature was found.
    let carrier = network.carrier;
    let is_named = network.is_sender_named;
    let loop_risk = guard::inspect_loop_risk(policy, header.source_port(), is_named, source);
    let refused = loop_risk.err().or(network.guard);
    let kind = transport::recognise(window, policy, offset, header.length(), network.carrier)?;
    if let Some(reason) = refused {
        return Err(reason.into());
    }
    // The frame's end last: to find it may cost a call into the kernel.
    if end > window.len() && end > window.whole_len() {
        return Err(network.carrier.length_cause().into());
    }
    Ok(Answer { kind, carrier, network_offset: at, transport_offset: offset })
}

/// Exchanges what the mode says, and takes one from the hop limit. `None` if
/// octets that were read cannot be written.
#[inline(always)]
fn turn_round<W>(window: &mut W, answer: Answer, policy: &Policy) -> Option<()>
where
    W: WindowMut + ?Sized,
{
    ethernet::swap_addresses(window.at_mut(0)?);
    turn_packet_round(window, answer, policy, policy.mode())
}

/// As [`turn_round`], behind the Ethernet header.
#[inline(always)]
fn turn_packet_round<W>(window: &mut W, answer: Answer, policy: &Policy, mode: Mode) -> Option<()>
where
    W: WindowMut + ?Sized,
{
    let is_falling = policy.hop_limit_fall() != 0;
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
