//! Memory as it is: shared between threads, or mapped by several processes.
#![expect(unsafe_code, reason = "the only view over a ring's raw memory")]

use core::{marker::PhantomData, ptr::NonNull, slice};

use super::{WORD_OCTETS, prefetch::prefetch};
use crate::{
    ring::LayoutError,
    sync::primitive::{AtomicU32, AtomicU64},
};

/// Memory that a ring lives in: atomic words and, between them, octets that belong
/// to one side at a time.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'m> {
    base: NonNull<u8>,
    octets: usize,
    region: PhantomData<&'m [AtomicU64]>,
}

// SAFETY: the memory is made to be shared. Words are atomics; octets are lent by
// unsafe functions alone, whose callers prove that nobody else has them.
unsafe impl Send for Memory<'_> {}
// SAFETY: as for `Send`: `&Memory` can do no more than `Memory`, which is `Copy`.
unsafe impl Sync for Memory<'_> {}

impl<'m> Memory<'m> {
    /// Takes memory that this process owns: for threads, for firmware, for tests.
    ///
    /// # Errors
    /// [`LayoutError::Misaligned`] on a processor that does not align a `u64` as an
    /// atomic word must be.
    pub fn from_words(words: &'m mut [u64]) -> Result<Self, LayoutError> {
        let octets = size_of_val(words);
        // SAFETY: the words are borrowed exclusively for 'm, so nobody reaches them
        // in another way.
        unsafe { Self::from_raw(NonNull::from(words).cast(), octets) }
    }

    /// Takes memory that was mapped.
    ///
    /// # Errors
    /// [`LayoutError::Misaligned`] if it does not start at a multiple of 8 octets.
    ///
    /// # Safety
    /// For all of `'m`:
    /// - `base..base + octets` is mapped, readable and writable;
    /// - this process reaches it through [`Memory`] alone, be it through one mapping
    ///   or several;
    /// - other processes write there as rings do. One that does not is recognised
    ///   where it can be ([`Error::Corrupt`](crate::ring::Error::Corrupt)) and
    ///   cannot make this side leave the memory, but octets that are lent could
    ///   change while they are read.
    pub unsafe fn from_raw(base: NonNull<u8>, octets: usize) -> Result<Self, LayoutError> {
        if base.cast::<AtomicU64>().is_aligned() {
            Ok(Self { base, octets, region: PhantomData })
        } else {
            Err(LayoutError::Misaligned)
        }
    }

    /// Octets of the memory.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// The part of `octets` octets from `offset`, a multiple of 8; `None` if it is
    /// not all there.
    pub(in crate::ring) fn part(&self, offset: usize, octets: usize) -> Option<Self> {
        if !offset.is_multiple_of(WORD_OCTETS) {
            return None;
        }
        let base = self.start(offset, octets)?;
        Some(Self { base, octets, region: PhantomData })
    }

    /// The word of 32 bits at `offset`, a multiple of 4.
    pub(in crate::ring) fn word32(&self, offset: usize) -> Option<&'m AtomicU32> {
        if !offset.is_multiple_of(size_of::<u32>()) {
            return None;
        }
        let start = self.start(offset, size_of::<u32>())?;
        // SAFETY: four octets are mapped there for 'm and `start` is aligned,
        // because the base is to eight and the offset to four. Words are never
        // lent as octets while somebody else reaches them, and are always
        // accessed with this size.
        Some(unsafe { start.cast::<AtomicU32>().as_ref() })
    }

    /// The word of 64 bits at `offset`, a multiple of 8.
    #[inline(always)]
    pub(in crate::ring) fn word64(&self, offset: usize) -> Option<&'m AtomicU64> {
        if !offset.is_multiple_of(WORD_OCTETS) {
            return None;
        }
        let start = self.start(offset, WORD_OCTETS)?;
        // SAFETY: as in `word32`, with eight for four.
        Some(unsafe { start.cast::<AtomicU64>().as_ref() })
    }

    /// `count` words of 64 bits from `offset`, a multiple of 8.
    #[inline(always)]
    pub(in crate::ring) fn words(&self, offset: usize, count: usize) -> Option<&'m [AtomicU64]> {
        if !offset.is_multiple_of(WORD_OCTETS) {
            return None;
        }
        let start = self.start(offset, count.checked_mul(WORD_OCTETS)?)?;
        // SAFETY: as in `word64`, for each of the words.
        Some(unsafe { slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), count) })
    }

    /// Asks the processor for the cache line at `offset`, if the memory goes so far.
    #[inline(always)]
    pub(in crate::ring) fn prefetch(&self, offset: usize) {
        if let Some(start) = self.start(offset, 1) {
            prefetch(start.as_ptr());
        }
    }

    /// Lends octets to read.
    ///
    /// # Safety
    /// For as long as they are borrowed, every write to them has happened before,
    /// and none is made, by the rules that all sides of the ring follow.
    #[inline(always)]
    pub(in crate::ring) unsafe fn lend(&self, offset: usize, octets: usize) -> Option<&'m [u8]> {
        let start = self.start(offset, octets)?;
        // SAFETY: mapped for 'm, initialised (memory of words, or fresh from the
        // system, is), and not written to, by the caller's promise.
        Some(unsafe { slice::from_raw_parts(start.as_ptr(), octets) })
    }

    /// Lends octets to write.
    ///
    /// # Safety
    /// For as long as they are borrowed, nobody else reaches them, by the rules
    /// that all sides of the ring follow, and every access of others has happened
    /// before.
    #[inline(always)]
    pub(in crate::ring) unsafe fn lend_mut(
        &self,
        offset: usize,
        octets: usize,
    ) -> Option<&'m mut [u8]> {
        let start = self.start(offset, octets)?;
        // SAFETY: mapped and initialised as in `lend`, and nobody else's, by the
        // caller's promise.
        Some(unsafe { slice::from_raw_parts_mut(start.as_ptr(), octets) })
    }

    /// The address of `octets` octets at `offset`, if all are there.
    #[inline(always)]
    fn start(&self, offset: usize, octets: usize) -> Option<NonNull<u8>> {
        if offset > self.octets || octets > self.octets.wrapping_sub(offset) {
            return None;
        }
        // SAFETY: the offset was just compared to lie inside the memory or at its
        // end, and memory that is mapped is one allocation.
        Some(unsafe { self.base.add(offset) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::primitive::Ordering;

    #[test]
    fn words_outside_the_memory_or_across_its_end_do_not_exist() {
        let mut words = [0; 4];
        let memory = Memory::from_words(&mut words).unwrap();
        assert_eq!(memory.octets(), 32);
        assert!(memory.word64(24).is_some());
        assert!(memory.word64(25).is_none());
        assert!(memory.word64(32).is_none());
        assert!(memory.word64(usize::MAX - 7).is_none());
        assert!(memory.word32(28).is_some());
        assert!(memory.word32(30).is_none());
        assert!(memory.words(8, 3).is_some());
        assert!(memory.words(8, 4).is_none());
        assert!(memory.words(8, usize::MAX).is_none());
        assert!(memory.part(8, 24).is_some());
        assert!(memory.part(8, 25).is_none());
        assert!(memory.part(4, 8).is_none());
    }

    #[test]
    fn octets_are_those_of_the_words() {
        let mut words = [0; 2];
        let memory = Memory::from_words(&mut words).unwrap();
        memory.word64(8).unwrap().store(u64::from_ne_bytes(*b"12345678"), Ordering::Relaxed);
        // SAFETY: no other thread has the memory.
        let octets = unsafe { memory.lend(8, 8) };
        assert_eq!(octets, Some(&b"12345678"[..]));
    }

    #[test]
    fn memory_that_is_not_aligned_is_refused() {
        let mut words = [0_u64; 4];
        let base = NonNull::from(&mut words).cast::<u8>();
        // SAFETY: 31 octets from the second one are the array's.
        let base = unsafe { base.add(1) };
        // SAFETY: as above, and nobody else reaches them.
        let memory = unsafe { Memory::from_raw(base, 31) };
        assert_eq!(memory.err(), Some(LayoutError::Misaligned));
    }
}
