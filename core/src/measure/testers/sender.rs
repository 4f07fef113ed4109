//! Who sent a frame.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    MacAddress, Window,
    frame::wire::{
        ethernet::{self, EtherType},
        ipv4, ipv6, vlan,
    },
};

/// The addresses of the sender of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sender {
    /// Of the link: the sender's own, or that of the last router.
    pub mac: MacAddress,
    /// Of the packet.
    pub address: IpAddr,
}

impl Sender {
    /// Reads them from an Ethernet frame as it was received, behind two tags
    /// at most. `None` if there is no whole IP header.
    ///
    /// Nothing is judged: whether the frame is sound is
    /// [`inspect`](crate::inspect)'s to say.
    #[inline]
    pub fn read<W: Window + ?Sized>(window: &W) -> Option<Self> {
        let header = ethernet::Header(window.at::<{ ethernet::HEADER_OCTETS }>(0)?);
        let mut ether_type = header.ether_type();
        let mut offset = ethernet::HEADER_OCTETS;
        for _ in 0..vlan::TAGS_MAX {
            if !ether_type.is_tag() {
                break;
            }
            let tag = window.at::<{ vlan::TAG_OCTETS }>(offset)?;
            ether_type = EtherType::parse([tag[2], tag[3]]);
            offset += vlan::TAG_OCTETS;
        }
        let address = match ether_type {
            EtherType::IPV4 => {
                let header = ipv4::Header(window.at::<{ ipv4::HEADER_OCTETS }>(offset)?);
                IpAddr::V4(Ipv4Addr::from(header.source().octets()))
            }
            EtherType::IPV6 => {
                let header = ipv6::Header(window.at::<{ ipv6::HEADER_OCTETS }>(offset)?);
                IpAddr::V6(Ipv6Addr::from(header.source().octets()))
            }
            _ => return None,
        };
        Some(Self { mac: header.source_mac(), address })
    }

    /// The same as numbers.
    #[inline]
    pub(super) const fn words(&self) -> [u64; 3] {
        let address = match self.address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.octets();
        [
            self.mac.bits().0,
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        ]
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 7];

    /// A frame with these tags before the type, and the header's octets.
    fn frame(tags: &[[u8; 4]], ether_type: u16, header: &[u8]) -> std::vec::Vec<u8> {
        let mut frame = std::vec![2, 0, 0, 0, 0, 1];
        frame.extend(SOURCE);
        frame.extend(tags.iter().flatten());
        frame.extend(ether_type.to_be_bytes());
        frame.extend(header);
        frame
    }

    fn ipv4_header() -> [u8; 20] {
        let mut header = [0; 20];
        header[12..16].copy_from_slice(&[192, 0, 2, 9]);
        header
    }

    #[test]
    fn the_sender_is_found_behind_up_to_two_tags() {
        let tag = [0x81, 0x00, 0x00, 0x07];
        let service_tag = [0x88, 0xa8, 0x00, 0x07];
        for tags in [&[][..], &[tag], &[service_tag, tag]] {
            let sender = Sender::read(&frame(tags, 0x0800, &ipv4_header())[..]).unwrap();
            assert_eq!(sender.mac.0, SOURCE);
            assert_eq!(sender.address, IpAddr::from([192, 0, 2, 9]));
        }
        assert_eq!(Sender::read(&frame(&[tag; 3], 0x0800, &ipv4_header())[..]), None);
    }

    #[test]
    fn ipv6_has_a_sender_too() {
        let mut header = [0; 40];
        header[8..24].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        let sender = Sender::read(&frame(&[], 0x86dd, &header)[..]).unwrap();
        assert_eq!(sender.address, "2001:db8::5".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn without_a_whole_ip_header_there_is_none() {
        let whole = frame(&[], 0x0800, &ipv4_header());
        for octets in 0..whole.len() {
            assert_eq!(Sender::read(&whole[..octets]), None);
        }
        assert_eq!(Sender::read(&frame(&[], 0x0806, &[0; 28])[..]), None);
    }
}
