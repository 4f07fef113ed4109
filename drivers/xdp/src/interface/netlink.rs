//! Interfaces by rtnetlink(7), which sees this network namespace whatever is
//! mounted on /sys.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use farend_core::MacAddress;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, Stats64},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::{Drops, Interface, Peer, XdpPrograms};

/// Multicast group of link changes (`RTNLGRP_LINK`).
const GROUP_LINK: u32 = 1;

/// How a program was attached (`linux/if_link.h`).
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
const XDP_FLAGS_HW_MODE: u32 = 1 << 3;

/// A change that the kernel told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An interface is now like this.
    Now(Box<Interface>),
    /// The interface with this index is gone.
    Deleted(u32),
    /// Changes came faster than they were read, so some are lost: look again.
    Overrun,
}

/// A socket to the kernel's links.
#[derive(Debug)]
pub struct Rtnetlink {
    socket: Socket,
    sequence: u32,
}

impl Rtnetlink {
    /// Opens a socket for questions.
    ///
    /// # Errors
    ///
    /// The kernel gives none.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Opens a socket that hears of changes and takes no questions.
    ///
    /// # Errors
    ///
    /// The kernel gives none.
    pub fn listen() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.add_membership(GROUP_LINK)?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// All interfaces of this network namespace.
    ///
    /// # Errors
    ///
    /// The kernel does not answer.
    pub fn all(&mut self) -> io::Result<Vec<Interface>> {
        self.ask(LinkMessage::default(), NLM_F_REQUEST | NLM_F_DUMP)
    }

    /// One interface as it is now; `None` if it is gone.
    ///
    /// # Errors
    ///
    /// The kernel does not answer.
    pub fn by_index(&mut self, index: u32) -> io::Result<Option<Interface>> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        match self.ask(message, NLM_F_REQUEST) {
            Ok(mut found) => Ok(found.pop()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes that were told since the last call; never waits.
    ///
    /// # Errors
    ///
    /// The socket fails.
    pub fn changes(&mut self) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        loop {
            let octets = match self.socket.recv_from_full() {
                Ok((octets, _)) => octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    changes.push(Change::Overrun);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for message in messages(&octets) {
                match message?.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                        changes.push(Change::Now(Box::new(interface(&link))));
                    }
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
                        changes.push(Change::Deleted(link.header.index));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Detaches the XDP program that was attached without a bpf link.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn detach_xdp(&mut self, interface: &Interface) -> io::Result<()> {
        let flags = match interface.xdp {
            XdpPrograms { native: Some(_), .. } => XDP_FLAGS_DRV_MODE,
            XdpPrograms { hardware: Some(_), .. } => XDP_FLAGS_HW_MODE,
            _ => XDP_FLAGS_SKB_MODE,
        };
        let mut message = LinkMessage::default();
        message.header.index = interface.index;
        let none = vec![LinkXdp::Fd(-1), LinkXdp::Flags(flags)];
        message.attributes.push(LinkAttribute::Xdp(none));
        self.send(RouteNetlinkMessage::SetLink(message), NLM_F_REQUEST | NLM_F_ACK)?;
        self.answers(NLM_F_ACK).map(drop)
    }

    fn ask(&mut self, question: LinkMessage, flags: u16) -> io::Result<Vec<Interface>> {
        self.send(RouteNetlinkMessage::GetLink(question), flags)?;
        self.answers(flags)
    }

    fn send(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let payload = NetlinkPayload::from(question);
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.socket.send(&octets, 0).map(drop)
    }

    /// Reads until the question is answered.
    fn answers(&mut self, flags: u16) -> io::Result<Vec<Interface>> {
        let mut found = Vec::new();
        loop {
            let (octets, _) = match self.socket.recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                received => received?,
            };
            for message in messages(&octets) {
                let message = message?;
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                        found.push(interface(&link));
                        if flags & NLM_F_DUMP != NLM_F_DUMP {
                            return Ok(found);
                        }
                    }
                    // An error of 0 is the acknowledgement.
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(found),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::Done(_) => return Ok(found),
                    _ => {}
                }
            }
        }
    }
}

impl AsFd for Rtnetlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Cuts a datagram into its messages.
fn messages(
    octets: &[u8],
) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match NetlinkMessage::deserialize(rest) {
            Ok(message) => {
                // Aligned to four octets (netlink(7)); never less than a header.
                let octets = (message.header.length as usize).max(1).next_multiple_of(4);
                rest = rest.get(octets..).unwrap_or_default();
                Some(Ok(message))
            }
            Err(error) => {
                rest = &[];
                Some(Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
            }
        }
    })
}

fn interface(link: &LinkMessage) -> Interface {
    let flags = link.header.flags;
    let mut interface = Interface {
        index: link.header.index,
        is_up: flags.contains(LinkFlags::Up),
        is_running: flags.contains(LinkFlags::LowerUp),
        is_loopback: flags.contains(LinkFlags::Loopback),
        ..Interface::default()
    };
    let is_ethernet = link.header.link_layer_type == LinkLayerType::Ether;
    let mut peer_index = None;
    let mut is_elsewhere = false;
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name.clone_from(name),
            LinkAttribute::Mtu(octets) => interface.mtu_octets = *octets,
            LinkAttribute::Address(octets) if is_ethernet => {
                interface.mac = octets.as_slice().try_into().ok().map(MacAddress);
            }
            LinkAttribute::Promiscuity(users) => interface.is_promiscuous = *users > 0,
            LinkAttribute::NumRxQueues(queues) => interface.receive_queues = *queues,
            LinkAttribute::LinkInfo(infos) => interface.kind = kind(infos),
            LinkAttribute::Link(index) => peer_index = Some(*index),
            LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
            LinkAttribute::Xdp(attributes) => interface.xdp = xdp(attributes),
            LinkAttribute::Stats64(counters) => interface.drops = drops(counters),
            _ => {}
        }
    }
    if interface.is_kind("veth") {
        interface.peer = peer_index.map(|index| Peer { index, is_elsewhere });
    }
    interface
}

fn kind(infos: &[LinkInfo]) -> Option<String> {
    infos.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    })
}

fn xdp(attributes: &[LinkXdp]) -> XdpPrograms {
    let mut programs = XdpPrograms::default();
    for attribute in attributes {
        match attribute {
            LinkXdp::DrvProgId(id) => programs.native = Some(*id),
            LinkXdp::SkbProgId(id) => programs.generic = Some(*id),
            LinkXdp::HwProgId(id) => programs.hardware = Some(*id),
            _ => {}
        }
    }
    programs
}

fn drops(counters: &Stats64) -> Drops {
    Drops {
        rx_dropped: counters.rx_dropped,
        rx_missed_errors: counters.rx_missed_errors,
        rx_over_errors: counters.rx_over_errors,
        rx_fifo_errors: counters.rx_fifo_errors,
        rx_errors: counters.rx_errors,
        tx_dropped: counters.tx_dropped,
        tx_errors: counters.tx_errors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_by_name_and_by_index() {
        let mut rtnetlink = Rtnetlink::open().unwrap();
        let found = Interface::find(&mut rtnetlink, "lo").unwrap().unwrap();
        assert!(found.is_loopback && found.mac.is_none());
        let again = rtnetlink.by_index(found.index).unwrap().unwrap();
        assert_eq!(again.name, "lo");
        assert_eq!(rtnetlink.by_index(u32::MAX >> 1).unwrap(), None);
    }

    #[test]
    fn an_unknown_name_lists_those_that_exist() {
        let mut rtnetlink = Rtnetlink::open().unwrap();
        let unknown = Interface::find(&mut rtnetlink, "nosuch0").unwrap().unwrap_err();
        assert!(unknown.to_string().contains("lo"), "{unknown}");
    }

    #[test]
    fn octets_that_are_no_message_are_an_error_and_end() {
        assert_eq!(messages(&[]).count(), 0);
        let broken: Vec<_> = messages(&[1, 2, 3]).collect();
        assert!(broken.len() == 1 && broken[0].is_err());
    }
}
