//! What must never be answered.

use std::net::IpAddr;

use farend_core::{Guards, Mode, Reason, Verdict};

use super::{Packet, checksum};
use crate::options::{PolicyOptions, Prefix};

/// A frame from a port that reflectors serve (echo, STAMP, ITO, our own; with
/// any port: all) could be another reflector's answer. So could every frame if
/// we do not exchange ports: then answers keep the port they were asked on.
pub(super) fn check_loop_risk(
    source_port: u16,
    is_tester: bool,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    let is_served = match options.port {
        Some(port) => [7, 862, 3842, port].contains(&source_port),
        None => true,
    };
    let is_known = is_tester || !options.allowed.is_empty();
    let could_be_answer = is_served || options.mode != Mode::All;
    if could_be_answer && !is_known && options.has(Guards::LOOP_RISK) {
        return Err(Verdict::Refuse(Reason::LoopRisk));
    }
    Ok(())
}

pub(super) fn check_hop_limit(packet: &Packet, options: &PolicyOptions) -> Result<(), Verdict> {
    if packet.hop_limit == 0 && options.has(Guards::HOP_LIMIT) {
        return Err(Verdict::Refuse(Reason::HopLimit));
    }
    Ok(())
}

pub(super) fn check_addresses(
    source: IpAddr,
    destination: IpAddr,
    options: &PolicyOptions,
) -> Result<(), Verdict> {
    if is_no_host(source) {
        return Err(Verdict::Refuse(Reason::SourceAddress));
    }
    if is_no_host(destination) {
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
fn is_no_host(address: IpAddr) -> bool {
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
