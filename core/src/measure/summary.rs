//! What a person wants to see of a frame: addresses, tags, ports.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    MacAddress, Window,
    frame::wire::{
        ethernet::{self, EtherType},
        ip_protocol::IpProtocol,
        ipv4, ipv6, udp, vlan,
    },
};

/// A frame at a glance. Nothing is judged: what cannot be read is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Sender on the link.
    pub source_mac: MacAddress,
    /// Receiver on the link.
    pub destination_mac: MacAddress,
    /// VLAN ids of up to two tags, the outer one first.
    pub vlan_ids: [Option<u16>; vlan::TAGS_MAX],
    /// What follows the tags.
    pub ether_type: EtherType,
    /// Of the packet, if it is IP.
    pub network: Option<Network>,
}

/// An IP packet at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// IP protocol, or the first next header.
    pub protocol: u8,
    /// UDP source and destination port, if the UDP header is there, right
    /// behind the IP header.
    pub ports: Option<(u16, u16)>,
}

impl Summary {
    /// Reads it from an Ethernet frame; `None` if not even its header is whole.
    pub fn read<W: Window + ?Sized>(window: &W) -> Option<Self> {
        let header = ethernet::Header(window.at::<{ ethernet::HEADER_OCTETS }>(0)?);
        let mut summary = Self {
            source_mac: header.source_mac(),
            destination_mac: header.destination_mac(),
            vlan_ids: [None; vlan::TAGS_MAX],
            ether_type: header.ether_type(),
            network: None,
        };
        let mut offset = ethernet::HEADER_OCTETS;
        for vlan_id in &mut summary.vlan_ids {
            if !summary.ether_type.is_tag() {
                break;
            }
            let Some(tag) = window.at::<{ vlan::TAG_OCTETS }>(offset) else { return Some(summary) };
            *vlan_id = Some(vlan::vid(*tag));
            summary.ether_type = EtherType::parse([tag[2], tag[3]]);
            offset = offset.wrapping_add(vlan::TAG_OCTETS);
        }
        summary.network = match summary.ether_type {
            EtherType::IPV4 => read_ipv4(window, offset),
            EtherType::IPV6 => read_ipv6(window, offset),
            _ => None,
        };
        Some(summary)
    }
}

fn read_ipv4<W: Window + ?Sized>(window: &W, offset: usize) -> Option<Network> {
    let header = ipv4::Header(window.at::<{ ipv4::HEADER_OCTETS }>(offset)?);
    let udp_offset = offset.wrapping_add(header.ihl_words().wrapping_mul(4));
    Some(Network {
        source: IpAddr::V4(Ipv4Addr::from(header.source().octets())),
        destination: IpAddr::V4(Ipv4Addr::from(header.destination().octets())),
        protocol: header.protocol(),
        ports: if header.is_whole_udp() { read_ports(window, udp_offset) } else { None },
    })
}

fn read_ipv6<W: Window + ?Sized>(window: &W, offset: usize) -> Option<Network> {
    let header = ipv6::Header(window.at::<{ ipv6::HEADER_OCTETS }>(offset)?);
    let is_udp = header.next_header() == IpProtocol::UDP;
    let udp_offset = offset.wrapping_add(ipv6::HEADER_OCTETS);
    Some(Network {
        source: IpAddr::V6(Ipv6Addr::from(header.source().octets())),
        destination: IpAddr::V6(Ipv6Addr::from(header.destination().octets())),
        protocol: header.next_header(),
        ports: if is_udp { read_ports(window, udp_offset) } else { None },
    })
}

fn read_ports<W: Window + ?Sized>(window: &W, offset: usize) -> Option<(u16, u16)> {
    let header = udp::Header(window.at::<{ udp::HEADER_OCTETS }>(offset)?);
    Some((header.source_port(), header.destination_port()))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::measure::testers::Sender;

    fn frame(tags: &[[u8; 4]], ether_type: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7];
        frame.extend(tags.iter().flatten());
        frame.extend(ether_type.to_be_bytes());
        frame.extend(packet);
        frame
    }

    fn ipv4(ihl_words: u8, flags_and_offset: [u8; 2]) -> Vec<u8> {
        let [flags, offset] = flags_and_offset;
        let mut packet = std::vec![0x40 | ihl_words, 0, 0, 0, 0, 0, flags, offset, 64, 17, 0, 0];
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.resize(usize::from(ihl_words) * 4, 0);
        packet.extend([0xc3, 0x50, 0x0f, 0x02, 0, 8, 0, 0]);
        packet
    }

    #[test]
    fn all_of_a_tagged_datagram_is_seen() {
        let tags = [[0x88, 0xa8, 0, 100], [0x81, 0, 0, 200]];
        for ihl_words in [5, 7, 15] {
            let frame = frame(&tags, 0x0800, &ipv4(ihl_words, [0x40, 0]));
            let summary = Summary::read(&frame[..]).unwrap();
            assert_eq!(summary.vlan_ids, [Some(100), Some(200)]);
            assert_eq!(summary.source_mac.0, [2, 0, 0, 0, 0, 7]);
            let network = summary.network.unwrap();
            assert_eq!(network.source, IpAddr::from([192, 0, 2, 1]));
            assert_eq!(network.destination, IpAddr::from([192, 0, 2, 2]));
            assert_eq!(network.ports, Some((50_000, 3_842)));
        }
    }

    #[test]
    fn a_later_fragment_has_no_ports() {
        let frame = frame(&[], 0x0800, &ipv4(5, [0, 1]));
        assert_eq!(Summary::read(&frame[..]).unwrap().network.unwrap().ports, None);
    }

    #[test]
    fn ipv6_ports_stand_behind_its_header() {
        let mut packet = std::vec![0x60, 0, 0, 0, 0, 8, 17, 64];
        packet.extend([0xfd; 32]);
        packet.extend([0, 7, 0, 9, 0, 8, 0, 0]);
        let summary = Summary::read(&frame(&[], 0x86dd, &packet)[..]).unwrap();
        assert_eq!(summary.network.unwrap().ports, Some((7, 9)));
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        let whole = frame(&[[0x81, 0, 0, 5]], 0x0800, &ipv4(5, [0, 0]));
        for octets in 0..whole.len() {
            let summary = Summary::read(&whole[..octets]);
            assert_eq!(summary.is_some(), octets >= 14);
            let Some(summary) = summary else { continue };
            assert_eq!(summary.vlan_ids[0].is_some(), octets >= 18);
            assert_eq!(summary.network.is_some(), octets >= 38);
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_sender_on_any_octets(
            octets in prop::collection::vec(any::<u8>(), 0..80),
            ether_type in prop::sample::select(std::vec![0x0800_u16, 0x86dd, 0x8100, 0x88a8, 0]),
        ) {
            let frame = frame(&[], ether_type, &octets);
            let address = Summary::read(&frame[..]).and_then(|summary| summary.network);
            let address = address.map(|network| network.source);
            prop_assert_eq!(address, Sender::read(&frame[..]).map(|sender| sender.address));
        }
    }
}
