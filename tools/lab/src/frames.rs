//! Test frames, octet by octet in the order of the wire.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use farend_core::{Kind, MacAddress, reflect::policy::ITO_PORT, reflect::signature};

/// FCS, in octets: in every size that a person gives, in no frame in memory.
pub const FCS_OCTETS: usize = 4;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_UDP: u8 = 17;
const IPV4_HEADER_OCTETS: usize = 20;
const IPV6_HEADER_OCTETS: usize = 40;
const UDP_HEADER_OCTETS: usize = 8;
const HOP_LIMIT: u8 = 64;

/// What the frames of one flow have in common.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Ethernet destination.
    pub destination_mac: MacAddress,
    /// Ethernet source.
    pub source_mac: MacAddress,
    /// TPID and VLAN id of each tag, the outer one first.
    pub tags: Vec<(u16, u16)>,
    /// IP source; of the same version as the destination.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// UDP source port.
    pub source_port: u16,
    /// UDP destination port.
    pub destination_port: u16,
    /// The built-in signature to carry.
    pub signature: Kind,
}

impl Flow {
    /// A flow over IPv4 between two stations, as an ITO tester with a port of
    /// its own sends it.
    #[must_use]
    pub fn ipv4(source_mac: MacAddress, destination_mac: MacAddress) -> Self {
        Self {
            destination_mac,
            source_mac,
            tags: Vec::new(),
            source: IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1)),
            destination: IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2)),
            source_port: 50_000,
            destination_port: ITO_PORT,
            signature: Kind::Probeot,
        }
    }

    /// The same over IPv6.
    #[must_use]
    pub fn ipv6(source_mac: MacAddress, destination_mac: MacAddress) -> Self {
        let address = |host| IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, host));
        Self {
            source: address(1),
            destination: address(2),
            ..Self::ipv4(source_mac, destination_mac)
        }
    }

    /// The flow with these tags.
    #[must_use]
    pub fn tagged(self, tags: &[(u16, u16)]) -> Self {
        Self { tags: tags.to_vec(), ..self }
    }

    /// The flow with both ports the same.
    #[must_use]
    pub fn with_equal_ports(self) -> Self {
        Self { source_port: self.destination_port, ..self }
    }

    /// One frame of the flow, as it is in memory: without FCS.
    ///
    /// `frame_octets` counts the FCS, as on the wire. A size that is too small
    /// for the headers and the signature gives the smallest that is not.
    #[must_use]
    pub fn frame(&self, frame_octets: usize) -> Vec<u8> {
        let mut frame = Vec::with_capacity(frame_octets);
        frame.extend(self.destination_mac.0);
        frame.extend(self.source_mac.0);
        for (tpid, vid) in &self.tags {
            frame.extend(tpid.to_be_bytes());
            frame.extend(vid.to_be_bytes());
        }
        let ethertype = if self.source.is_ipv4() { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
        frame.extend(ethertype.to_be_bytes());

        let ip_octets = if self.source.is_ipv4() { IPV4_HEADER_OCTETS } else { IPV6_HEADER_OCTETS };
        let headers = frame.len() + ip_octets + UDP_HEADER_OCTETS;
        let room = frame_octets.saturating_sub(FCS_OCTETS + headers);
        let payload = self.payload(room.max(signature::PAYLOAD_OCTETS_MIN));
        let datagram = self.datagram(&payload);
        frame.extend(self.ip_header(datagram.len()));
        frame.extend(datagram);
        frame
    }

    /// A pattern that counts up, with the signature in its place.
    fn payload(&self, octets: usize) -> Vec<u8> {
        let mut payload: Vec<u8> = (0..=u8::MAX).cycle().take(octets).collect();
        if let Some((offset, signature)) = signature::built_in(self.signature) {
            let end = offset + signature.len();
            if let Some(place) = payload.get_mut(offset..end) {
                place.copy_from_slice(signature);
            }
        }
        payload
    }

    fn ip_header(&self, datagram_octets: usize) -> Vec<u8> {
        let mut header = Vec::with_capacity(IPV6_HEADER_OCTETS);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let start = |checksum: [u8; 2]| {
                    let mut header = vec![0x45, 0];
                    header.extend(length(IPV4_HEADER_OCTETS + datagram_octets));
                    // Identification 0, "do not fragment".
                    header.extend([0, 0, 0x40, 0, HOP_LIMIT, PROTOCOL_UDP]);
                    header.extend(checksum);
                    header.extend(source.octets());
                    header.extend(destination.octets());
                    header
                };
                header = start(checksum(&start([0, 0])));
            }
            (source, destination) => {
                header.extend([0x60, 0, 0, 0]);
                header.extend(length(datagram_octets));
                header.extend([PROTOCOL_UDP, HOP_LIMIT]);
                header.extend(octets(source));
                header.extend(octets(destination));
            }
        }
        header
    }

    /// UDP header and payload.
    fn datagram(&self, payload: &[u8]) -> Vec<u8> {
        let length = length(UDP_HEADER_OCTETS + payload.len());
        let with = |checksum: [u8; 2]| {
            let mut datagram = Vec::with_capacity(UDP_HEADER_OCTETS + payload.len());
            datagram.extend(self.source_port.to_be_bytes());
            datagram.extend(self.destination_port.to_be_bytes());
            datagram.extend(length);
            datagram.extend(checksum);
            datagram.extend(payload);
            datagram
        };
        // RFC 768 and RFC 8200 section 8.1: the pseudo header goes in.
        let mut summed = octets(self.source);
        summed.extend(octets(self.destination));
        summed.extend([0, PROTOCOL_UDP]);
        summed.extend(length);
        summed.extend(with([0, 0]));
        match checksum(&summed) {
            // RFC 768: zero would say that there is none.
            [0, 0] => with([0xff, 0xff]),
            checksum => with(checksum),
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}

/// The one's complement of the one's complement sum, RFC 1071.
fn checksum(octets: &[u8]) -> [u8; 2] {
    let mut sum: u64 = 0;
    for pair in octets.chunks(2) {
        let last = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([pair[0], last]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    (!u16::try_from(sum).unwrap_or(0)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use farend_core::{Policy, Verdict, reflect};

    use super::*;

    const NEAR: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 1]);
    const FAR: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 2]);

    #[test]
    fn every_flow_is_reflected_at_every_size() {
        let policy = Policy::builder().own_mac(FAR).build().unwrap();
        for flow in [Flow::ipv4(NEAR, FAR), Flow::ipv6(NEAR, FAR)] {
            for tags in [&[][..], &[(0x8100, 5)], &[(0x88a8, 5), (0x8100, 6)]] {
                for frame_octets in [64, 100, 1518, 9000] {
                    let mut frame = flow.clone().tagged(tags).frame(frame_octets);
                    let verdict = reflect(&mut frame[..], &policy, &mut ());
                    assert_eq!(verdict, Verdict::Reflect(Kind::Probeot), "{tags:?} {frame_octets}");
                }
            }
        }
    }

    #[test]
    fn sizes_count_the_fcs() {
        assert_eq!(Flow::ipv4(NEAR, FAR).frame(64).len(), 60);
        assert_eq!(Flow::ipv4(NEAR, FAR).frame(1518).len(), 1514);
        assert_eq!(Flow::ipv6(NEAR, FAR).frame(0).len(), 14 + 40 + 8 + 12);
    }
}
