//! A frame that came back, taken apart.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Addresses, Tag, Tags};
use crate::{
    frame::checksum::Sum,
    frame::wire::{
        ethernet::{self, EtherType, MacAddress},
        get,
        ip_protocol::IpProtocol,
        ipv4, ipv6, udp, vlan,
    },
};

/// Whether the checksums of a frame agree with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChecksumState {
    /// Those of IPv4 and UDP do.
    Sound,
    /// UDP's is 0, which over IPv4 means that there is none (RFC 768).
    Absent,
    /// One does not.
    Wrong,
}

/// The UDP datagram of a frame, and what stood around it.
#[derive(Clone, Copy, Debug)]
pub struct Received<'frame> {
    /// To which station.
    pub destination_mac: MacAddress,
    /// From which station.
    pub source_mac: MacAddress,
    /// VLAN tags.
    pub tags: Tags,
    /// IP addresses.
    pub addresses: Addresses,
    /// UDP source port.
    pub source_port: u16,
    /// UDP destination port.
    pub destination_port: u16,
    /// UDP payload, up to the end that the UDP header names.
    pub payload: &'frame [u8],
    datagram: &'frame [u8],
    is_ipv4_header_sound: bool,
}

impl<'frame> Received<'frame> {
    /// Takes a frame without FCS apart; `None` if it is no UDP over IPv4
    /// without options or IPv6 without extension headers, which is all that a
    /// reflector of our probes can send, or if its lengths do not fit.
    ///
    /// `outer` is a tag that the kernel took out of the frame.
    #[must_use]
    pub fn parse(frame: &'frame [u8], outer: Option<Tag>) -> Option<Self> {
        let (header, rest) = frame.split_first_chunk::<{ ethernet::HEADER_OCTETS }>()?;
        let header = ethernet::Header(header);
        let (tags, ether_type, packet) = parse_tags(outer, header.ether_type(), rest)?;
        let (addresses, is_ipv4_header_sound, datagram) = match ether_type {
            EtherType::IPV4 => parse_ipv4(packet)?,
            EtherType::IPV6 => parse_ipv6(packet)?,
            _ => return None,
        };
        let udp = udp::Header(datagram.first_chunk()?);
        let datagram = datagram.get(..udp.length())?;
        Some(Self {
            destination_mac: header.destination_mac(),
            source_mac: header.source_mac(),
            tags,
            addresses,
            source_port: udp.source_port(),
            destination_port: udp.destination_port(),
            payload: datagram.get(udp::HEADER_OCTETS..)?,
            datagram,
            is_ipv4_header_sound,
        })
    }

    /// Sums the whole datagram. A frame that never left the machine may have
    /// an unfinished checksum; the kernel says so where it hands the frame
    /// over.
    #[must_use]
    pub fn checksum_state(&self) -> ChecksumState {
        if !self.is_ipv4_header_sound {
            return ChecksumState::Wrong;
        }
        let is_absent = self
            .datagram
            .first_chunk()
            .is_some_and(|octets| udp::Header(octets).checksum() == [0; 2]);
        match self.addresses {
            Addresses::V4 { .. } if is_absent => return ChecksumState::Absent,
            //= RFC 8200 8.1: over IPv6 the UDP checksum is not optional.
            _ if is_absent => return ChecksumState::Wrong,
            _ => {}
        }
        // A datagram is never longer than its own 16-bit length.
        let length = u32::try_from(self.datagram.len()).unwrap_or(0);
        let sum = self.addresses.pseudo_header(IpProtocol::UDP, length).add_octets(self.datagram);
        if sum.is_sound_at_any_length() { ChecksumState::Sound } else { ChecksumState::Wrong }
    }
}

/// Steps over the tags that are in the frame.
pub(super) fn parse_tags(
    outer: Option<Tag>,
    ether_type: EtherType,
    octets: &[u8],
) -> Option<(Tags, EtherType, &[u8])> {
    let mut tags = match outer {
        Some(tag) => Tags::NONE.with_inner(tag)?,
        None => Tags::NONE,
    };
    let (mut ether_type, mut rest) = (ether_type, octets);
    while ether_type.is_tag() {
        let (tag, behind) = rest.split_first_chunk::<{ vlan::TAG_OCTETS }>()?;
        tags = tags.with_inner(Tag { ether_type, control: vlan::control(*tag) })?;
        ether_type = EtherType::parse(get::<2, 2, _>(tag));
        rest = behind;
    }
    Some((tags, ether_type, rest))
}

fn parse_ipv4(packet: &[u8]) -> Option<(Addresses, bool, &[u8])> {
    let octets = packet.first_chunk::<{ ipv4::HEADER_OCTETS }>()?;
    let is_sound = Sum::of_ipv4(octets).is_sound();
    let header = ipv4::Header(octets);
    let is_plain = header.is_plain() && header.is_whole_udp();
    let addresses = Addresses::V4 {
        source: Ipv4Addr::from(header.source().octets()),
        destination: Ipv4Addr::from(header.destination().octets()),
    };
    let datagram = packet.get(ipv4::HEADER_OCTETS..header.total_length())?;
    is_plain.then_some((addresses, is_sound, datagram))
}

fn parse_ipv6(packet: &[u8]) -> Option<(Addresses, bool, &[u8])> {
    let (octets, rest) = packet.split_first_chunk::<{ ipv6::HEADER_OCTETS }>()?;
    let header = ipv6::Header(octets);
    let is_plain = header.version() == 6 && header.next_header() == IpProtocol::UDP;
    let addresses = Addresses::V6 {
        source: Ipv6Addr::from(header.source().octets()),
        destination: Ipv6Addr::from(header.destination().octets()),
    };
    let datagram = rest.get(..header.payload_length())?;
    is_plain.then_some((addresses, true, datagram))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Kind, Policy, Verdict,
        measure::probe::{Flags, Headers, Probe, Template},
        reflect,
    };

    const TESTER: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const REFLECTOR: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

    fn headers(tags: Tags, is_ipv6: bool) -> Headers {
        let addresses = if is_ipv6 {
            Addresses::V6 {
                source: "2001:2::1".parse().unwrap(),
                destination: "2001:2::2".parse().unwrap(),
            }
        } else {
            Addresses::V4 {
                source: Ipv4Addr::new(198, 18, 0, 1),
                destination: Ipv4Addr::new(198, 18, 0, 2),
            }
        };
        Headers {
            destination_mac: REFLECTOR,
            source_mac: TESTER,
            tags,
            addresses,
            source_port: 40_000,
            destination_port: 3842,
            dscp: 46,
            hop_limit: 64,
        }
    }

    fn probe(sequence: u32) -> Probe {
        Probe {
            kind: Kind::Rfc2544,
            sequence,
            timestamp_ns: u64::from(sequence) << 33 | 0x89ab_cdef,
            stream: 77,
            flags: Flags::NONE,
        }
    }

    #[test]
    fn the_smallest_frame_carries_a_compact_probe() {
        let headers = headers(Tags::NONE, false);
        assert_eq!(headers.payload_octets(60), Some(18));
        let mut frame = [0; 60];
        assert!(Template::write(&mut frame, &headers, &probe(1)).is_ok());
        assert!(Template::write(&mut frame[..59], &headers, &probe(1)).is_err());
        assert!(Template::write(&mut frame[..41], &headers, &probe(1)).is_err());
        assert!(Template::write(&mut [], &headers, &probe(1)).is_err());
    }

    #[test]
    fn frames_come_back_from_the_reflector_whole() {
        // The same frame comes again and again: its hop limit must not run out.
        let guards = crate::Guards::ALL.without(crate::Guards::HOP_LIMIT);
        let policy = Policy::builder().own_mac(REFLECTOR).guards(guards).build().unwrap();
        for tags in [Tags::NONE, Tags::one(100), Tags::two(200, 300)] {
            for is_ipv6 in [false, true] {
                for octets in [90, 91, 1514] {
                    let headers = headers(tags, is_ipv6);
                    let mut frame = [0; 1514];
                    let frame = &mut frame[..octets];
                    let template = Template::write(frame, &headers, &probe(0)).unwrap();
                    // Among many, so that every carry of the sum occurs.
                    for sequence in 0..500 {
                        let sent = probe(sequence * 7919);
                        template.renew(frame, &sent).unwrap();
                        let forth = Received::parse(frame, None).unwrap();
                        assert_eq!(forth.checksum_state(), ChecksumState::Sound);
                        let verdict = reflect(frame, &policy, &mut ());
                        assert_eq!(verdict, Verdict::Reflect(Kind::Rfc2544));
                        let back = Received::parse(frame, None).unwrap();
                        assert_eq!(back.checksum_state(), ChecksumState::Sound);
                        assert_eq!((back.source_mac, back.destination_mac), (REFLECTOR, TESTER));
                        assert_eq!(back.addresses, headers.addresses.turned());
                        assert_eq!((back.source_port, back.destination_port), (3842, 40_000));
                        assert_eq!(back.tags, tags);
                        let (returned, form) = Probe::parse(back.payload).unwrap();
                        assert_eq!(returned.sequence, sent.sequence);
                        assert!(super::super::is_padding_intact(back.payload, form));
                        reflect_back(frame);
                    }
                }
            }
        }
    }

    /// Restores the frame: the reflector would refuse its own answer.
    fn reflect_back(frame: &mut [u8]) {
        let policy = Policy::builder()
            .own_mac(TESTER)
            .port(40_000)
            .guards(crate::Guards::NONE)
            .build()
            .unwrap();
        assert!(reflect(frame, &policy, &mut ()).is_sent());
    }

    #[test]
    fn a_tag_from_the_kernel_stands_outside_those_in_the_frame() {
        let mut frame = [0; 100];
        Template::write(&mut frame, &headers(Tags::one(300), false), &probe(1)).unwrap();
        let outer = Tag { ether_type: EtherType::SERVICE_TAG, control: 200 };
        let back = Received::parse(&frame, Some(outer)).unwrap();
        assert_eq!(back.tags, Tags::two(200, 300));
        assert_eq!(back.tags.iter().map(Tag::vid).collect::<std::vec::Vec<_>>(), [200, 300]);
    }

    #[test]
    fn damage_to_any_octet_of_an_ip_packet_is_seen() {
        for is_ipv6 in [false, true] {
            let mut frame = [0; 120];
            Template::write(&mut frame, &headers(Tags::NONE, is_ipv6), &probe(1)).unwrap();
            // Traffic class, flow label and hop limit are in no sum of IPv6's.
            let first = if is_ipv6 { 14 + 8 } else { 14 };
            for offset in first..frame.len() {
                frame[offset] ^= 0x21;
                let is_seen = Received::parse(&frame, None)
                    .is_none_or(|back| back.checksum_state() == ChecksumState::Wrong);
                assert!(is_seen, "offset {offset}");
                frame[offset] ^= 0x21;
            }
        }
    }

    #[test]
    fn no_checksum_is_told_from_a_wrong_one() {
        for is_ipv6 in [false, true] {
            let mut frame = [0; 100];
            let headers = headers(Tags::NONE, is_ipv6);
            Template::write(&mut frame, &headers, &probe(1)).unwrap();
            let checksum_offset = headers.octets() - 2;
            assert_ne!(frame[checksum_offset..][..2], [0; 2]);
            frame[checksum_offset..][..2].fill(0);
            let wanted = if is_ipv6 { ChecksumState::Wrong } else { ChecksumState::Absent };
            assert_eq!(Received::parse(&frame, None).unwrap().checksum_state(), wanted);
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_no_datagram() {
        let mut frame = [0; 120];
        Template::write(&mut frame, &headers(Tags::two(1, 2), true), &probe(1)).unwrap();
        for octets in 0..frame.len() {
            assert!(Received::parse(&frame[..octets], None).is_none());
        }
    }

    extern crate std;
}
