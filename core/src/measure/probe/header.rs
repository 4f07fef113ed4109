//! The headers that a sender of probes writes: Ethernet, tags, IP, UDP.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::WriteError;
use crate::{
    frame::checksum::Sum,
    frame::wire::{
        ethernet::{self, EtherType, MacAddress},
        ip_protocol::IpProtocol,
        ipv4, ipv6, udp, vlan,
    },
};

/// One VLAN tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    /// The type field that announces it (TPID).
    pub ether_type: EtherType,
    /// Priority, drop eligibility and VLAN id.
    pub control: u16,
}

impl Tag {
    /// The VLAN id.
    #[must_use]
    pub const fn vid(self) -> u16 {
        self.control & vlan::VID_MASK
    }
}

/// Up to two tags, outermost first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tags([Option<Tag>; vlan::TAGS_MAX]);

impl Tags {
    /// Untagged.
    pub const NONE: Self = Self([None; vlan::TAGS_MAX]);

    /// One customer tag.
    #[must_use]
    pub const fn one(vid: u16) -> Self {
        Self([Some(Tag { ether_type: EtherType::TAG, control: vid & vlan::VID_MASK }), None])
    }

    /// A service tag, then a customer tag (IEEE 802.1ad).
    #[must_use]
    pub const fn two(service_vid: u16, customer_vid: u16) -> Self {
        let [customer, _] = Self::one(customer_vid).0;
        let service =
            Tag { ether_type: EtherType::SERVICE_TAG, control: service_vid & vlan::VID_MASK };
        Self([Some(service), customer])
    }

    /// The tags with one more inside; `None` if there are two already.
    #[must_use]
    pub const fn with_inner(self, tag: Tag) -> Option<Self> {
        match self.0 {
            [None, _] => Some(Self([Some(tag), None])),
            [outer, None] => Some(Self([outer, Some(tag)])),
            _ => None,
        }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Octets that they add to a frame.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.count() * vlan::TAG_OCTETS
    }

    /// Each tag, outermost first.
    pub fn iter(&self) -> impl Iterator<Item = Tag> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// Source and destination of an IP packet, of one version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// Who sends.
        source: Ipv4Addr,
        /// To whom.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Who sends.
        source: Ipv6Addr,
        /// To whom.
        destination: Ipv6Addr,
    },
}

impl Addresses {
    /// Pairs two addresses; `None` if they are of two versions.
    #[must_use]
    pub const fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6 { source, destination }),
            _ => None,
        }
    }

    /// Octets of the IP header.
    #[must_use]
    pub const fn header_octets(self) -> usize {
        match self {
            Self::V4 { .. } => ipv4::HEADER_OCTETS,
            Self::V6 { .. } => ipv6::HEADER_OCTETS,
        }
    }

    /// The other way round.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::V4 { source, destination } => {
                Self::V4 { source: destination, destination: source }
            }
            Self::V6 { source, destination } => {
                Self::V6 { source: destination, destination: source }
            }
        }
    }

    pub(super) const fn ether_type(self) -> EtherType {
        match self {
            Self::V4 { .. } => EtherType::IPV4,
            Self::V6 { .. } => EtherType::IPV6,
        }
    }

    /// The sum over the pseudo-header (RFC 768; RFC 8200 section 8.1) of a
    /// packet of this protocol and length.
    pub(super) fn pseudo_header(self, protocol: u8, length: u32) -> Sum {
        let sum = match self {
            Self::V4 { source, destination } => {
                Sum::ZERO.add(source.octets()).add(destination.octets())
            }
            Self::V6 { source, destination } => {
                Sum::ZERO.add_octets(&source.octets()).add_octets(&destination.octets())
            }
        };
        sum.add([0, 0, 0, protocol]).add(length.to_be_bytes())
    }
}

/// Everything between the start of a frame and its UDP payload.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Headers {
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
    /// Differentiated services code point, six bits (RFC 2474).
    pub dscp: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
}

impl Headers {
    /// Octets of all headers: the payload's offset in the frame.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.network_offset() + self.addresses.header_octets() + udp::HEADER_OCTETS
    }

    /// Octets of payload in a frame of this length, FCS out; `None` if the
    /// headers alone are longer, or the IP packet than IP can count.
    #[must_use]
    pub fn payload_octets(&self, frame_octets: usize) -> Option<usize> {
        u16::try_from(frame_octets.checked_sub(self.network_offset())?).ok()?;
        frame_octets.checked_sub(self.octets())
    }

    /// Writes the headers of a frame that is the whole of `frame`, FCS out.
    /// The payload is left as it is; the UDP checksum is left 0 and is to be
    /// [set](set_udp_checksum) afterwards.
    pub(super) fn write(&self, frame: &mut [u8]) -> Result<(), WriteError> {
        let error = WriteError::Frame { octets: frame.len(), wanted_octets: self.octets() };
        self.payload_octets(frame.len()).ok_or(error)?;
        self.write_link(frame, self.addresses.ether_type()).ok_or(error)?;
        let packet = frame.get_mut(self.network_offset()..).ok_or(error)?;
        self.write_packet(packet).ok_or(error)
    }

    pub(super) fn network_offset(&self) -> usize {
        ethernet::HEADER_OCTETS + self.tags.octets()
    }

    /// Writes MAC addresses and tags; the innermost type is `ether_type`.
    pub(super) fn write_link(&self, frame: &mut [u8], ether_type: EtherType) -> Option<()> {
        let (header, mut rest) = frame.split_first_chunk_mut::<{ ethernet::HEADER_OCTETS }>()?;
        let types = || self.tags.iter().map(|tag| tag.ether_type).chain([ether_type]);
        ethernet::write(header, self.destination_mac, self.source_mac, types().next()?);
        for (tag, following) in self.tags.iter().zip(types().skip(1)) {
            let (octets, behind) = rest.split_first_chunk_mut::<{ vlan::TAG_OCTETS }>()?;
            *octets = vlan::tag(tag.control, following);
            rest = behind;
        }
        Some(())
    }

    fn write_packet(&self, packet: &mut [u8]) -> Option<()> {
        let packet_octets = u16::try_from(packet.len()).ok()?;
        let datagram = match self.addresses {
            Addresses::V4 { source, destination } => {
                let (header, datagram) =
                    packet.split_first_chunk_mut::<{ ipv4::HEADER_OCTETS }>()?;
                ipv4::write(
                    header,
                    &ipv4::Fields {
                        traffic_class: self.dscp << 2,
                        total_length: packet_octets,
                        ttl: self.hop_limit,
                        protocol: IpProtocol::UDP,
                        source: source.octets(),
                        destination: destination.octets(),
                    },
                );
                datagram
            }
            Addresses::V6 { source, destination } => {
                let (header, datagram) =
                    packet.split_first_chunk_mut::<{ ipv6::HEADER_OCTETS }>()?;
                ipv6::write(
                    header,
                    &ipv6::Fields {
                        traffic_class: self.dscp << 2,
                        payload_length: u16::try_from(datagram.len()).ok()?,
                        next_header: IpProtocol::UDP,
                        hop_limit: self.hop_limit,
                        source: source.octets(),
                        destination: destination.octets(),
                    },
                );
                datagram
            }
        };
        let length = u16::try_from(datagram.len()).ok()?;
        let header = datagram.first_chunk_mut::<{ udp::HEADER_OCTETS }>()?;
        udp::write(header, self.source_port, self.destination_port, length);
        Some(())
    }
}
