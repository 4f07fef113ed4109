//! IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use farend_core::{Reason, Verdict};

use super::{copy, number};

const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// An IP packet with UDP in it.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it was sent to.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Octets of the frame before the IP header.
    pub network_offset: usize,
    /// Octets of the frame before the UDP header.
    pub transport_offset: usize,
    /// Octets of the frame before the end of the packet, as its header says.
    pub end: usize,
}

impl Packet {
    /// RFC 791 section 3.1.
    pub(super) fn parse_ipv4(frame: &[u8], network_offset: usize) -> Result<Self, Verdict> {
        let header = copy(frame, network_offset, 20, Reason::Ipv4Truncated)?;
        if header[0] / 16 != 4 {
            return Err(Verdict::Refuse(Reason::IpVersion));
        }
        let header_words = usize::from(header[0] % 16);
        if header_words < 5 {
            return Err(Verdict::Refuse(Reason::Ipv4HeaderLength));
        }
        if header[9] != UDP {
            return Err(Verdict::Refuse(Reason::IpProtocol));
        }
        let has_more_fragments = header[6] / 32 % 2 == 1;
        let fragment_offset = number(&[header[6] % 32, header[7]]);
        if has_more_fragments || fragment_offset != 0 {
            return Err(Verdict::Refuse(Reason::Fragment));
        }
        let transport_offset = network_offset + header_words * 4;
        if frame.len() < transport_offset {
            return Err(Verdict::Refuse(Reason::Ipv4Truncated));
        }
        Ok(Self {
            source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
            destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
            hop_limit: header[8],
            network_offset,
            transport_offset,
            end: network_offset + number(&header[2..4]),
        })
    }

    /// RFC 8200 sections 3 and 4, with at most four extension headers.
    pub(super) fn parse_ipv6(frame: &[u8], network_offset: usize) -> Result<Self, Verdict> {
        let header = copy(frame, network_offset, 40, Reason::Ipv6Truncated)?;
        if header[0] / 16 != 6 {
            return Err(Verdict::Refuse(Reason::IpVersion));
        }
        let mut next = header[6];
        let mut offset = network_offset + 40;
        let mut walked = 0;
        while [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS].contains(&next) {
            if walked == 4 {
                return Err(Verdict::Refuse(Reason::ExtensionHeaders));
            }
            let extension = copy(frame, offset, 8, Reason::ExtensionTruncated)?;
            if next == ROUTING && extension[3] != 0 {
                return Err(Verdict::Refuse(Reason::RoutingHeader));
            }
            next = extension[0];
            if next == HOP_BY_HOP {
                return Err(Verdict::Refuse(Reason::IpProtocol));
            }
            offset += 8 + 8 * usize::from(extension[1]);
            walked += 1;
        }
        match next {
            UDP => {}
            FRAGMENT => return Err(Verdict::Refuse(Reason::Fragment)),
            _ => return Err(Verdict::Refuse(Reason::IpProtocol)),
        }
        if frame.len() < offset {
            return Err(Verdict::Refuse(Reason::ExtensionTruncated));
        }
        Ok(Self {
            source: ipv6_address(&header[8..24]),
            destination: ipv6_address(&header[24..40]),
            hop_limit: header[7],
            network_offset,
            transport_offset: offset,
            end: network_offset + 40 + number(&header[4..6]),
        })
    }

    /// The frame must hold the packet.
    pub(super) fn check_end(&self, frame: &[u8]) -> Result<(), Verdict> {
        if self.end > frame.len() {
            return Err(Verdict::Refuse(self.length_cause()));
        }
        Ok(())
    }

    /// What is broken if the packet's length does not fit.
    pub(super) const fn length_cause(&self) -> Reason {
        match self.source {
            IpAddr::V4(_) => Reason::Ipv4TotalLength,
            IpAddr::V6(_) => Reason::Ipv6PayloadLength,
        }
    }
}

fn ipv6_address(octets: &[u8]) -> IpAddr {
    let mut address = [0; 16];
    address.copy_from_slice(octets);
    Ipv6Addr::from(address).into()
}
