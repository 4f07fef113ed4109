//! The Internet checksum, and why reflection never computes one.
//!
//! A checksum is the complement of the one's complement sum of 16-bit words
//! (RFC 1071 section 1). That sum does not depend on the order of its words:
//! addition is commutative and associative (RFC 1071 section 2 A). Turning a
//! frame round exchanges words that are summed together: the two addresses in
//! the IPv4 header and in UDP's pseudo-header, the two ports in the UDP
//! header. All of them start at even offsets, so whole words trade places, and
//! every checksum in the frame is as right, or as wrong, as it was. MAC
//! addresses are in no sum at all.
//!
//! So a reflector that recomputes checksums does needless work on a sound
//! frame, and hides the damage of a broken one.
//!
//! What the core does compute is the sum over a *received* IPv4 header,
//! because a frame whose header was damaged must not be answered. The sum of
//! a sound header, checksum field included, is all ones (RFC 1071 section 1).

use crate::frame::wire::get;

/// A one's complement sum under way, in native word order.
///
/// The sum is the same in either octet order up to an exchange of its two
/// octets (RFC 1071 section 2 B), and all ones is all ones in both.
#[derive(Clone, Copy, Debug)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub(crate) const ZERO: Self = Self(0);

    /// Sums the fixed part of an IPv4 header.
    #[inline(always)]
    pub(crate) const fn of_ipv4(header: &[u8; 20]) -> Self {
        Self(0)
            .add(get::<0, 4, _>(header))
            .add(get::<4, 4, _>(header))
            .add(get::<8, 4, _>(header))
            .add(get::<12, 4, _>(header))
            .add(get::<16, 4, _>(header))
    }

    /// Adds two 16-bit words. At most 2^32 times, which no header comes near.
    #[inline(always)]
    pub(crate) const fn add(self, words: [u8; 4]) -> Self {
        Self(self.0.wrapping_add(u32::from_le_bytes(words) as u64))
    }

    /// Adds octets that start at an even offset; an odd last one is followed
    /// by a zero (RFC 1071 section 4.1). At most 2^34 octets in one sum.
    pub(crate) fn add_octets(self, octets: &[u8]) -> Self {
        let (words, rest) = octets.as_chunks::<4>();
        let sum = words.iter().fold(self, |sum, word| sum.add(*word));
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        sum.add(last)
    }

    /// The checksum after one 16-bit word under it changed, all in wire order.
    ///
    /// RFC 1624 equation 3, `HC' = ~(~HC + ~m + m')`: right, and wrong by the
    /// same amount, where the checksum was.
    #[must_use]
    pub const fn updated(checksum: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
        let old_sum = !u16::from_le_bytes(checksum) as u64 + !u16::from_le_bytes(old) as u64;
        Self(old_sum + u16::from_le_bytes(new) as u64).checksum()
    }

    /// The checksum that makes the sum, with a checksum of 0 in it, a sound
    /// one: the two octets in wire order.
    pub(crate) const fn checksum(self) -> [u8; 2] {
        let [a, b, ..] = self.folded().to_le_bytes();
        [!a, !b]
    }

    /// The sum in 16 bits.
    const fn folded(self) -> u64 {
        // 64 bits leave at most 2^33 - 2, that 2^32 - 1, that 2^17 - 2, and
        // that 2^16 - 1.
        let mut sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        (sum & 0xffff) + (sum >> 16)
    }

    /// Whether a sum of any length, checksum field included, is that of sound
    /// octets.
    pub(crate) const fn is_sound_at_any_length(self) -> bool {
        self.folded() == 0xffff
    }

    /// Whether a sum over a header and its checksum field is that of a sound
    /// one. Of at most 15 words: it costs every reflected frame.
    ///
    /// All ones in 16 bits are a multiple of 65535, and so is what folding
    /// starts from, because 2^16 leaves 1 when divided by 65535.
    #[inline(always)]
    pub(crate) const fn is_sound(self) -> bool {
        // Sound is a folded sum of all ones; a header's version is not 0, so
        // its sum is not either, and no other multiple folds to anything else.
        self.0.is_multiple_of(0xffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_what_a_new_sum_gives() {
        // ICMP echo: 8 to 0, and 128 to 129 of version 6.
        for (old, new) in [([8, 0], [0, 0]), ([128, 0], [129, 0]), ([0, 0], [0xff, 0xff])] {
            for rest in 1..=u16::MAX {
                let [a, b] = rest.to_be_bytes();
                let before = Sum::ZERO.add([old[0], old[1], a, b]).checksum();
                let after = Sum::updated(before, old, new);
                let sum = Sum::ZERO.add([new[0], new[1], a, b]).add([after[0], after[1], 0, 0]);
                assert!(sum.is_sound_at_any_length(), "{rest:#x}: {after:?}");
            }
        }
    }

    #[test]
    fn the_sum_over_a_sound_header_is_all_ones() {
        // RFC 1071 leaves the example to the reader; this header is a ping's.
        let header = [
            0x45, 0x00, 0x00, 0x54, 0x41, 0xe0, 0x40, 0x00, 0x40, 0x01, 0x00, 0x00, 0x0a, 0x00,
            0x00, 0x04, 0x0a, 0x00, 0x00, 0x05,
        ];
        let mut words = 0_u32;
        for pair in header.chunks_exact(2) {
            words += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
        }
        let folded = (words & 0xffff) + (words >> 16);
        let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0);
        let mut sound = header;
        sound[10..12].copy_from_slice(&checksum.to_be_bytes());
        assert!(Sum::of_ipv4(&sound).is_sound());
        for octet in 0..20 {
            for bit in 0..8 {
                let mut damaged = sound;
                damaged[octet] ^= 1 << bit;
                assert!(!Sum::of_ipv4(&damaged).is_sound(), "octet {octet} bit {bit}");
            }
        }
    }
}
