//! Interfaces, addresses and neighbours, over rtnetlink (man 7 rtnetlink).
//!
//! Everything happens in the calling thread's network namespace.

use std::{
    io,
    net::IpAddr,
    os::fd::RawFd,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State},
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::RouteType,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use farend_core::MacAddress;

/// Longest wait, in seconds, for a new interface to be usable.
const UP_SECONDS_MAX: u64 = 5;

/// One end of a veth pair to be made.
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) mac: MacAddress,
    pub(crate) mtu_octets: u32,
    pub(crate) queues: u32,
}

/// Makes a veth pair: one end here, the other in the given namespace.
pub(crate) fn add_veth(here: &End, there: &End, namespace: RawFd) -> Result<()> {
    let mut peer = describe(there);
    peer.attributes.push(LinkAttribute::NetNsFd(namespace));
    let mut message = describe(here);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    change(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
        .context("cannot make a veth pair")
}

fn describe(end: &End) -> LinkMessage {
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

/// Sets an interface up.
pub(crate) fn set_up(interface: &str) -> Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index(interface)?;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    change(RouteNetlinkMessage::SetLink(message), 0)
        .with_context(|| format!("cannot set {interface} up"))
}

/// Sets the MTU of an interface.
pub(crate) fn set_mtu(interface: &str, mtu_octets: u32) -> Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index(interface)?;
    message.attributes.push(LinkAttribute::Mtu(mtu_octets));
    change(RouteNetlinkMessage::SetLink(message), 0)
        .with_context(|| format!("cannot set the MTU of {interface} to {mtu_octets}"))
}

/// Deletes an interface.
pub(crate) fn delete(interface: &str) -> Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index(interface)?;
    change(RouteNetlinkMessage::DelLink(message), 0)
        .with_context(|| format!("cannot delete {interface}"))
}

/// Waits until frames pass: the kernel starts the queues of an interface a
/// moment after it was set up.
pub(crate) fn wait_until_up(interface: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(UP_SECONDS_MAX);
    let mut message = LinkMessage::default();
    message.header.index = index(interface)?;
    loop {
        let answer = exchange(RouteNetlinkMessage::GetLink(message.clone()), NLM_F_REQUEST)?;
        if let Some(RouteNetlinkMessage::NewLink(link)) = answer
            && link.attributes.contains(&LinkAttribute::OperState(State::Up))
        {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("{interface} is not up after {UP_SECONDS_MAX} s");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Gives an interface an address, usable at once.
pub(crate) fn add_address(interface: &str, address: IpAddr, prefix_bits: u8) -> Result<()> {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = prefix_bits;
    // Duplicate address detection would take two seconds.
    message.header.flags = AddressHeaderFlags::Nodad;
    message.header.index = index(interface)?;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
        .with_context(|| format!("cannot give {address} to {interface}"))
}

/// Tells for good which MAC address a neighbour has.
pub(crate) fn add_neighbour(interface: &str, address: IpAddr, mac: MacAddress) -> Result<()> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = index(interface)?;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        NeighbourAttribute::Destination(match address {
            IpAddr::V4(address) => NeighbourAddress::Inet(address),
            IpAddr::V6(address) => NeighbourAddress::Inet6(address),
        }),
        NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()),
    ];
    change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE)
        .with_context(|| format!("cannot tell {interface} who {address} is"))
}

/// The number of an interface.
pub(crate) fn index(interface: &str) -> Result<u32> {
    use rustix::net::{AddressFamily, SocketType, netdevice::name_to_index, socket};
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    name_to_index(socket, interface).with_context(|| format!("no interface {interface}"))
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Asks for a change and waits until it is done.
fn change(message: RouteNetlinkMessage, flags: u16) -> Result<()> {
    exchange(message, NLM_F_REQUEST | NLM_F_ACK | flags).map(drop)
}

/// Sends one request and reads its one answer; `None` is an acknowledgement.
fn exchange(message: RouteNetlinkMessage, flags: u16) -> Result<Option<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;

    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
    request.finalize();
    let mut octets = vec![0; request.buffer_len()];
    request.serialize(&mut octets);
    socket.send(&octets, 0)?;

    let (answer, _kernel) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .map_err(|error| anyhow!("the kernel's answer is not understood: {error}"))?;
    match answer.payload {
        NetlinkPayload::Error(error) => match error.code {
            None => Ok(None),
            Some(code) => Err(io::Error::from_raw_os_error(-code.get()).into()),
        },
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        _ => Ok(None),
    }
}
