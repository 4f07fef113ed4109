//! The side that puts entries in.

use farend_core::sync::primitive::{Ordering, fence};

use super::{NEEDS_WAKEUP, RingError, RingMemory, Slot, size_of_ring};
use crate::seeded::{Fault, is_seeded};

/// Puts entries into a ring that the kernel takes them out of.
#[derive(Debug)]
pub struct Producer<M> {
    memory: M,
    size: u32,
    /// Our word: what was ever submitted.
    submitted: u32,
    /// The kernel's word when we last looked.
    cached_consumer: u32,
}

impl<M: RingMemory> Producer<M> {
    /// Goes on where the words stand.
    ///
    /// # Errors
    ///
    /// [`RingError`] for memory that is no ring.
    pub fn new(memory: M) -> Result<Self, RingError> {
        let size = size_of_ring(&memory)?;
        // Relaxed: our own word, which only who mapped the ring wrote.
        let submitted = memory.producer().load(Ordering::Relaxed);
        // As full as can be, so that the first reservation looks.
        let cached_consumer = submitted.wrapping_sub(size);
        Ok(Self { memory, size, submitted, cached_consumer })
    }

    /// Slots of the ring.
    #[must_use]
    #[inline(always)]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Sets up to `wanted` slots aside, as many as are free.
    ///
    /// # Errors
    ///
    /// [`RingError::Corrupt`]
    #[inline(always)]
    pub fn reserve(&mut self, wanted: u32) -> Result<Reserved<'_, M>, RingError> {
        let mut room = self.room();
        if room < wanted {
            self.look()?;
            room = self.room();
        }
        let room = if room < wanted { room } else { wanted };
        let Self { memory, submitted, .. } = self;
        let memory = &*memory;
        Ok(Reserved { memory, slots: memory.slots(), next: *submitted, submitted, room })
    }

    /// Entries that the kernel has not taken yet.
    ///
    /// # Errors
    ///
    /// [`RingError::Corrupt`]
    #[inline]
    pub fn untaken(&mut self) -> Result<u32, RingError> {
        self.look()?;
        Ok(self.submitted.wrapping_sub(self.cached_consumer))
    }

    /// Entries ever submitted, as the ring counts them.
    #[must_use]
    pub const fn submitted(&self) -> u32 {
        self.submitted
    }

    /// Entries that the kernel had ever taken when last looked at.
    #[must_use]
    pub const fn taken(&self) -> u32 {
        self.cached_consumer
    }

    /// Whether the kernel wants to be told about new entries.
    #[must_use]
    #[inline]
    pub fn needs_wakeup(&self) -> bool {
        // The kernel asks for a kick and then looks once more for entries; we
        // submit and then look for its question. Unless each side's store is
        // seen before its load, both could miss the other.
        fence(Ordering::SeqCst);
        self.memory.flags().load(Ordering::Relaxed) & NEEDS_WAKEUP != 0
    }

    #[inline(always)]
    fn room(&self) -> u32 {
        self.size.wrapping_sub(self.submitted.wrapping_sub(self.cached_consumer))
    }

    /// Looks at the kernel's word.
    #[inline]
    fn look(&mut self) -> Result<(), RingError> {
        if is_seeded(Fault::StaleConsumer) {
            // As if all that was submitted had been taken.
            self.cached_consumer = self.submitted;
            return Ok(());
        }
        // Acquire: pairs with the kernel's release of the slots that it has
        // read; ours are written after it.
        let consumer = self.memory.consumer().load(Ordering::Acquire);
        if self.submitted.wrapping_sub(consumer) > self.size {
            return Err(RingError::Corrupt { ours: self.submitted, theirs: consumer });
        }
        self.cached_consumer = consumer;
        Ok(())
    }
}

/// Slots that were set aside. What is put into them is the kernel's once
/// [submitted](Self::submit); before, it is forgotten when dropped.
#[must_use = "entries that are not submitted are forgotten"]
pub struct Reserved<'ring, M: RingMemory> {
    memory: &'ring M,
    slots: &'ring [M::Slot],
    submitted: &'ring mut u32,
    /// Our word once the entries so far are submitted.
    next: u32,
    room: u32,
}

impl<'ring, M: RingMemory> Reserved<'ring, M> {
    /// Slots that are left.
    #[must_use]
    #[inline(always)]
    pub const fn room(&self) -> u32 {
        self.room
    }

    /// Puts one entry in; `false` if no slot is left.
    #[inline(always)]
    pub fn push(&mut self, entry: <M::Slot as Slot>::Entry) -> bool {
        if self.room == 0 {
            return false;
        }
        let mask = self.slots.len().wrapping_sub(1);
        // The mask keeps it in the ring: the slot is there.
        let Some(slot) = self.slots.get(self.next as usize & mask) else { return false };
        if is_seeded(Fault::PublishBeforeWrite) {
            self.memory.producer().store(self.next.wrapping_add(1), Ordering::Release);
        }
        slot.write(entry);
        self.next = self.next.wrapping_add(1);
        self.room = self.room.wrapping_sub(1);
        true
    }

    /// Slots that are left and stand in a row; write into them from the first
    /// one on and [`advance`](Self::advance). None means that none are left.
    #[must_use]
    #[inline(always)]
    pub fn row(&self) -> &'ring [M::Slot] {
        let mask = self.slots.len().wrapping_sub(1);
        let row = self.slots.get(self.next as usize & mask..).unwrap_or_default();
        row.get(..self.room as usize).unwrap_or(row)
    }

    /// Says that so many slots of the row were written.
    #[inline(always)]
    pub const fn advance(&mut self, written: u32) {
        let written = if written < self.room { written } else { self.room };
        self.next = self.next.wrapping_add(written);
        self.room = self.room.wrapping_sub(written);
    }

    /// Gives the entries to the kernel.
    #[inline(always)]
    pub fn submit(self) {
        if self.next != *self.submitted {
            *self.submitted = self.next;
            // Release: pairs with the kernel's acquire before it reads the
            // slots; they are written by then, and so are the frames.
            let order =
                if is_seeded(Fault::SubmitRelaxed) { Ordering::Relaxed } else { Ordering::Release };
            self.memory.producer().store(self.next, order);
        }
    }
}
