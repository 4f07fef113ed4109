//! An XDP program that passes everything: the kernel program with the closed
//! policy that it is built with.

use std::os::fd::{AsFd, AsRawFd};

use aya::{
    Ebpf,
    programs::{Xdp, XdpMode},
};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage, LinkXdp},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::namespace::inside;

/// The program, attached until it is dropped unless by netlink.
pub(crate) struct Pass(#[expect(dead_code, reason = "held")] Ebpf);

fn load() -> Ebpf {
    let object = aya::include_bytes_aligned!("../../../../ebpf/prebuilt/farend.bpf.o");
    let mut object = Ebpf::load(object).unwrap();
    program(&mut object).load().unwrap();
    object
}

fn program(object: &mut Ebpf) -> &mut Xdp {
    object.program_mut("farend_reflect").unwrap().try_into().unwrap()
}

impl Pass {
    /// Attaches it by a bpf link.
    pub(crate) fn attach(namespace: &str, interface: &str) -> Self {
        inside(namespace, || {
            let mut object = load();
            program(&mut object).attach(interface, XdpMode::Driver).unwrap();
            Self(object)
        })
    }

    /// Attaches it as old tools do, without a link: it stays after its owner.
    pub(crate) fn attach_by_netlink(namespace: &str, interface: &str) {
        inside(namespace, || {
            let mut object = load();
            let fd = program(&mut object).fd().unwrap().as_fd().as_raw_fd();
            set_xdp(interface, fd);
        });
    }
}

/// What `ip link set dev INTERFACE xdp` does.
fn set_xdp(interface: &str, fd: i32) {
    let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.bind_auto().unwrap();
    socket.connect(&SocketAddr::new(0, 0)).unwrap();
    let mut message = LinkMessage::default();
    let any = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    message.header.index = rustix::net::netdevice::name_to_index(&any, interface).unwrap();
    message.attributes.push(LinkAttribute::Xdp(vec![LinkXdp::Fd(fd), LinkXdp::Flags(1 << 2)]));
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK;
    let payload = NetlinkPayload::from(RouteNetlinkMessage::SetLink(message));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);
    socket.send(&octets, 0).unwrap();
    let (octets, _) = socket.recv_from_full().unwrap();
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&octets).unwrap();
    match answer.payload {
        NetlinkPayload::Error(error) => assert!(error.code.is_none(), "{error:?}"),
        other => panic!("{other:?}"),
    }
}
