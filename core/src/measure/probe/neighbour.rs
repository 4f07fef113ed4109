//! Asking for a station's MAC address: ARP (RFC 826) and neighbour discovery
//! (RFC 4861).

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Addresses, Headers, Tags, received::parse_tags};
use crate::frame::wire::{
    arp,
    ethernet::{self, EtherType, MacAddress},
    ip_protocol::IpProtocol,
    ipv6, ndp,
};

/// Who asks for whose address, on which VLAN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// The asking station.
    pub source_mac: MacAddress,
    /// VLAN tags.
    pub tags: Tags,
    /// The asking station's address, and the one that is looked for.
    pub addresses: Addresses,
}

impl Question {
    /// Octets of the longest question: two tags, IPv6.
    pub const OCTETS_MAX: usize =
        ethernet::HEADER_OCTETS + 8 + ipv6::HEADER_OCTETS + ndp::SOLICITATION_OCTETS;

    /// Writes the question as a frame without FCS, and returns its octets.
    /// Shorter than Ethernet's least frame: whoever sends pads.
    pub fn write(&self, frame: &mut [u8; Self::OCTETS_MAX]) -> usize {
        // The buffer has room for the longest, so nothing is ever missing.
        self.try_write(frame).unwrap_or(0)
    }

    /// The MAC address that a frame answers with; `None` if it is no answer to
    /// this question.
    #[must_use]
    pub fn parse_answer(&self, frame: &[u8]) -> Option<MacAddress> {
        let (header, rest) = frame.split_first_chunk::<{ ethernet::HEADER_OCTETS }>()?;
        let header = ethernet::Header(header);
        let (_, ether_type, packet) = parse_tags(None, header.ether_type(), rest)?;
        let answer = match (self.addresses, ether_type) {
            (Addresses::V4 { destination, .. }, EtherType::ARP) => {
                let message = packet.first_chunk::<{ arp::MESSAGE_OCTETS }>()?;
                arp::parse_answer(message, destination)?
            }
            (Addresses::V6 { destination, .. }, EtherType::IPV6) => {
                let (octets, rest) = packet.split_first_chunk::<{ ipv6::HEADER_OCTETS }>()?;
                let packet_header = ipv6::Header(octets);
                //= RFC 4861 7.1.2: the hop limit is 255, so no router forwarded it.
                if packet_header.next_header() != IpProtocol::ICMPV6
                    || packet_header.hop_limit() != ndp::HOP_LIMIT
                {
                    return None;
                }
                let message = rest.get(..packet_header.payload_length())?;
                ndp::parse_advertisement(message, destination, header.source_mac())?
            }
            _ => return None,
        };
        (!answer.is_group()).then_some(answer)
    }

    fn try_write(&self, frame: &mut [u8]) -> Option<usize> {
        match self.addresses {
            Addresses::V4 { source, destination } => self.write_arp(frame, source, destination),
            Addresses::V6 { source, destination } => {
                self.write_solicitation(frame, source, destination)
            }
        }
    }

    fn write_arp(&self, frame: &mut [u8], source: Ipv4Addr, target: Ipv4Addr) -> Option<usize> {
        let headers = self.headers(MacAddress::BROADCAST, self.addresses);
        headers.write_link(frame, EtherType::ARP)?;
        let message = frame.get_mut(headers.network_offset()..)?.first_chunk_mut()?;
        *message = arp::request(self.source_mac, source, target);
        Some(headers.network_offset() + arp::MESSAGE_OCTETS)
    }

    fn write_solicitation(
        &self,
        frame: &mut [u8],
        source: Ipv6Addr,
        target: Ipv6Addr,
    ) -> Option<usize> {
        let group = ndp::solicited_node(target);
        let addresses = Addresses::V6 { source, destination: group };
        let headers = self.headers(ndp::group_mac(group), addresses);
        headers.write_link(frame, EtherType::IPV6)?;
        let packet = frame.get_mut(headers.network_offset()..)?;
        let (header, rest) = packet.split_first_chunk_mut::<{ ipv6::HEADER_OCTETS }>()?;
        ipv6::write(
            header,
            &ipv6::Fields {
                traffic_class: 0,
                payload_length: ndp::SOLICITATION_LENGTH,
                next_header: IpProtocol::ICMPV6,
                hop_limit: ndp::HOP_LIMIT,
                source: source.octets(),
                destination: group.octets(),
            },
        );
        let message = rest.first_chunk_mut::<{ ndp::SOLICITATION_OCTETS }>()?;
        *message = ndp::solicitation(target, self.source_mac);
        let sum = addresses
            .pseudo_header(IpProtocol::ICMPV6, ndp::SOLICITATION_LENGTH.into())
            .add_octets(message);
        ndp::set_checksum(message, sum.checksum());
        Some(headers.network_offset() + ipv6::HEADER_OCTETS + ndp::SOLICITATION_OCTETS)
    }

    /// Only for the link header.
    fn headers(&self, destination_mac: MacAddress, addresses: Addresses) -> Headers {
        Headers {
            destination_mac,
            source_mac: self.source_mac,
            tags: self.tags,
            addresses,
            source_port: 0,
            destination_port: 0,
            dscp: 0,
            hop_limit: ndp::HOP_LIMIT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const THEIRS: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

    fn arp_question(tags: Tags) -> Question {
        let addresses = Addresses::V4 {
            source: Ipv4Addr::new(198, 18, 0, 1),
            destination: Ipv4Addr::new(198, 18, 0, 2),
        };
        Question { source_mac: OURS, tags, addresses }
    }

    #[test]
    fn an_arp_request_is_the_textbook_s() {
        let mut frame = [0; Question::OCTETS_MAX];
        assert_eq!(arp_question(Tags::NONE).write(&mut frame), 42);
        assert_eq!(
            frame[..42],
            [
                255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, // Ethernet
                0, 1, 8, 0, 6, 4, 0, 1, // Ethernet, IPv4, request
                2, 0, 0, 0, 0, 1, 198, 18, 0, 1, // sender
                0, 0, 0, 0, 0, 0, 198, 18, 0, 2, // target
            ]
        );
    }

    #[test]
    fn only_the_answer_of_the_one_asked_counts() {
        let question = arp_question(Tags::one(5));
        let mut frame = [0; Question::OCTETS_MAX];
        let octets = question.write(&mut frame);
        assert_eq!(octets, 46);
        assert_eq!(question.parse_answer(&frame[..octets]), None, "a request is no answer");
        let answer = arp::reply(THEIRS, Ipv4Addr::new(198, 18, 0, 2), OURS, [198, 18, 0, 1]);
        frame[18..46].copy_from_slice(&answer);
        assert_eq!(question.parse_answer(&frame), Some(THEIRS));
        let other = arp::reply(THEIRS, Ipv4Addr::new(198, 18, 0, 3), OURS, [198, 18, 0, 1]);
        frame[18..46].copy_from_slice(&other);
        assert_eq!(question.parse_answer(&frame), None);
        for octets in 0..46 {
            assert_eq!(question.parse_answer(&frame[..octets]), None);
        }
    }

    #[test]
    fn a_solicitation_goes_to_the_solicited_node_group_with_a_sound_checksum() {
        let (source, target): (Ipv6Addr, Ipv6Addr) =
            ("fe80::1".parse().unwrap(), "2001:2::12:3456".parse().unwrap());
        let addresses = Addresses::V6 { source, destination: target };
        let question = Question { source_mac: OURS, tags: Tags::NONE, addresses };
        let mut frame = [0; Question::OCTETS_MAX];
        let octets = question.write(&mut frame);
        assert_eq!(octets, 86);
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().unwrap();
        assert_eq!(frame[38..54], group.octets());
        let sum = Addresses::V6 { source, destination: group }
            .pseudo_header(IpProtocol::ICMPV6, 32)
            .add_octets(&frame[54..86]);
        assert!(sum.is_sound_at_any_length());
        assert_eq!(question.parse_answer(&frame[..octets]), None);
        // Made into the answer: type 136, from the target, its own address.
        frame[54] = 136;
        frame[80..86].copy_from_slice(&THEIRS.0);
        frame[78] = 2;
        assert_eq!(question.parse_answer(&frame[..octets]), Some(THEIRS));
        frame[21] = 64;
        assert_eq!(question.parse_answer(&frame[..octets]), None, "hop limit 64");
    }
}
