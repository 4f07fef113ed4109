//! What must never be answered.

use std::net::IpAddr;

use farend_core::{Guards, Mode, Reason, Verdict};

use super::{Packet, checksum};
use crate::options::{PolicyOptions, Prefix};

/// Services that answer whatever they are sent, from their own port. To answer
/// one of those is to begin a loop, whoever it is.
const SERVICES: [u16; 11] = [7, 13, 17, 19, 37, 53, 69, 123, 161, 862, 1900];

/// A frame from a service's port is refused to everybody. A frame from a port
/// that reflectors serve (ITO's, our own; with any port: all) could be another
/// reflector's answer. So could every frame if we do not exchange ports: then
/// answers keep the port they were asked on. On a port that systems give to
/// clients, so could a frame from any that they do not: a reflector that cannot
/// lower the hop limit sends its answers from there. These are answered to known
/// testers alone.
pub(super) fn check_loop_risk(
    source_port: u16,
    is_tester: bool,
    source: IpAddr,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    if !options.has(Guards::LOOP_RISK) {
        return Ok(());
    }
    let services = options.loop_ports.clone().unwrap_or_else(|| SERVICES.to_vec());
    let is_served = match options.port {
        Some(port) => {
            source_port == port || source_port == 3842 || port >= 32768 && source_port < 32768
        }
        None => true,
    };
    let could_be_answer = is_served || options.mode != Mode::All;
    let is_known = is_tester || is_named(source, options);
    if services.contains(&source_port) || could_be_answer && !is_known {
        return Err(Verdict::Refuse(Reason::LoopRisk));
    }
    Ok(())
}

/// Whether an allowed prefix holds this address and no other.
fn is_named(source: IpAddr, options: &PolicyOptions) -> bool {
    let all_bits = if source.is_ipv4() { 32 } else { 128 };
    options.allowed.iter().any(|prefix| prefix.address == source && prefix.bits == all_bits)
}

/// An answer has a hop limit less by one, and 0 must not be sent.
pub(super) fn check_hop_limit(packet: &Packet, options: &PolicyOptions) -> Result<(), Verdict> {
    if packet.hop_limit < 2 && options.has(Guards::HOP_LIMIT) {
        return Err(Verdict::Refuse(Reason::HopLimit));
    }
    Ok(())
}

/// A system that does not tell the hop limit cannot lower it either. Then only
/// ports that systems give to clients are answered, and only by a reflector
/// whose own port is no such one: of two reflectors, one refuses the other.
pub(super) fn check_socket_hop_limit(
    source_port: u16,
    destination_port: u16,
    hop_limit: Option<u8>,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    match hop_limit {
        _ if !options.has(Guards::HOP_LIMIT) => Ok(()),
        Some(0 | 1) => Err(Verdict::Refuse(Reason::HopLimit)),
        Some(_) => Ok(()),
        None if !options.has(Guards::LOOP_RISK) => Ok(()),
        None if source_port >= 32768 && destination_port < 32768 => Ok(()),
        None => Err(Verdict::Refuse(Reason::LoopRisk)),
    }
}

pub(super) fn check_addresses(
    source: IpAddr,
    destination: IpAddr,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    if is_invalid_host(source) {
        return Err(Verdict::Refuse(Reason::SourceAddress));
    }
    if is_invalid_host(destination) {
        return Err(Verdict::Refuse(Reason::DestinationAddress));
    }
    check_allowed(source, options)
}

/// On a socket, both ends may be this host's own if the guard is off.
pub(super) fn check_socket_addresses(
    source: IpAddr,
    destination: IpAddr,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    if source.is_loopback() && destination.is_loopback() && !options.has(Guards::LOOPBACK) {
        return check_allowed(source, options);
    }
    check_addresses(source, destination, options)
}

fn check_allowed(source: IpAddr, options: &PolicyOptions) -> Result<(), Verdict> {
    if !options.allowed.is_empty() && !options.allowed.iter().any(|prefix| holds(prefix, source)) {
        return Err(Verdict::Refuse(Reason::SourceNotAllowed));
    }
    Ok(())
}

/// Group, broadcast, unspecified or loopback. All of 0.0.0.0/8 names "this
/// network" (RFC 1122 section 3.2.1.3).
fn is_invalid_host(address: IpAddr) -> bool {
    let is_of_no_single_host = match address {
        IpAddr::V4(address) => address.is_broadcast() || address.octets()[0] == 0,
        IpAddr::V6(address) => address.is_unspecified(),
    };
    is_of_no_single_host || address.is_multicast() || address.is_loopback()
}

/// Compares the leading bits one by one.
fn holds(prefix: &Prefix, address: IpAddr) -> bool {
    let leading_bits = |address: IpAddr| -> Vec<u8> {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let bits = octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
        bits.take(usize::from(prefix.bits)).collect()
    };
    prefix.address.is_ipv4() == address.is_ipv4()
        && leading_bits(prefix.address) == leading_bits(address)
}

/// RFC 1071: the sum of the header's 16-bit words, carries added back in, is
/// all ones.
pub(super) fn check_header_checksum(
    frame: &[u8],
    packet: &Packet,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    if packet.source.is_ipv6() || !options.has(Guards::CHECKSUM) {
        return Ok(());
    }
    let header = &frame[packet.network_offset..packet.transport_offset];
    if checksum::sum(header) == 0xffff {
        return Ok(());
    }
    Err(Verdict::Refuse(Reason::Ipv4Checksum))
}

/// Numbers 131 and 137 are source routes (RFC 791 section 3.1). A packet is
/// refused if any octet of its options is one of them, be it in the data of
/// another option: who sends options at all to a reflector can do without.
pub(super) fn check_source_route(frame: &[u8], packet: &Packet) -> Result<(), Verdict> {
    let options = match packet.source {
        IpAddr::V4(_) => &frame[packet.network_offset + 20..packet.transport_offset],
        IpAddr::V6(_) => &[],
    };
    if options.contains(&131) || options.contains(&137) {
        return Err(Verdict::Refuse(Reason::SourceRoute));
    }
    Ok(())
}

/// A router's transit packets are not for the host.
pub(super) fn check_own(destination: IpAddr, options: &PolicyOptions) -> Result<(), Verdict> {
    if !options.own_addresses.is_empty() && !options.own_addresses.contains(&destination) {
        return Err(Verdict::Refuse(Reason::DestinationNotOwn));
    }
    Ok(())
}
