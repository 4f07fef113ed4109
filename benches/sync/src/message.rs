//! What is sent: words that follow from a sequence number, and their sum.
//!
//! A message that was lost, doubled, torn or never written does not pass. All
//! contenders write and read every octet in the same way.

use std::mem::MaybeUninit;

/// Eight octets of a message, wherever they are.
pub(crate) trait Word {
    fn put(&mut self, value: u64);
}

impl Word for u64 {
    fn put(&mut self, value: u64) {
        *self = value;
    }
}

impl Word for MaybeUninit<u64> {
    fn put(&mut self, value: u64) {
        self.write(value);
    }
}

impl Word for [u8; 8] {
    fn put(&mut self, value: u64) {
        *self = value.to_ne_bytes();
    }
}

/// A word that can be read.
pub(crate) trait Readable {
    fn value(&self) -> u64;
}

impl Readable for u64 {
    fn value(&self) -> u64 {
        *self
    }
}

impl Readable for [u8; 8] {
    fn value(&self) -> u64 {
        u64::from_ne_bytes(*self)
    }
}

/// Writes a message: its number, words that follow from it, their sum.
#[inline]
pub(crate) fn fill<W: Word>(message: &mut [W], sequence: u64) {
    let [first, middle @ .., last] = message else { return };
    first.put(sequence);
    let start = start(sequence);
    let mut sum = sequence;
    for (index, word) in (0_u64..).zip(middle) {
        let value = start.wrapping_add(index);
        sum = sum.wrapping_add(value);
        word.put(value);
    }
    last.put(sum);
}

/// Reads a message whole; whether it is the one with this number.
#[inline]
pub(crate) fn is_whole<W: Readable>(message: &[W], sequence: u64) -> bool {
    let [first, middle @ .., last] = message else { return false };
    let sum = middle.iter().fold(first.value(), |sum, word| sum.wrapping_add(word.value()));
    // The middle starts as its number wants: a sum of zeros is no message.
    let starts_well = middle.first().is_none_or(|word| word.value() == start(sequence));
    first.value() == sequence && sum == last.value() && starts_well
}

/// Writes a message into plain octets.
#[inline]
pub(crate) fn fill_octets(message: &mut [u8], sequence: u64) {
    fill(message.as_chunks_mut::<8>().0, sequence);
}

/// Reads a message of plain octets.
#[inline]
pub(crate) fn are_whole_octets(message: &[u8], sequence: u64) -> bool {
    is_whole(message.as_chunks::<8>().0, sequence)
}

/// An odd factor, 2^64 over the golden ratio: neighbours differ in every octet.
fn start(sequence: u64) -> u64 {
    sequence.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_only_as_it_was_written() {
        let mut message = [0_u8; 64];
        assert!(!are_whole_octets(&message, 0), "zeros are no message");
        fill_octets(&mut message, 7);
        assert!(are_whole_octets(&message, 7));
        assert!(!are_whole_octets(&message, 8));
        for index in 0..message.len() {
            let mut torn = message;
            torn[index] ^= 1;
            assert!(!are_whole_octets(&torn, 7), "octet {index}");
        }
    }

    #[test]
    fn halves_of_two_messages_are_no_message() {
        let (mut one, mut other) = ([0_u64; 8], [0_u64; 8]);
        fill(&mut one, 1);
        fill(&mut other, 2);
        for cut in 1..8 {
            let mut torn = other;
            torn[..cut].copy_from_slice(&one[..cut]);
            assert!(!is_whole(&torn, 1) && !is_whole(&torn, 2), "cut at {cut}");
        }
    }
}
