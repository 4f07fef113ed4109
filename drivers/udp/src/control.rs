//! Control messages: to which of our addresses a datagram was sent and with
//! which hop limit it came, and what its answer leaves from and with.
//!
//! Linux: ip(7) `IP_PKTINFO`, ipv6(7) `IPV6_PKTINFO`. Darwin has both with the
//! same meaning (RFC 3542 section 6.1 for IPv6), but leaves `ipi_spec_dst`
//! empty.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    burst::{CONTROL_OCTETS, Control},
    sys,
};

/// Octets to which a control message and its data are aligned.
const ALIGNMENT_OCTETS: usize = if cfg!(target_vendor = "apple") { 4 } else { size_of::<usize>() };

/// Octets before a control message's data.
const HEADER_OCTETS: usize = align(size_of::<libc::cmsghdr>());

const fn align(octets: usize) -> usize {
    octets.next_multiple_of(ALIGNMENT_OCTETS)
}

const _: () = assert!(
    2 * HEADER_OCTETS + align(size_of::<libc::in6_pktinfo>()) + align(size_of::<i32>())
        <= CONTROL_OCTETS
);

/// Where a datagram was sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Destination {
    /// What its header says, except that the broadcast address of a subnet,
    /// which the core cannot know for one, is given as 255.255.255.255.
    pub(crate) address: IpAddr,
    /// Our own address to answer from; unspecified if it was sent to a group.
    pub(crate) local: IpAddr,
    /// TTL or hop limit that it came with, where the system tells it.
    pub(crate) hop_limit: Option<u8>,
}

/// Finds the destination among control messages.
pub(crate) fn parse(control: &[u8]) -> Option<Destination> {
    let mut rest = control;
    let mut found = None;
    #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "only Linux tells it"))]
    let mut hop_limit = None;
    while let Some(header) = sys::read::<libc::cmsghdr>(rest) {
        #[allow(clippy::useless_conversion, reason = "it is another integer on other systems")]
        let octets = usize::try_from(header.cmsg_len).unwrap_or(usize::MAX);
        // A length that does not fit ends the search.
        let Some(data) = rest.get(HEADER_OCTETS..octets) else { break };
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => found = Some(parse_ipv4(data)?),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => found = Some(parse_ipv6(data)?),
            #[cfg(target_os = "linux")]
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                hop_limit = sys::read::<i32>(data).and_then(|limit| u8::try_from(limit).ok());
            }
            _ => {}
        }
        // The length was at least a header's, so this ends.
        rest = rest.get(align(octets)..).unwrap_or_default();
    }
    found.map(|destination| Destination { hop_limit, ..destination })
}

fn parse_ipv4(data: &[u8]) -> Option<Destination> {
    let info: libc::in_pktinfo = sys::read(data)?;
    let address = Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes());
    let local = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
    let (address, local) = if address.is_multicast() {
        (address, local)
    } else if local.is_unspecified() {
        (address, address)
    } else if local != address {
        (Ipv4Addr::BROADCAST, local)
    } else {
        (address, local)
    };
    Some(Destination { address: address.into(), local: local.into(), hop_limit: None })
}

fn parse_ipv6(data: &[u8]) -> Option<Destination> {
    let info: libc::in6_pktinfo = sys::read(data)?;
    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
    let local = if address.is_multicast() { Ipv6Addr::UNSPECIFIED } else { address };
    Some(Destination { address: address.into(), local: local.into(), hop_limit: None })
}

/// Writes the messages that make an answer leave from `local`, with this hop
/// limit if one is given and the system takes it; says how many octets they take. Through which interface is left to the routes.
pub(crate) fn write_source(control: &mut Control, local: IpAddr, hop_limit: Option<u8>) -> u8 {
    *control = Control([0; CONTROL_OCTETS]);
    let room = &mut control.0[..];
    let written = match local {
        IpAddr::V4(local) => {
            let s_addr = u32::from_ne_bytes(local.octets());
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_message(room, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(local) => {
            let ipi6_addr = libc::in6_addr { s6_addr: local.octets() };
            let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
            write_message(room, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    };
    #[cfg(target_os = "linux")]
    let written = match (written, hop_limit) {
        (Some(octets), Some(limit @ 1..)) => {
            let (level, kind) = match local {
                IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TTL),
                IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT),
            };
            let rest = room.get_mut(octets..).unwrap_or_default();
            write_message(rest, level, kind, i32::from(limit)).map(|more| octets + more)
        }
        (written, _) => written,
    };
    #[cfg(not(target_os = "linux"))]
    let _ = hop_limit;
    written.and_then(|octets| u8::try_from(octets).ok()).unwrap_or(0)
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(clippy::cast_possible_truncation, reason = "lengths of control data are 32 bits here")
)]
fn write_message<T: sys::Plain>(
    control: &mut [u8],
    level: i32,
    kind: i32,
    data: T,
) -> Option<usize> {
    // Read from the zeros there: musl's structure cannot be written as a
    // literal.
    let mut header: libc::cmsghdr = sys::read(control)?;
    header.cmsg_len = (HEADER_OCTETS + size_of::<T>()) as _;
    header.cmsg_level = level;
    header.cmsg_type = kind;
    sys::write(control, header)?;
    sys::write(control.get_mut(HEADER_OCTETS..)?, data)?;
    Some(HEADER_OCTETS + align(size_of::<T>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(address: [u8; 4], local: [u8; 4]) -> Option<Destination> {
        let mut control = Control([0; CONTROL_OCTETS]);
        let info = libc::in_pktinfo {
            ipi_ifindex: 1,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(local) },
            ipi_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address) },
        };
        write_message(&mut control.0, libc::IPPROTO_IP, libc::IP_PKTINFO, info)?;
        parse(&control.0)
    }

    fn destination(address: &str, local: &str) -> Option<Destination> {
        let (address, local) = (address.parse().ok()?, local.parse().ok()?);
        Some(Destination { address, local, hop_limit: None })
    }

    #[test]
    fn a_unicast_destination_is_where_the_answer_leaves_from() {
        let own = [192, 0, 2, 7];
        assert_eq!(received(own, own), destination("192.0.2.7", "192.0.2.7"));
        assert_eq!(received(own, [0; 4]), destination("192.0.2.7", "192.0.2.7"));
    }

    #[test]
    fn a_subnet_broadcast_is_told_as_the_limited_one() {
        let found = received([192, 0, 2, 255], [192, 0, 2, 7]);
        assert_eq!(found, destination("255.255.255.255", "192.0.2.7"));
        let found = received([224, 0, 0, 1], [192, 0, 2, 7]);
        assert_eq!(found, destination("224.0.0.1", "192.0.2.7"));
    }

    #[test]
    fn a_source_is_written_as_it_is_read_back() {
        let mut control = Control([0xff; CONTROL_OCTETS]);
        let local: IpAddr = "2001:db8::1".parse().unwrap();
        for hop_limit in [None, Some(1), Some(63)] {
            let octets = write_source(&mut control, local, hop_limit);
            let wanted = if hop_limit.is_some() { 64 } else { 40 };
            assert_eq!(octets, if cfg!(target_os = "linux") { wanted } else { octets });
            let found = parse(&control.0[..usize::from(octets)]);
            let hop_limit = hop_limit.filter(|_| cfg!(target_os = "linux"));
            assert_eq!(found, Some(Destination { address: local, local, hop_limit }));
        }
    }

    #[test]
    fn another_message_before_it_is_stepped_over() {
        let mut control = Control([0; CONTROL_OCTETS]);
        let octets = write_message(&mut control.0, libc::SOL_SOCKET, 0, 5).unwrap();
        let mut second = Control([0; CONTROL_OCTETS]);
        let local = "192.0.2.7".parse().unwrap();
        write_source(&mut second, local, None);
        control.0[octets..].copy_from_slice(&second.0[..CONTROL_OCTETS - octets]);
        // A sender's message has no header destination, only a source.
        assert_eq!(parse(&control.0), destination("255.255.255.255", "192.0.2.7"));
    }

    #[cfg_attr(
        not(target_os = "linux"),
        expect(
            clippy::cast_possible_truncation,
            reason = "lengths of control data are 32 bits here"
        )
    )]
    #[test]
    fn lengths_that_do_not_fit_end_the_search() {
        for length in [0, 1, HEADER_OCTETS - 1, 65, usize::MAX] {
            let mut control = Control([0; CONTROL_OCTETS]);
            write_message(&mut control.0, libc::SOL_SOCKET, 0, 5).unwrap();
            let mut header: libc::cmsghdr = sys::read(&control.0).unwrap();
            header.cmsg_len = length as _;
            sys::write(&mut control.0, header).unwrap();
            assert_eq!(parse(&control.0), None);
        }
        assert_eq!(parse(&[]), None);
    }
}
