//! Random IPv4 and IPv6 packets.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::select,
};

use super::{lengths, transport::datagrams};
use crate::oracle::checksum;

/// What stands behind the link layer.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) ether_type: u16,
    pub(super) octets: Vec<u8>,
}

pub(super) fn packets() -> BoxedStrategy<Packet> {
    let other = (any::<u16>(), vec(any::<u8>(), 0..80))
        .prop_map(|(ether_type, octets)| Packet { ether_type, octets });
    prop_oneof![
        40 => ipv4().prop_map(|octets| Packet { ether_type: 0x0800, octets }),
        40 => ipv6().prop_map(|octets| Packet { ether_type: 0x86dd, octets }),
        1 => ipv4().prop_map(|octets| Packet { ether_type: 0x86dd, octets }),
        1 => ipv6().prop_map(|octets| Packet { ether_type: 0x0800, octets }),
        1 => other,
    ]
    .boxed()
}

fn ipv4_address(usual: &'static str) -> impl Strategy<Value = [u8; 4]> {
    let odd = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.200", "10.1.2.3"];
    let octets = |text: &str| text.parse().unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
    prop_oneof![
        32 => Just(octets(usual)),
        3 => select(odd.map(octets).to_vec()),
        1 => any::<[u8; 4]>(),
    ]
}

fn ipv6_address(usual: &'static str) -> impl Strategy<Value = [u8; 16]> {
    let odd = ["::", "::1", "ff02::1", "fe80::1", "2001:db8::99", "::ffff:127.0.0.1"];
    let octets = |text: &str| text.parse().unwrap_or(Ipv6Addr::UNSPECIFIED).octets();
    prop_oneof![
        32 => Just(octets(usual)),
        3 => select(odd.map(octets).to_vec()),
        1 => any::<[u8; 16]>(),
    ]
}

fn protocols() -> impl Strategy<Value = u8> {
    prop_oneof![
        60 => Just(17_u8),
        1 => select(vec![0_u8, 6, 43, 44, 58, 59, 60]),
        1 => any::<u8>(),
    ]
}

fn hop_limits() -> impl Strategy<Value = u8> {
    prop_oneof![12 => Just(64_u8), 1 => Just(0), 1 => any::<u8>()]
}

fn ipv4() -> BoxedStrategy<Vec<u8>> {
    let options = prop_oneof![4 => Just(0), 2 => 1_usize..11, 1 => Just(10)]
        .prop_flat_map(|words| vec(any::<[u8; 4]>(), words));
    let version_and_ihl_mask = prop_oneof![80 => Just(0_u8), 1 => any::<u8>()];
    let fragment = prop_oneof![
        40 => Just(0x4000_u16),
        1 => select(vec![0, 1, 0x2000, 0x8000, 0x1fff]),
        1 => any::<u16>(),
    ];
    let checksum_off = prop_oneof![12 => Just(0_u16), 1 => select(vec![1, 0xffff, 0x0100])];
    let addresses = (ipv4_address("192.0.2.1"), ipv4_address("192.0.2.2"));
    (
        (version_and_ihl_mask, options, lengths(), any::<u16>(), fragment),
        (hop_limits(), protocols(), checksum_off, addresses),
        datagrams(),
    )
        .prop_map(|(first, second, datagram)| {
            let (mask, options, length, identification, fragment) = first;
            let (ttl, protocol, checksum_off, (source, destination)) = second;
            let ihl = u8::try_from(5 + options.len()).unwrap_or(15);
            let options = options.concat();
            let mut header = vec![(0x40 | ihl) ^ mask, 0];
            header.extend(length.field(20 + options.len() + datagram.len()));
            header.extend(identification.to_be_bytes());
            header.extend(fragment.to_be_bytes());
            header.extend([ttl, protocol, 0, 0]);
            header.extend(source);
            header.extend(destination);
            header.extend(options);
            let checksum = (!checksum::sum(&header)).wrapping_add(checksum_off);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            header.extend(datagram);
            header
        })
        .boxed()
}

/// One extension header: its type, its octets in units of eight, segments
/// left.
type Extension = (u8, u8, u8);

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let kind = prop_oneof![
        12 => select(vec![43_u8, 60]),
        1 => select(vec![0_u8, 44]),
    ];
    let units = prop_oneof![
        8 => Just(1_u8),
        4 => 2_u8..12,
        1 => 50_u8..70,
        1 => Just(255),
    ];
    let segments_left = prop_oneof![12 => Just(0_u8), 1 => any::<u8>()];
    let rest = vec((kind, units.clone(), segments_left), 0..6);
    let rest = prop_oneof![3 => Just(Vec::new()), 2 => rest];
    (any::<bool>(), units, rest).prop_map(|(has_hop_by_hop, units, mut extensions)| {
        if has_hop_by_hop && !extensions.is_empty() {
            extensions[0] = (0, units, 0);
        }
        extensions
    })
}

fn ipv6() -> BoxedStrategy<Vec<u8>> {
    let version_mask = prop_oneof![80 => Just(0_u8), 1 => any::<u8>()];
    let addresses = (ipv6_address("2001:db8::1"), ipv6_address("2001:db8::2"));
    (
        (version_mask, any::<[u8; 3]>(), lengths()),
        (protocols(), hop_limits(), addresses, extensions()),
        datagrams(),
    )
        .prop_map(|((mask, class_and_flow, length), second, datagram)| {
            let (protocol, hop_limit, (source, destination), extensions) = second;
            let (first, chain) = chain(&extensions, protocol);
            let mut header = vec![0x60 ^ mask];
            header.extend(class_and_flow);
            header.extend(length.field(chain.len() + datagram.len()));
            header.extend([first, hop_limit]);
            header.extend(source);
            header.extend(destination);
            header.extend(chain);
            header.extend(datagram);
            header
        })
        .boxed()
}

/// The type of the first header behind the fixed one, and the octets of all
/// extension headers.
fn chain(extensions: &[Extension], protocol: u8) -> (u8, Vec<u8>) {
    let mut next = protocol;
    let mut octets = Vec::new();
    for (kind, units, segments_left) in extensions.iter().rev() {
        let mut extension = vec![0; 8 * usize::from(*units)];
        extension[0] = next;
        extension[1] = units - 1;
        extension[3] = if *kind == 43 { *segments_left } else { 0 };
        extension.extend(octets);
        octets = extension;
        next = *kind;
    }
    (next, octets)
}
