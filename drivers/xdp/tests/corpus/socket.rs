//! What a frame of the corpus is to a UDP socket.
//!
//! The far host has the addresses of most frames, so that they reach its
//! socket as they are. What the host does not hand on to a socket must bring
//! no answer and be counted nowhere: other stations' frames, other ports,
//! fragments, VLAN ids, wrong checksums, broken lengths.
//!
//! A socket sees addresses, ports and payload, so the oracle for datagrams has
//! the word there. It differs from the one for frames where those judge by
//! what a socket does not see: a MAC address or its OUI (guards against our
//! own, and who is a tester), and a TTL of 0. An answer is a new packet of
//! the host's: its addresses, ports and payload are compared, and it goes to
//! the host's gateway.
//!
//! Left to the host: its own ICMP messages, and its talk about neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use farend_core::{Guards, Kind, Verdict};
use farend_truth::{
    PolicyOptions, agreement,
    corpus::Entry,
    options::Prefix,
    oracle::{self, Dissection},
};

use crate::{
    ETHERNET_HEADER_OCTETS,
    support::namespace::{Pair, ip},
    tester::Fate,
};

/// The far host's addresses, those of most frames of the corpus.
const IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// Octets of a VLAN tag.
const TAG_OCTETS: usize = 4;

/// Gives the far host its addresses, and the tester as the gateway to all
/// others: nothing waits for a neighbour that does not answer. To be done
/// again after each change of its MAC address, which loses the neighbours.
pub(crate) fn give_addresses(pair: &Pair) {
    let Pair { far, .. } = pair;
    for (version, own, gateway) in
        [("-4", IPV4.to_string(), "192.0.2.1"), ("-6", IPV6.to_string(), "2001:db8::1")]
    {
        let flag = if version == "-6" { " nodad" } else { "" };
        ip(&format!("-n {far} {version} addr replace {own} peer {gateway}{flag} dev far"));
        let mac = crate::TESTER_MAC;
        ip(&format!("-n {far} {version} neigh replace {gateway} lladdr {mac} dev far"));
        ip(&format!("-n {far} {version} route replace default via {gateway} dev far"));
    }
}

/// What becomes of a frame on plain sockets.
pub(crate) fn fate(entry: &Entry) -> Fate {
    let frame = &entry.octets;
    if frame.len() < ETHERNET_HEADER_OCTETS {
        return Fate::NotRun("a packet socket sends no frame without an Ethernet header");
    }
    let Some(datagram) = delivered(entry) else { return Fate::Unseen };
    let Datagram { source, destination, payload } = &datagram;
    let verdict = oracle::reflect_datagram(payload, *source, *destination, &entry.options);
    let answer = matches!(verdict, Verdict::Reflect(_)).then(|| datagram.turned().octets());
    Fate::Seen { verdict, answer }
}

/// What of a received frame is compared: of a UDP datagram, its addresses,
/// ports and payload. `None` for what the host says by itself.
pub(crate) fn answer_in(frame: &[u8]) -> Option<Vec<u8>> {
    Datagram::in_frame(frame, &dissect(frame)?).map(|datagram| datagram.octets())
}

/// The policy that a plain socket's options make: no MAC address is compared.
pub(crate) fn options(entry: &Entry) -> PolicyOptions {
    PolicyOptions { is_any_destination: true, ..entry.options.clone() }
}

/// What a socket sees.
struct Datagram {
    source: SocketAddr,
    destination: SocketAddr,
    payload: Vec<u8>,
}

impl Datagram {
    fn in_frame(frame: &[u8], dissection: &Dissection) -> Option<Self> {
        let packet = &dissection.packet;
        let (header, payload) = frame
            .get(packet.transport_offset..packet.transport_offset + dissection.udp_length)?
            .split_first_chunk::<8>()?;
        let [a, b, c, d, ..] = *header;
        Some(Self {
            source: SocketAddr::new(packet.source, u16::from_be_bytes([a, b])),
            destination: SocketAddr::new(packet.destination, u16::from_be_bytes([c, d])),
            payload: payload.to_vec(),
        })
    }

    fn turned(self) -> Self {
        Self { source: self.destination, destination: self.source, payload: self.payload }
    }

    /// Both ends as text, then the payload.
    fn octets(&self) -> Vec<u8> {
        let mut octets = format!("{} to {}: ", self.source, self.destination).into_bytes();
        octets.extend(&self.payload);
        octets
    }
}

/// The datagram that the far host hands to a socket on the policy's port, if
/// it does.
fn delivered(entry: &Entry) -> Option<Datagram> {
    let frame = &entry.octets;
    let dissection = dissect(frame)?;
    let datagram = Datagram::in_frame(frame, &dissection)?;
    let is_ours = frame.starts_with(&entry.options.own_mac)
        && [IpAddr::V4(IPV4), IpAddr::V6(IPV6)].contains(&datagram.destination.ip())
        && Some(datagram.destination.port()) == entry.options.port;
    let is_sound =
        agreement::has_sound_sums(frame, &dissection) && has_needed_sum(frame, &dissection);
    let is_host = is_source_of_a_host(datagram.source.ip());
    (is_ours && is_sound && is_host && is_untagged(frame, &dissection)).then_some(datagram)
}

/// Finds any UDP datagram that is whole.
fn dissect(frame: &[u8]) -> Option<Dissection> {
    let everybody = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let everything = PolicyOptions {
        is_any_destination: true,
        port: None,
        allowed: everybody.map(|address| Prefix { address, bits: 0 }).to_vec(),
        kinds: vec![Kind::Any],
        guards_off: Guards::ALL,
        ..PolicyOptions::default()
    };
    oracle::dissect(frame, &everything).ok()
}

/// RFC 8200 section 8.1: over IPv6 a datagram must have a checksum.
fn has_needed_sum(frame: &[u8], dissection: &Dissection) -> bool {
    let at = dissection.packet.transport_offset + 6;
    dissection.packet.source.is_ipv4() || frame.get(at..at + 2) != Some(&[0, 0])
}

/// A host takes nothing from itself over a wire (RFC 1122 section 3.2.1.3).
fn is_source_of_a_host(source: IpAddr) -> bool {
    source != IpAddr::V4(IPV4)
}

/// A tag that has a priority alone, VLAN id 0, is taken off.
fn is_untagged(frame: &[u8], dissection: &Dissection) -> bool {
    let tags = frame.get(ETHERNET_HEADER_OCTETS..dissection.packet.network_offset);
    match tags.map(<[u8]>::len) {
        Some(0) => true,
        Some(TAG_OCTETS) => {
            let is_kernels = matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]));
            is_kernels && matches!(tags, Some([tci, 0, ..]) if tci & 0x0f == 0)
        }
        _ => false,
    }
}
