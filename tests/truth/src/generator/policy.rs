//! Random policies that the core accepts.

use std::net::{IpAddr, Ipv6Addr};

use farend_core::{Guards, Kind, Mode};
use proptest::{
    collection::vec,
    option,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::{select, subsequence},
};

use crate::{
    agreement::MODES,
    options::{BUILT_IN, CustomSignature, OWN_MAC, PolicyOptions, Prefix, Rate},
};

/// What signatures of the user's own are made of, so that payloads of the same
/// octets match now and then.
pub(super) const CUSTOM_OCTETS: [u8; 3] = [0x00, 0xab, 0xcd];

/// Options of which a policy can be built.
pub fn policies() -> impl Strategy<Value = PolicyOptions> {
    (links(), networks(), transports())
        .prop_map(
            |(link, (allowed, mode, own_addresses), (port, kinds, customs, guards_off, lists))| {
                let (rate, loop_ports) = lists;
                let (own_mac, is_any_destination, source_oui, tester_ouis, vlans) = link;
                PolicyOptions {
                    own_mac,
                    is_any_destination,
                    source_oui,
                    tester_ouis,
                    port,
                    vlans,
                    allowed,
                    kinds,
                    customs,
                    mode,
                    guards_off,
                    loop_ports,
                    own_addresses,
                    rate,
                }
            },
        )
        .prop_filter("the core refuses contradictions", |options| options.build().is_ok())
}

type Link = ([u8; 6], bool, Option<[u8; 3]>, Vec<[u8; 3]>, Vec<u16>);

fn links() -> BoxedStrategy<Link> {
    let ouis = [[0x00, 0xc0, 0x17], [0x02, 0, 0], [0x00, 0x19, 0xb3]];
    let own_mac = prop_oneof![40 => Just(OWN_MAC), 1 => Just([0x02, 0, 0, 0, 0, 1])];
    let vids = prop_oneof![
        10 => Just(Vec::new()),
        1 => subsequence(vec![0_u16, 1, 7, 100, 4094], 1..5),
    ];
    (
        own_mac,
        prop_oneof![3 => Just(false), 1 => Just(true)],
        prop_oneof![16 => Just(None), 1 => select(ouis.to_vec()).prop_map(Some)],
        prop_oneof![2 => Just(Vec::new()), 1 => vec(select(ouis.to_vec()), 1..5)],
        vids,
    )
        .boxed()
}

fn networks() -> BoxedStrategy<(Vec<Prefix>, Mode, Vec<IpAddr>)> {
    let prefix = prop_oneof![
        (Just("192.0.2.1"), 0_u8..=32),
        (Just("10.0.0.0"), 0_u8..=32),
        (Just("2001:db8::1"), 0_u8..=128),
        (Just("fe80::"), 0_u8..=128),
    ]
    .prop_map(|(address, bits)| prefix(address, bits));
    let own = ["192.0.2.2", "192.0.2.3", "2001:db8::2"]
        .map(|address| address.parse().unwrap_or(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    (
        prop_oneof![5 => Just(Vec::new()), 1 => vec(prefix, 1..16)],
        select(MODES.to_vec()),
        prop_oneof![5 => Just(Vec::new()), 1 => vec(select(own.to_vec()), 1..4)],
    )
        .boxed()
}

/// The prefix that holds an address.
fn prefix(address: &str, bits: u8) -> Prefix {
    let address = address.parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let address = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    };
    Prefix { address, bits }
}

type Lists = (Option<Rate>, Option<Vec<u16>>);

type Transport = (Option<u16>, Vec<Kind>, Vec<CustomSignature>, Guards, Lists);

fn transports() -> BoxedStrategy<Transport> {
    let port = prop_oneof![
        8 => Just(Some(3842)),
        1 => Just(Some(5000)),
        1 => Just(None),
    ];
    let kinds = prop_oneof![
        3 => Just(BUILT_IN.to_vec()),
        1 => subsequence([BUILT_IN.to_vec(), vec![Kind::Any]].concat(), 0..7),
    ];
    let guards_off = prop_oneof![
        2 => Just(Guards::NONE),
        1 => Just(Guards::LOOP_RISK),
        2 => (0_u32..=Guards::ALL.0).prop_map(Guards),
        1 => Just(Guards::ALL),
    ];
    let rate = prop_oneof![
        8 => Just(None),
        1 => (0_u64..3_000, select(vec![1_u64, 100, 250, 1_000_000]))
            .prop_map(|(frames, ticks)| Some(Rate { frames, ticks })),
    ];
    let loop_ports = prop_oneof![
        5 => Just(None),
        1 => vec(select(vec![7_u16, 53, 3842, 40_000, 65_535]), 0..17).prop_map(Some),
    ];
    (port, kinds, vec(customs(), 0..9), guards_off, (rate, loop_ports)).boxed()
}

fn customs() -> impl Strategy<Value = CustomSignature> {
    let offset = prop_oneof![4 => 0_u16..12, 1 => 240_u16..249];
    let octets = vec((select(CUSTOM_OCTETS.to_vec()), option::of(any::<u8>())), 1..9);
    (offset, octets)
        .prop_map(|(offset, octets)| CustomSignature {
            offset,
            octets: octets.iter().map(|(octet, _)| *octet).collect(),
            mask: octets.iter().map(|(_, mask)| mask.unwrap_or(0xff)).collect(),
        })
        .prop_filter("a mask has a bit", |custom| custom.mask.iter().any(|mask| *mask != 0))
}
