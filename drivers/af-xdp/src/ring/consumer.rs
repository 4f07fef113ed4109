//! The side that takes entries out.

use farend_core::sync::primitive::Ordering;

use super::{RingError, RingMemory, Slot, size_of_ring};
use crate::seeded::{Fault, is_seeded};

/// Takes entries out of a ring that the kernel puts them into.
#[derive(Debug)]
pub struct Consumer<M> {
    memory: M,
    size: u32,
    /// Our word: what was ever released.
    released: u32,
    /// The kernel's word when we last looked.
    cached_producer: u32,
}

impl<M: RingMemory> Consumer<M> {
    /// Goes on where the words stand.
    ///
    /// # Errors
    ///
    /// [`RingError`] for memory that is no ring.
    pub fn new(memory: M) -> Result<Self, RingError> {
        let size = size_of_ring(&memory)?;
        // Relaxed: our own word, which only who mapped the ring wrote.
        let released = memory.consumer().load(Ordering::Relaxed);
        Ok(Self { memory, size, released, cached_producer: released })
    }

    /// Slots of the ring.
    #[must_use]
    #[inline(always)]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Looks at up to `wanted` entries, as many as there are. They stay in the
    /// ring until they are [released](Peeked::release).
    ///
    /// # Errors
    ///
    /// [`RingError::Corrupt`]
    #[inline(always)]
    pub fn peek(&mut self, wanted: u32) -> Result<Peeked<'_, M>, RingError> {
        let mut ready = self.cached();
        if ready < wanted {
            self.look()?;
            ready = self.cached();
        }
        let len = if ready < wanted { ready } else { wanted };
        let Self { memory, released, .. } = self;
        let memory = &*memory;
        Ok(Peeked { memory, slots: memory.slots(), first: *released, released, len })
    }

    /// Entries that are there to be taken.
    ///
    /// # Errors
    ///
    /// [`RingError::Corrupt`]
    pub fn ready(&mut self) -> Result<u32, RingError> {
        self.look()?;
        Ok(self.cached())
    }

    /// Entries ever taken out, as the ring counts them.
    #[must_use]
    pub const fn released(&self) -> u32 {
        self.released
    }

    #[inline(always)]
    fn cached(&self) -> u32 {
        self.cached_producer.wrapping_sub(self.released)
    }

    /// Looks at the kernel's word.
    #[inline]
    fn look(&mut self) -> Result<(), RingError> {
        // Acquire: pairs with the kernel's release of the slots that it has
        // written; they, and their frames, are read after it.
        let order =
            if is_seeded(Fault::LookRelaxed) { Ordering::Relaxed } else { Ordering::Acquire };
        let producer = self.memory.producer().load(order);
        if producer.wrapping_sub(self.released) > self.size {
            return Err(RingError::Corrupt { ours: self.released, theirs: producer });
        }
        self.cached_producer = producer;
        Ok(())
    }
}

/// Entries that are looked at.
#[must_use = "entries that are not released stay in the ring"]
pub struct Peeked<'ring, M: RingMemory> {
    memory: &'ring M,
    slots: &'ring [M::Slot],
    released: &'ring mut u32,
    first: u32,
    len: u32,
}

impl<'ring, M: RingMemory> Peeked<'ring, M> {
    /// Entries to look at.
    #[must_use]
    #[inline(always)]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry at this place, counted from the oldest one.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, at: u32) -> Option<<M::Slot as Slot>::Entry> {
        if at >= self.len {
            return None;
        }
        let mask = self.slots.len().wrapping_sub(1);
        self.slots.get(self.first.wrapping_add(at) as usize & mask).map(Slot::read)
    }

    /// The entries from this place on that stand in a row. None means that
    /// there are no more.
    #[must_use]
    #[inline(always)]
    pub fn row(&self, at: u32) -> &'ring [M::Slot] {
        let mask = self.slots.len().wrapping_sub(1);
        let first = self.first.wrapping_add(at) as usize & mask;
        let row = self.slots.get(first..).unwrap_or_default();
        row.get(..self.len.saturating_sub(at) as usize).unwrap_or(row)
    }

    /// Gives the slots of the `count` oldest entries back to the kernel.
    #[inline(always)]
    pub fn release(self, count: u32) {
        let count = if count < self.len { count } else { self.len };
        if is_seeded(Fault::NoRelease) {
            return;
        }
        if count > 0 {
            *self.released = self.first.wrapping_add(count);
            // Release: pairs with the kernel's acquire before it writes into
            // the slots again; they are read by then.
            self.memory.consumer().store(*self.released, Ordering::Release);
        }
    }
}
