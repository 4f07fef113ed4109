//! Orders: each waits until the kernel has done it.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

use farend_core::MacAddress;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{
        InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp,
    },
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
        RouteType,
    },
};

use super::Rtnetlink;
use crate::XdpMode;

/// `XDP_FLAGS_UPDATE_IF_NOEXIST`: only where no program is.
const XDP_FLAGS_ALONE: u32 = 1;

/// One end of a veth pair to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VethEnd<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its own address.
    pub mac: MacAddress,
    /// Octets of the longest IP packet.
    pub mtu_octets: u32,
    /// Queues that receive, and as many that transmit.
    pub queues: u32,
}

/// Each order's error is the kernel's refusal.
#[expect(clippy::missing_errors_doc, reason = "one reason for all, said above")]
impl Rtnetlink {
    /// Makes a veth pair: one end here, the other in this network namespace.
    pub fn add_veth(
        &mut self,
        here: &VethEnd<'_>,
        there: &VethEnd<'_>,
        namespace: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut peer = describe(there);
        peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut message = describe(here);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.order(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Sets an interface up, or down.
    pub fn set_up(&mut self, index: u32, is_up: bool) -> io::Result<()> {
        let mut message = link(index);
        message.header.flags = if is_up { LinkFlags::Up } else { LinkFlags::empty() };
        message.header.change_mask = LinkFlags::Up;
        self.order(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Sets an interface's MTU: the octets of the longest IP packet.
    pub fn set_mtu(&mut self, index: u32, mtu_octets: u32) -> io::Result<()> {
        self.set(index, LinkAttribute::Mtu(mtu_octets))
    }

    /// Moves an interface into another network namespace, where it has the same name.
    pub fn move_to(&mut self, index: u32, namespace: BorrowedFd<'_>) -> io::Result<()> {
        self.set(index, LinkAttribute::NetNsFd(namespace.as_raw_fd()))
    }

    /// Makes a bridge.
    pub fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.order(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Makes an interface a port of a bridge or a bond; with `None` of none.
    pub fn set_controller(&mut self, index: u32, controller: Option<u32>) -> io::Result<()> {
        self.set(index, LinkAttribute::Controller(controller.unwrap_or(0)))
    }

    /// Deletes an interface; that of a veth pair takes the other end along.
    pub fn delete(&mut self, index: u32) -> io::Result<()> {
        self.order(RouteNetlinkMessage::DelLink(link(index)), 0)
    }

    /// Gives an interface an address, usable at once.
    pub fn add_address(&mut self, index: u32, address: IpAddr, prefix_bits: u8) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix_bits;
        // Duplicate address detection would take two seconds.
        message.header.flags = AddressHeaderFlags::Nodad;
        message.header.index = index;
        message.attributes =
            vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        self.order(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes an address from an interface.
    pub fn delete_address(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix_bits: u8,
    ) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix_bits;
        message.header.index = index;
        message.attributes = vec![AddressAttribute::Local(address)];
        self.order(RouteNetlinkMessage::DelAddress(message), 0)
    }

    /// Routes a network to an interface.
    pub fn add_route(&mut self, index: u32, network: IpAddr, prefix_bits: u8) -> io::Result<()> {
        let message = route(index, network, prefix_bits);
        self.order(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes a route to an interface away.
    pub fn delete_route(&mut self, index: u32, network: IpAddr, prefix_bits: u8) -> io::Result<()> {
        self.order(RouteNetlinkMessage::DelRoute(route(index, network, prefix_bits)), 0)
    }

    /// Sets how many packets may wait for an interface.
    pub fn set_queue_length(&mut self, index: u32, packets: u32) -> io::Result<()> {
        self.set(index, LinkAttribute::TxQueueLen(packets))
    }

    /// Tells for good which MAC address a neighbour has.
    pub fn add_neighbour(
        &mut self,
        index: u32,
        address: IpAddr,
        mac: MacAddress,
    ) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![
            NeighbourAttribute::Destination(match address {
                IpAddr::V4(address) => NeighbourAddress::Inet(address),
                IpAddr::V6(address) => NeighbourAddress::Inet6(address),
            }),
            NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()),
        ];
        self.order(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE)
    }

    /// Attaches an XDP program where none is. No bpf link holds it: it stays until it
    /// is detached, whoever has ended meanwhile.
    pub fn attach_xdp(
        &mut self,
        index: u32,
        program: BorrowedFd<'_>,
        mode: XdpMode,
    ) -> io::Result<()> {
        self.set_xdp(index, program.as_raw_fd(), mode.flags() | XDP_FLAGS_ALONE)
    }

    /// Detaches the XDP program that was attached without a bpf link.
    pub fn detach_xdp(&mut self, index: u32, mode: XdpMode) -> io::Result<()> {
        self.set_xdp(index, -1, mode.flags())
    }

    fn set_xdp(&mut self, index: u32, program: RawFd, flags: u32) -> io::Result<()> {
        let attributes = vec![LinkXdp::Fd(program), LinkXdp::Flags(flags)];
        self.set(index, LinkAttribute::Xdp(attributes))
    }

    fn set(&mut self, index: u32, attribute: LinkAttribute) -> io::Result<()> {
        let mut message = link(index);
        message.attributes.push(attribute);
        self.order(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Asks for a change and waits until it is done.
    fn order(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.ask(message, NLM_F_REQUEST | NLM_F_ACK | flags).map(drop)
    }
}

fn link(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn route(index: u32, network: IpAddr, prefix_bits: u8) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(network);
    message.header.destination_prefix_length = prefix_bits;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = if network.is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    message.header.kind = RouteType::Unicast;
    let destination = match network {
        IpAddr::V4(network) => RouteAddress::Inet(network),
        IpAddr::V6(network) => RouteAddress::Inet6(network),
    };
    message.attributes = vec![RouteAttribute::Destination(destination), RouteAttribute::Oif(index)];
    message
}

fn describe(end: &VethEnd<'_>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(end.name.to_owned()),
        LinkAttribute::Address(end.mac.0.to_vec()),
        LinkAttribute::Mtu(end.mtu_octets),
        LinkAttribute::NumTxQueues(end.queues),
        LinkAttribute::NumRxQueues(end.queues),
    ];
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
