//! Test packets with a number in them, and what their answers must be.

use farend_core::{MacAddress, Policy, reflect::signature};

/// The reflector's address.
pub const OWN_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
const TESTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TESTER_ADDRESS: [u8; 4] = [198, 18, 0, 1];
const OWN_ADDRESS: [u8; 4] = [198, 18, 0, 2];
const TESTER_PORT: [u8; 2] = 50_000_u16.to_be_bytes();
const OWN_PORT: [u8; 2] = farend_core::reflect::policy::ITO_PORT.to_be_bytes();

/// Octets before the payload: Ethernet, IPv4 and UDP.
const HEADERS_OCTETS: usize = 42;
/// The shortest packet: headers, signature, number.
pub const PACKET_OCTETS_MIN: usize = HEADERS_OCTETS + 16 + 4;

/// The policy that answers these packets.
///
/// # Panics
///
/// Never: it is a sound policy.
#[must_use]
pub fn policy() -> Policy {
    Policy::builder().own_mac(OWN_MAC).build().expect("a sound policy")
}

/// A packet for the reflector, with a number, of at least
/// [`PACKET_OCTETS_MIN`].
#[must_use]
pub fn probe(number: u32, octets: usize) -> Vec<u8> {
    let ends = Ends {
        macs: [OWN_MAC.0, TESTER_MAC],
        addresses: [TESTER_ADDRESS, OWN_ADDRESS],
        ports: [TESTER_PORT, OWN_PORT],
        hop_limit: 64,
    };
    ends.packet(number, octets)
}

/// The answer to [`probe`].
#[must_use]
pub fn answer(number: u32, octets: usize) -> Vec<u8> {
    let ends = Ends {
        macs: [TESTER_MAC, OWN_MAC.0],
        addresses: [OWN_ADDRESS, TESTER_ADDRESS],
        ports: [OWN_PORT, TESTER_PORT],
        hop_limit: 63,
    };
    ends.packet(number, octets)
}

/// A packet for somebody else.
#[must_use]
pub fn foreign(number: u32, octets: usize) -> Vec<u8> {
    let mut packet = probe(number, octets);
    packet[5] = 9;
    packet
}

/// The number of a packet.
///
/// # Panics
///
/// If it is shorter than any of these packets.
#[must_use]
pub fn number_of(packet: &[u8]) -> u32 {
    let number = packet[HEADERS_OCTETS + 16..].first_chunk();
    u32::from_be_bytes(*number.expect("packets here are longer"))
}

struct Ends {
    /// Destination and source.
    macs: [[u8; 6]; 2],
    /// Source and destination.
    addresses: [[u8; 4]; 2],
    /// Source and destination.
    ports: [[u8; 2]; 2],
    /// An answer has one less than its probe.
    hop_limit: u8,
}

impl Ends {
    fn packet(&self, number: u32, octets: usize) -> Vec<u8> {
        let octets = octets.max(PACKET_OCTETS_MIN);
        let length =
            |before: usize| u16::try_from(octets - before).unwrap_or(u16::MAX).to_be_bytes();
        let header = |checksum: [u8; 2]| {
            let start =
                [&[0x45, 0][..], &length(14), &[0, 0, 0x40, 0, self.hop_limit, 17], &checksum]
                    .concat();
            [&start[..], &self.addresses.concat()].concat()
        };
        let words = header([0, 0]);
        let (words, _) = words.as_chunks::<2>();
        let sum: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0);

        let mut packet = self.macs.concat();
        packet.extend([8, 0]);
        packet.extend(header(checksum.to_be_bytes()));
        packet.extend(self.ports.concat());
        packet.extend(length(34));
        packet.extend([0, 0]);
        let mut start = [0; 16];
        if let Some((offset, octets)) = signature::built_in(farend_core::Kind::Probeot) {
            start[offset..offset + octets.len()].copy_from_slice(octets);
        }
        packet.extend(start);
        packet.extend(number.to_be_bytes());
        // A payload that differs from packet to packet.
        let [.., start] = number.to_be_bytes();
        let rest = octets - packet.len();
        packet.extend((0..=u8::MAX).cycle().map(|at| start.wrapping_add(at)).take(rest));
        packet
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Verdict, reflect};

    use super::*;

    #[test]
    fn the_core_gives_the_answer_that_is_written_here() {
        for octets in [0, 64, 100, 1_000] {
            let mut packet = probe(7, octets);
            assert!(reflect(&mut packet[..], &policy(), &mut ()).is_sent());
            assert_eq!(packet, answer(7, octets));
            assert_eq!(number_of(&packet), 7);
        }
        let mut packet = foreign(7, 100);
        let verdict = reflect(&mut packet[..], &policy(), &mut ());
        assert!(matches!(verdict, Verdict::Refuse(_)));
        assert_eq!(packet, foreign(7, 100));
    }
}
