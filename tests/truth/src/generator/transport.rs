//! Random UDP datagrams, most with a signature.

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::select,
};

use super::{lengths, policy::CUSTOM_OCTETS};

pub(super) fn datagrams() -> BoxedStrategy<Vec<u8>> {
    (source_ports(), destination_ports(), lengths(), any::<u16>(), payloads())
        .prop_map(|(source, destination, length, checksum, payload)| {
            let mut octets = [source.to_be_bytes(), destination.to_be_bytes()].concat();
            octets.extend(length.field(8 + payload.len()));
            octets.extend(checksum.to_be_bytes());
            octets.extend(payload);
            octets
        })
        .boxed()
}

/// UDP ports from which something comes; some are reflectors'.
pub fn source_ports() -> impl Strategy<Value = u16> {
    prop_oneof![
        8 => Just(40_000_u16),
        3 => select(vec![0_u16, 7, 862, 3842, 5000]),
        1 => any::<u16>(),
    ]
}

fn destination_ports() -> impl Strategy<Value = u16> {
    prop_oneof![
        50 => Just(3842_u16),
        3 => select(vec![0_u16, 7, 5000]),
        1 => any::<u16>(),
    ]
}

/// UDP payloads, most with a signature.
pub fn payloads() -> BoxedStrategy<Vec<u8>> {
    let signature = prop_oneof![
        6 => select(vec![
            b"\x01\x02\x03\x04\x05PROBEOT".to_vec(),
            b"\x01\x02\x03\x04\x05DATA:OT".to_vec(),
            b"\x01\x02\x03\x04\x05LATENCY".to_vec(),
            b"RFC2544".to_vec(),
            b"Y.1564 ".to_vec(),
            b"MSNSEED".to_vec(),
        ]),
        2 => vec(select(CUSTOM_OCTETS.to_vec()), 1..12),
        1 => vec(any::<u8>(), 0..20),
    ];
    let rest = prop_oneof![
        8 => 0_usize..40,
        2 => 200_usize..300,
        1 => 1_400_usize..1_500,
        1 => 8_000_usize..8_900,
    ];
    (signature, rest, select(CUSTOM_OCTETS.to_vec()))
        .prop_map(|(mut octets, rest, filler)| {
            octets.extend(vec![filler; rest]);
            octets
        })
        .boxed()
}
