//! What a message says of an interface.

use farend_core::MacAddress;
use netlink_packet_route::link::{
    LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, State, Stats64,
};

use crate::{Drops, Interface, Peer, XdpPrograms};

/// Reads it; what the message does not say stays as by default.
pub(super) fn interface(link: &LinkMessage) -> Interface {
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
    let mut namespace_id = None;
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
            LinkAttribute::Controller(index) => {
                interface.controller = Some(*index).filter(|index| *index != 0);
            }
            LinkAttribute::Link(index) => peer_index = Some(*index),
            LinkAttribute::LinkNetNsId(id) => namespace_id = Some(*id),
            LinkAttribute::OperState(state) => interface.is_operational = *state == State::Up,
            LinkAttribute::Xdp(attributes) => interface.xdp = xdp(attributes),
            LinkAttribute::Stats64(counters) => interface.drops = drops(counters),
            _ => {}
        }
    }
    if interface.is_kind("veth") {
        interface.peer = peer_index.map(|index| Peer {
            index,
            is_elsewhere: namespace_id.is_some(),
            // The kernel says -1 of a namespace that it has no number for.
            namespace_id: namespace_id.filter(|id| *id >= 0),
        });
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
