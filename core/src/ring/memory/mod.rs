//! The memory of a ring, seen as words and as octets.

#[cfg(not(any(farend_loom, farend_shuttle)))]
mod mapped;
#[cfg(any(farend_loom, farend_shuttle))]
mod modelled;
#[cfg_attr(any(farend_loom, farend_shuttle), expect(dead_code, reason = "models have no caches"))]
mod prefetch;

#[cfg(not(any(farend_loom, farend_shuttle)))]
pub use mapped::Memory;
#[cfg(any(farend_loom, farend_shuttle))]
pub use modelled::Memory;

pub(super) use self::prefetch::FETCHED_OCTETS;
use crate::sync::primitive::{AtomicU64, Ordering};

/// Octets of a word.
const WORD_OCTETS: usize = size_of::<u64>();

/// Copies octets into words, the last of which is filled up with zeros.
///
/// Octets without a word for them are left out.
#[inline(always)]
pub(super) fn store_words(words: &[AtomicU64], octets: &[u8]) {
    let (whole, rest) = octets.as_chunks::<WORD_OCTETS>();
    let mut words = words.iter();
    for (octets, word) in whole.iter().zip(&mut words) {
        word.store(u64::from_ne_bytes(*octets), Ordering::Relaxed);
    }
    if let (false, Some(word)) = (rest.is_empty(), words.next()) {
        let mut last = [0; WORD_OCTETS];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(last), Ordering::Relaxed);
    }
}

/// Copies words into octets, as many as there are of both.
#[inline(always)]
pub(super) fn load_words(words: &[AtomicU64], octets: &mut [u8]) {
    let (whole, rest) = octets.as_chunks_mut::<WORD_OCTETS>();
    let mut words = words.iter();
    for (octets, word) in whole.iter_mut().zip(&mut words) {
        *octets = word.load(Ordering::Relaxed).to_ne_bytes();
    }
    if let (false, Some(word)) = (rest.is_empty(), words.next()) {
        let last = word.load(Ordering::Relaxed).to_ne_bytes();
        for (to, from) in rest.iter_mut().zip(last) {
            *to = from;
        }
    }
}
