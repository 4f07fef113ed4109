//! Memory for the model checkers: each word an atomic of theirs, and beside the
//! octets what tells whether two accesses could come at the same time.
#![expect(unsafe_code, reason = "lends octets as mapped memory does")]

use std::{boxed::Box, cell::UnsafeCell, slice, vec::Vec};

use super::WORD_OCTETS;
use crate::sync::primitive::{AtomicU32, AtomicU64, Ordering};

/// As the memory of programs, but for the model checkers.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'m> {
    model: &'m Model,
    start: usize,
    octets: usize,
}

#[derive(Debug)]
struct Model {
    words64: Vec<AtomicU64>,
    words32: Vec<AtomicU32>,
    lent: Vec<Lent>,
    octets: Box<[UnsafeCell<u8>]>,
}

// SAFETY: the octets are reached through `lend` and `lend_mut` alone, whose callers
// promise what `Memory` asks for; the checker finds out whether they keep it.
unsafe impl Sync for Model {}
// SAFETY: as for `Sync`.
unsafe impl Send for Model {}

/// What a word is once its octets were lent to be written.
const WRITTEN_OVER: u64 = 0xEEEE_EEEE_EEEE_EEEE;

/// Eight octets that are lent as a whole.
#[cfg(farend_loom)]
#[derive(Debug)]
struct Lent(loom::cell::UnsafeCell<()>);

#[cfg(farend_loom)]
impl Lent {
    fn new() -> Self {
        Self(loom::cell::UnsafeCell::new(()))
    }

    /// Fails the model if a write could come at the same time.
    fn read(&self) {
        self.0.with(|_| ());
    }

    /// Fails the model if any access could come at the same time.
    fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

/// Shuttle knows one order of all steps: it finds wrong content instead.
#[cfg(farend_shuttle)]
#[derive(Debug)]
struct Lent;

#[cfg(farend_shuttle)]
impl Lent {
    fn new() -> Self {
        Self
    }

    fn read(&self) {}

    fn write(&self) {}
}

impl<'m> Memory<'m> {
    /// Memory of so many octets, all zero; never given back.
    #[must_use]
    pub fn leak(octets: usize) -> Memory<'static> {
        let words = octets / WORD_OCTETS;
        let model = Model {
            words64: (0..words).map(|_| AtomicU64::new(0)).collect(),
            words32: (0..2 * words).map(|_| AtomicU32::new(0)).collect(),
            lent: (0..words).map(|_| Lent::new()).collect(),
            octets: (0..octets).map(|_| UnsafeCell::new(0)).collect(),
        };
        Memory { model: Box::leak(Box::new(model)), start: 0, octets }
    }

    /// Octets of the memory.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    pub(in crate::ring) fn part(&self, offset: usize, octets: usize) -> Option<Self> {
        let start = self.place(offset, octets, WORD_OCTETS)?;
        Some(Self { start, octets, ..*self })
    }

    pub(in crate::ring) fn word32(&self, offset: usize) -> Option<&'m AtomicU32> {
        let octets = size_of::<u32>();
        self.model.words32.get(self.place(offset, octets, octets)? / octets)
    }

    pub(in crate::ring) fn word64(&self, offset: usize) -> Option<&'m AtomicU64> {
        self.model.words64.get(self.place(offset, WORD_OCTETS, WORD_OCTETS)? / WORD_OCTETS)
    }

    pub(in crate::ring) fn words(&self, offset: usize, count: usize) -> Option<&'m [AtomicU64]> {
        let octets = count.checked_mul(WORD_OCTETS)?;
        let first = self.place(offset, octets, WORD_OCTETS)? / WORD_OCTETS;
        self.model.words64.get(first..first.checked_add(count)?)
    }

    /// Changes nothing that a model could see.
    pub(in crate::ring) fn prefetch(&self, _offset: usize) {}

    /// # Safety
    /// As for the memory of programs.
    pub(in crate::ring) unsafe fn lend(&self, offset: usize, octets: usize) -> Option<&'m [u8]> {
        let start = self.place(offset, octets, WORD_OCTETS)?;
        self.lent(start, octets)?.iter().for_each(Lent::read);
        let start = self.model.octets.get(start)?.get();
        // SAFETY: compared above to lie in the model, which is never dropped; no
        // write comes meanwhile, by the caller's promise.
        Some(unsafe { slice::from_raw_parts(start, octets) })
    }

    /// # Safety
    /// As for the memory of programs.
    pub(in crate::ring) unsafe fn lend_mut(
        &self,
        offset: usize,
        octets: usize,
    ) -> Option<&'m mut [u8]> {
        let start = self.place(offset, octets, WORD_OCTETS)?;
        self.lent(start, octets)?.iter().for_each(Lent::write);
        // What is written there is no word that anybody stores.
        let first = start / WORD_OCTETS;
        let words = self.model.words64.get(first..first + octets.div_ceil(WORD_OCTETS))?;
        words.iter().for_each(|word| word.store(WRITTEN_OVER, Ordering::Relaxed));
        let start = self.model.octets.get(start)?.get();
        // SAFETY: as in `lend`, and no other access, by the caller's promise.
        Some(unsafe { slice::from_raw_parts_mut(start, octets) })
    }

    fn lent(&self, start: usize, octets: usize) -> Option<&'m [Lent]> {
        let first = start / WORD_OCTETS;
        self.model.lent.get(first..first.checked_add(octets.div_ceil(WORD_OCTETS))?)
    }

    /// Where `octets` octets at an aligned offset start in the model.
    fn place(&self, offset: usize, octets: usize, alignment: usize) -> Option<usize> {
        if !offset.is_multiple_of(alignment)
            || offset > self.octets
            || octets > self.octets.wrapping_sub(offset)
        {
            return None;
        }
        self.start.checked_add(offset)
    }
}
