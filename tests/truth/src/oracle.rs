//! A slow reflector that reads like the RFCs.
//!
//! It allocates freely, copies every field it looks at, knows every header's
//! offsets by itself, and takes the checks in the order that the core's
//! `reflect` documents: link addresses, tags, OUI, VLAN id, type, protocol, port,
//! UDP length, signature, loop risk, TTL, addresses, header checksum, the
//! frame's end. The first check that fails gives the verdict.

pub mod checksum;
mod guard;
mod link;
mod network;
mod transport;

use std::net::SocketAddr;

use farend_core::{Guards, Kind, Mode, Reason, Verdict};

pub use self::network::Packet;
use self::transport::Datagram;
use crate::options::PolicyOptions;

/// What came out of one reflector for one frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What it decided.
    pub verdict: Verdict,
    /// The frame afterwards.
    pub octets: Vec<u8>,
}

/// A frame that is to be answered, taken apart.
#[derive(Clone, Debug)]
pub struct Dissection {
    /// By what it was recognised.
    pub kind: Kind,
    /// The IP packet.
    pub packet: Packet,
    /// Octets of UDP header and payload.
    pub udp_length: usize,
}

/// Highest offset at which a reflector reads; later headers are out of sight.
const OFFSET_MAX: usize = 511;

/// Decides about a frame and writes its answer.
#[must_use]
pub fn reflect(frame: &[u8], options: &PolicyOptions) -> Outcome {
    let verdict = match dissect(frame, options) {
        Ok(dissection) if has_permit(options) => {
            let octets = answer(frame, &dissection.packet, options);
            return Outcome { verdict: Verdict::Reflect(dissection.kind), octets };
        }
        Ok(_) => Verdict::Refuse(Reason::RateCap),
        Err(verdict) => verdict,
    };
    Outcome { verdict, octets: frame.to_vec() }
}

/// Takes a frame apart, as far as the checks let it through. The rate cap is
/// not asked.
///
/// # Errors
///
/// The verdict of the first check that failed.
pub fn dissect(frame: &[u8], options: &PolicyOptions) -> Result<Dissection, Verdict> {
    let ethernet = link::Ethernet::parse(frame)?;
    link::check(&ethernet, options)?;
    let tagged = link::Tagged::parse(frame, &ethernet)?;
    link::check_oui(&ethernet, options)?;
    link::check_vlan(&tagged, options)?;
    let packet = match tagged.ether_type {
        0x0800 => Packet::parse_ipv4(frame, tagged.network_offset)?,
        0x86dd => Packet::parse_ipv6(frame, tagged.network_offset)?,
        _ => return Err(Verdict::Refuse(Reason::EtherType)),
    };
    let datagram = Datagram::parse(frame, &packet)?;
    transport::check_port(&datagram, options)?;
    let kind = transport::recognise(frame, &packet, &datagram, options)?;
    let is_tester = link::is_tester(&ethernet, options);
    guard::check_loop_risk(datagram.source_port, is_tester, packet.source, options)?;
    guard::check_hop_limit(&packet, options)?;
    guard::check_addresses(packet.source, packet.destination, options)?;
    guard::check_header_checksum(frame, &packet, options)?;
    guard::check_source_route(frame, &packet)?;
    guard::check_own(packet.destination, options)?;
    packet.check_end(frame)?;
    Ok(Dissection { kind, packet, udp_length: datagram.length })
}

/// Decides about a datagram that a socket received.
pub fn reflect_datagram(
    payload: &[u8],
    source: SocketAddr,
    destination: SocketAddr,
    hop_limit: Option<u8>,
    options: &PolicyOptions,
) -> Verdict {
    let decide = || {
        let datagram = Datagram {
            source_port: source.port(),
            destination_port: destination.port(),
            length: payload.len() + 8,
        };
        transport::check_port(&datagram, options)?;
        if datagram.length > 0xffff {
            return Err(Verdict::Refuse(Reason::UdpLength));
        }
        let kind = transport::recognise_payload(payload, options)?;
        // A socket for both IP versions names IPv4 hosts ::ffff:a.b.c.d
        // (RFC 4291 section 2.5.5.2); they are IPv4 hosts all the same.
        let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
        guard::check_socket_addresses(from, to, options)?;
        guard::check_loop_risk(datagram.source_port, false, from, options)?;
        guard::check_own(to, options)?;
        let (source_port, port) = (datagram.source_port, datagram.destination_port);
        guard::check_socket_hop_limit(source_port, port, hop_limit, options)?;
        Ok(kind)
    };
    match decide() {
        Ok(kind) if has_permit(options) => Verdict::Reflect(kind),
        Ok(_) => Verdict::Refuse(Reason::RateCap),
        Err(verdict) => verdict,
    }
}

/// Ticks from the last permit that a bucket had to the frame in question.
pub const REFILL_TICKS: u64 = 1024;

/// Whether the rate cap lets a frame through [`REFILL_TICKS`] after the bucket
/// was emptied. Each tick brings permits, at least one of 2^30 for a frame.
#[must_use]
pub fn has_permit(options: &PolicyOptions) -> bool {
    let Some(rate) = options.rate else { return true };
    if rate.frames == 0 || rate.ticks == 0 {
        return true;
    }
    let permits_per_tick = u128::from(rate.frames) * (1 << 30) / u128::from(rate.ticks);
    permits_per_tick.max(1) * u128::from(REFILL_TICKS) >= 1 << 30
}

/// Puts the answer together from the pieces of the frame.
fn answer(frame: &[u8], packet: &Packet, options: &PolicyOptions) -> Vec<u8> {
    let mode = options.mode;
    let mut pieces = frame.to_vec();
    exchange(&mut pieces, 0, 6, 6);
    if options.has(Guards::HOP_LIMIT) {
        lower_hop_limit(&mut pieces, packet);
    }
    if mode == Mode::Mac {
        return pieces;
    }
    if packet.source.is_ipv4() {
        exchange(&mut pieces, packet.network_offset + 12, packet.network_offset + 16, 4);
    } else {
        exchange(&mut pieces, packet.network_offset + 8, packet.network_offset + 24, 16);
    }
    if mode == Mode::MacIp {
        return pieces;
    }
    exchange(&mut pieces, packet.transport_offset, packet.transport_offset + 2, 2);
    pieces
}

/// Takes one from the hop limit. The sum over an IPv4 header stays as it was:
/// the TTL's word is less by 0x0100, so the checksum's is more by that, in one's
/// complement (RFC 1624).
pub fn lower_hop_limit(frame: &mut [u8], packet: &Packet) {
    if packet.source.is_ipv6() {
        frame[packet.network_offset + 7] -= 1;
        return;
    }
    frame[packet.network_offset + 8] -= 1;
    let field = packet.network_offset + 10..packet.network_offset + 12;
    let before = u16::from_be_bytes([frame[field.start], frame[field.start + 1]]);
    // HC' = ~(~HC + ~m + m'), where ~m + m' is the complement of 0x0100.
    let sum = checksum::sum(&[(!before).to_be_bytes(), (!0x0100_u16).to_be_bytes()].concat());
    frame[field].copy_from_slice(&(!sum).to_be_bytes());
}

/// Exchanges the `count` octets at `one` with those at `other`.
fn exchange(octets: &mut [u8], one: usize, other: usize, count: usize) {
    for i in 0..count {
        octets.swap(one + i, other + i);
    }
}

/// Copies octets of a frame, or says why they cannot be had: because the frame
/// ends, or because they start too far in.
fn copy(frame: &[u8], offset: usize, count: usize, cause: Reason) -> Result<Vec<u8>, Verdict> {
    if frame.len() < offset + count {
        return Err(Verdict::Refuse(cause));
    }
    if offset > OFFSET_MAX {
        return Err(Verdict::Refuse(Reason::HeaderDepth));
    }
    Ok(frame[offset..offset + count].to_vec())
}

/// A big-endian number.
fn number(octets: &[u8]) -> usize {
    octets.iter().fold(0, |number, octet| number * 256 + usize::from(*octet))
}
