//! What a frame of the corpus is to a UDP socket.
//!
//! The far host has the addresses of most frames, so that they reach its
//! socket as they are. What the host does not hand on to a socket must bring
//! no answer and be counted nowhere: other stations' frames, other ports,
//! fragments, VLAN ids, wrong checksums, broken lengths.
//!
//! A socket sees addresses, ports and payload, so the oracle for datagrams has
//! the word there. It differs from the one for frames where those judge by
//! what a socket does not see: MAC addresses (groups, our own, a tester's OUI),
//! a TTL of 0, and the extension headers that [`hidden`] names. An answer is a
//! new packet of the host's: its addresses, ports and payload are compared,
//! and it goes to the host's gateway.
//!
//! Left to the host: its own ICMP messages, and its talk about neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use farend_core::{Guards, Kind, Reason, Verdict};
use farend_truth::{
    PolicyOptions, agreement,
    corpus::Entry,
    options::{OWN_MAC, Prefix},
    oracle::{self, Dissection},
};

use crate::{
    ETHERNET_HEADER_OCTETS, TESTER_MAC,
    support::namespace::{Pair, ip},
    tester::Fate,
};

/// The far host's addresses, those of most frames of the corpus.
const IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// The tester's.
const IPV4_GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const IPV6_GATEWAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Octets of a VLAN tag.
const TAG_OCTETS: usize = 4;

/// Gives the far host its addresses, and the tester as the gateway to all
/// others: nothing waits for a neighbour that does not answer. To be done
/// again after each change of its MAC address, which loses the neighbours.
pub(crate) fn give_addresses(pair: &Pair) {
    let Pair { far, .. } = pair;
    let ends: [[IpAddr; 2]; 2] =
        [[IPV4.into(), IPV4_GATEWAY.into()], [IPV6.into(), IPV6_GATEWAY.into()]];
    for [own, gateway] in ends {
        let (version, flag) = if own.is_ipv4() { ("-4", "") } else { ("-6", " nodad") };
        ip(&format!("-n {far} {version} addr replace {own} peer {gateway}{flag} dev far"));
        ip(&format!("-n {far} {version} neigh replace {gateway} lladdr {TESTER_MAC} dev far"));
        ip(&format!("-n {far} {version} route replace default via {gateway} dev far"));
    }
}

/// What becomes of a frame on plain sockets.
pub(crate) fn fate(entry: &Entry) -> Fate {
    let frame = &entry.octets;
    if frame.len() < ETHERNET_HEADER_OCTETS {
        return Fate::NotRun("a packet socket sends no frame without an Ethernet header");
    }
    if let Some(fate) = crate::over_the_cap(entry).or_else(|| hidden(entry)) {
        return fate;
    }
    match delivered(entry) {
        Ok(datagram) => datagram.fate(&entry.options),
        Err(reason) => Fate::Unseen(reason),
    }
}

/// Frames that the oracle does not take apart, but Linux does.
fn hidden(entry: &Entry) -> Option<Fate> {
    match &*entry.name {
        // All of 0.0.0.0/8 but its first address is a host's (Linux 5.3), and
        // over IPv6 even no address is a source.
        "ipv4-source-this-network" | "ipv6-source-unspecified" => {
            let verdict = Verdict::Refuse(Reason::SourceAddress);
            Some(Fate::Seen { verdict, octets: 0..=0, answer: None })
        }
        // Five extension headers, and a fragment that is all of its packet:
        // the host takes both off. What is left is a sound test packet.
        "ipv6-extensions-5" | "ipv6-fragment-atomic" => {
            let datagram = Datagram {
                source: SocketAddr::new(IPV6_GATEWAY.into(), 40_000),
                destination: SocketAddr::new(IPV6.into(), 3_842),
                hop_limit: 64,
                payload: entry.octets.last_chunk::<18>()?.to_vec(),
            };
            Some(datagram.fate(&entry.options))
        }
        // The number of a source route where it is none: behind the end of the
        // options, and among the octets of another. A socket sees no options.
        "ipv4-source-route-behind-end" | "ipv4-source-route-in-data" => {
            let datagram = Datagram {
                source: SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 40_000),
                destination: SocketAddr::new(IPV4.into(), 3_842),
                hop_limit: 64,
                payload: entry.octets.last_chunk::<18>()?.to_vec(),
            };
            Some(datagram.fate(&entry.options))
        }
        _ => None,
    }
}

/// What of a received frame is compared: of a UDP datagram, its addresses,
/// ports and payload. `None` for what the host says by itself.
pub(crate) fn answer_in(frame: &[u8]) -> Option<Vec<u8>> {
    Datagram::in_frame(frame, &dissect(frame)?).map(|datagram| datagram.compared())
}

/// The policy that a plain socket's options make: no MAC address is compared.
pub(crate) fn options(entry: &Entry) -> PolicyOptions {
    PolicyOptions { is_any_destination: true, ..entry.options.clone() }
}

/// What a socket sees.
struct Datagram {
    source: SocketAddr,
    destination: SocketAddr,
    hop_limit: u8,
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
            hop_limit: packet.hop_limit,
            payload: payload.to_vec(),
        })
    }

    /// What becomes of it once it has reached the socket.
    fn fate(self, options: &PolicyOptions) -> Fate {
        let Self { source, destination, hop_limit, payload } = self;
        let verdict =
            oracle::reflect_datagram(&payload, source, destination, Some(hop_limit), options);
        if !matches!(verdict, Verdict::Reflect(_)) {
            return Fate::Seen { verdict, octets: 0..=0, answer: None };
        }
        // Counted as an Ethernet frame without tags, options or padding.
        let octets = if source.is_ipv4() { 14 + 20 + 8 } else { 14 + 40 + 8 } + payload.len();
        let octets = octets..=octets;
        // No socket sends to port 0.
        if source.port() == 0 {
            return Fate::Unanswerable { verdict, octets };
        }
        // Compared without its hop limit.
        let answer =
            Self { source: destination, destination: source, hop_limit, payload }.compared();
        Fate::Seen { verdict, octets, answer: Some(answer) }
    }

    /// Both ends as text, then the payload.
    fn compared(&self) -> Vec<u8> {
        let mut octets = format!("{} to {}: ", self.source, self.destination).into_bytes();
        octets.extend(&self.payload);
        octets
    }
}

/// The datagram that the far host hands to a socket on the policy's port, or
/// why it does not.
fn delivered(entry: &Entry) -> Result<Datagram, &'static str> {
    let Some((to, rest)) = entry.octets.split_first_chunk::<6>() else {
        return Err("it is no Ethernet frame");
    };
    // A host takes in group addresses too, and asks for no source's.
    if *to != entry.options.own_mac && to[0] & 1 == 0 {
        return Err("it is another station's");
    }
    let frame = [&OWN_MAC[..], &TESTER_MAC.0, rest.get(6..).unwrap_or_default()].concat();
    let whole = "the host finds no whole UDP datagram between hosts in it";
    let dissection = dissect(&frame).ok_or(whole)?;
    let datagram = Datagram::in_frame(&frame, &dissection).ok_or(whole)?;
    let to = datagram.destination;
    let is_to_our_address = [IpAddr::V4(IPV4), IpAddr::V6(IPV6)].contains(&to.ip());
    // RFC 1122 section 3.2.1.3.
    let is_from_our_address = datagram.source.ip() == IpAddr::V4(IPV4);
    let refusals = [
        (!is_untagged(&frame, &dissection), "the host has no interface for its VLAN"),
        (!agreement::has_sound_sums(&frame, &dissection), "a checksum is wrong"),
        (lacks_a_sum(&frame, &dissection), "over IPv6, a datagram must have a checksum"),
        (has_long_padding(&dissection), "the host takes no padding option so long"),
        (!is_to_our_address, "the host has another address"),
        (is_from_our_address, "it comes from the host's own address"),
        (Some(to.port()) != entry.options.port, "it is for another port"),
    ];
    match refusals.into_iter().find(|(is_refused, _)| *is_refused) {
        Some((_, reason)) => Err(reason),
        None => Ok(datagram),
    }
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

/// Linux takes no more than seven octets of padding in one place (RFC 8504
/// section 5.3 lets it). Only so padded are the corpus' extension headers so
/// long.
fn has_long_padding(dissection: &Dissection) -> bool {
    let packet = &dissection.packet;
    packet.source.is_ipv6() && packet.transport_offset - packet.network_offset > 40 + 200
}

/// RFC 8200 section 8.1: over IPv6 a datagram must have a checksum.
fn lacks_a_sum(frame: &[u8], dissection: &Dissection) -> bool {
    let at = dissection.packet.transport_offset + 6;
    dissection.packet.source.is_ipv6() && frame.get(at..at + 2) == Some(&[0, 0])
}

/// A tag that has a priority alone, VLAN id 0, is taken off.
fn is_untagged(frame: &[u8], dissection: &Dissection) -> bool {
    let tags = frame.get(ETHERNET_HEADER_OCTETS..dissection.packet.network_offset);
    match tags.map(<[u8]>::len) {
        Some(0) => true,
        Some(TAG_OCTETS) => {
            let is_kernels = matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]));
            is_kernels && matches!(tags, Some([tci, 0, ..]) if tci % 16 == 0)
        }
        _ => false,
    }
}
