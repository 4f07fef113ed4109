//! Random frames that are nearly sound, under random policies.
//!
//! Random octets alone would hardly ever get past the Ethernet header. So a
//! frame is built from layers that are mostly right, each with a chance to be
//! a boundary case, and then sometimes damaged: octets changed, cut off,
//! added.

mod network;
mod policy;
mod transport;

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::{Index, select},
};

pub use self::{
    policy::policies,
    transport::{payloads, source_ports as ports},
};
use crate::options::OWN_MAC;

/// Frames, without FCS, of 0 to about 9,000 octets.
pub fn frames() -> impl Strategy<Value = Vec<u8>> {
    (ethernet(), network::packets(), trailers(), damages()).prop_map(
        |(mut frame, packet, trailer, damages)| {
            frame.extend(packet.ether_type.to_be_bytes());
            frame.extend(packet.octets);
            frame.extend(trailer);
            for damage in damages {
                damage.apply(&mut frame);
            }
            frame
        },
    )
}

/// Addresses and tags: all of the link layer but the last type.
fn ethernet() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop_oneof![
        6 => Just(0),
        4 => Just(1),
        4 => Just(2),
        1 => Just(3),
    ]
    .prop_flat_map(|count| vec(tag(), count));
    (destination(), source(), tags).prop_map(|(destination, source, tags)| {
        let mut octets = destination.to_vec();
        octets.extend(source);
        octets.extend(tags.concat());
        octets
    })
}

fn destination() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        80 => Just(OWN_MAC),
        1 => Just([0xff; 6]),
        1 => Just([0x01, 0, 0x5e, 0, 0, 1]),
        1 => Just([0x02, 0, 0, 0, 0, 1]),
        1 => any::<[u8; 6]>(),
    ]
}

fn source() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![
        40 => Just([0x02, 0, 0, 0, 0, 1]),
        30 => Just([0x00, 0xc0, 0x17, 0, 0, 1]),
        10 => Just([0x00, 0x19, 0xb3, 0, 0, 1]),
        1 => Just(OWN_MAC),
        1 => Just([0xff; 6]),
        1 => Just([0; 6]),
        1 => any::<[u8; 6]>(),
    ]
}

/// TPID and control information, without the type that follows.
fn tag() -> impl Strategy<Value = Vec<u8>> {
    let tpid = prop_oneof![
        60 => select(vec![0x8100_u16, 0x88a8, 0x9100]),
        1 => any::<u16>(),
    ];
    let control = prop_oneof![
        3 => select(vec![0_u16, 1, 7, 100, 4094, 4095, 0xe007]),
        1 => any::<u16>(),
    ];
    (tpid, control).prop_map(|(tpid, control)| [tpid.to_be_bytes(), control.to_be_bytes()].concat())
}

/// Octets behind the packet; now and then a whole signature.
fn trailers() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        6 => Just(Vec::new()),
        2 => (0_usize..64).prop_map(|octets| vec![0; octets]),
        1 => Just(b"\0\0\0\0\0PROBEOT\0\0".to_vec()),
        1 => vec(any::<u8>(), 0..32),
    ]
    .boxed()
}

/// What happens to a frame on its way.
#[derive(Clone, Debug)]
enum Damage {
    Change(Index, u8),
    CutOff(Index),
    Insert(Index, u8),
}

impl Damage {
    fn apply(&self, frame: &mut Vec<u8>) {
        match self {
            Self::Change(at, mask) if !frame.is_empty() => {
                // Headers are at the start, and worth more than payload.
                let reach = frame.len().min(96);
                frame[at.index(reach)] ^= mask;
            }
            Self::Change(..) => {}
            Self::CutOff(at) => frame.truncate(at.index(frame.len() + 1)),
            Self::Insert(at, octet) => frame.insert(at.index(frame.len() + 1), *octet),
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let one_bit = (any::<Index>(), 0_u32..8).prop_map(|(at, bit)| Damage::Change(at, 1 << bit));
    let damage = prop_oneof![
        4 => one_bit,
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, mask)| Damage::Change(at, mask)),
        1 => any::<Index>().prop_map(Damage::CutOff),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Damage::Insert(at, octet)),
    ];
    prop_oneof![
        4 => Just(Vec::new()),
        1 => vec(damage, 1..4),
    ]
}

/// A length field: mostly the right one, else a boundary next to it.
fn lengths() -> impl Strategy<Value = Length> {
    prop_oneof![
        24 => Just(Length::Off(0)),
        2 => select(vec![-9_i32, -8, -1, 1, 8]).prop_map(Length::Off),
        1 => select(vec![0_u16, 7, 8, 19, 20, 27, 28, u16::MAX]).prop_map(Length::Is),
        1 => any::<u16>().prop_map(Length::Is),
    ]
}

/// How a length field is made from the true length.
#[derive(Clone, Copy, Debug)]
enum Length {
    Off(i32),
    Is(u16),
}

impl Length {
    fn field(self, octets: usize) -> [u8; 2] {
        let value = match self {
            Self::Is(value) => value,
            Self::Off(by) => {
                let octets = i32::try_from(octets).unwrap_or(i32::MAX / 2);
                u16::try_from(octets + by).unwrap_or(0)
            }
        };
        value.to_be_bytes()
    }
}
