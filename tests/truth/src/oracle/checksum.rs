//! The Internet checksum, word by word (RFC 1071 section 4.1).

use std::net::IpAddr;

use super::Dissection;

/// One's complement sum of 16-bit words; an odd last octet is padded with
/// zero.
#[must_use]
pub fn sum(octets: &[u8]) -> u16 {
    let mut sum = 0_u16;
    for word in octets.chunks(2) {
        let word = u16::from(word[0]) * 256 + u16::from(*word.get(1).unwrap_or(&0));
        let (next, has_carry) = sum.overflowing_add(word);
        // It cannot carry again: the largest sum that carried is 0xfffe.
        sum = next + u16::from(has_carry);
    }
    sum
}

/// The sum over UDP's pseudo-header (RFC 768; RFC 8200 section 8.1), header
/// and payload: all ones if the checksum is right.
///
/// `frame` is the dissected one or its answer; both have their addresses and
/// their datagram in the same places.
#[must_use]
pub fn udp_sum(frame: &[u8], dissection: &Dissection) -> u16 {
    let packet = &dissection.packet;
    let addresses = match packet.source {
        IpAddr::V4(_) => packet.network_offset + 12..packet.network_offset + 20,
        IpAddr::V6(_) => packet.network_offset + 8..packet.network_offset + 40,
    };
    let mut summed = frame[addresses].to_vec();
    summed.extend((dissection.udp_length as u64).to_be_bytes());
    summed.extend([0, 17]);
    summed.extend(&frame[packet.transport_offset..][..dissection.udp_length]);
    sum(&summed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_the_rfcs_own_example_is_its_own() {
        // RFC 1071 section 3.
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn a_carry_comes_back_in() {
        assert_eq!(sum(&[0xff, 0xff, 0x00, 0x01]), 0x0001);
        assert_eq!(sum(&[0xff, 0xff, 0xff, 0xff]), 0xffff);
        assert_eq!(sum(&[0x12]), 0x1200);
    }
}
