//! The memory of one ring, and the kernel's cursor over it.

use std::sync::Arc;

use farend_af_xdp::ring::{AddressSlot, DescriptorSlot, NEEDS_WAKEUP, RingMemory, Slot};
use farend_core::sync::primitive::{AtomicU32, AtomicU64, Ordering};

/// Makes empty slots.
pub trait NewSlot: Slot {
    /// An empty one.
    fn empty() -> Self;
}

impl NewSlot for AddressSlot {
    fn empty() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl NewSlot for DescriptorSlot {
    fn empty() -> Self {
        Self { address: AtomicU64::new(0), rest: AtomicU64::new(0) }
    }
}

/// A ring that both sides hold.
#[derive(Debug)]
pub struct Ring<S> {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    slots: Vec<S>,
}

/// One side's hold of a ring.
#[derive(Debug)]
pub struct SharedRing<S>(Arc<Ring<S>>);

impl<S> Clone for SharedRing<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: NewSlot> SharedRing<S> {
    /// An empty ring of so many slots, whose words start anywhere.
    #[must_use]
    pub fn new(slots: u32, start: u32) -> Self {
        Self(Arc::new(Ring {
            producer: AtomicU32::new(start),
            consumer: AtomicU32::new(start),
            flags: AtomicU32::new(0),
            slots: (0..slots).map(|_| S::empty()).collect(),
        }))
    }

    /// Asks to be kicked, or not to be.
    pub fn set_needs_wakeup(&self, is_needed: bool) {
        self.0.flags.store(if is_needed { NEEDS_WAKEUP } else { 0 }, Ordering::Release);
    }

    /// Puts an entry in, as the kernel does. `false` if the ring is full.
    ///
    /// # Panics
    ///
    /// If the queue's word cannot be.
    #[must_use]
    pub fn put(&self, entry: S::Entry) -> bool {
        let next = self.0.producer.load(Ordering::Relaxed);
        let taken = self.0.consumer.load(Ordering::Acquire);
        let filled = next.wrapping_sub(taken);
        assert!(filled <= self.size(), "the queue's word of a ring is wrong: {filled}");
        if filled == self.size() {
            return false;
        }
        self.slot(next).write(entry);
        self.0.producer.store(next.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest entry, as the kernel does.
    ///
    /// # Panics
    ///
    /// If the queue's word cannot be.
    #[must_use]
    pub fn take(&self) -> Option<S::Entry> {
        let next = self.0.consumer.load(Ordering::Relaxed);
        let filled = self.0.producer.load(Ordering::Acquire).wrapping_sub(next);
        assert!(filled <= self.size(), "the queue's word of a ring is wrong: {filled}");
        if filled == 0 {
            return None;
        }
        let entry = self.slot(next).read();
        self.0.consumer.store(next.wrapping_add(1), Ordering::Release);
        Some(entry)
    }

    /// What is in the ring now, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<S::Entry> {
        let first = self.0.consumer.load(Ordering::Acquire);
        let filled = self.0.producer.load(Ordering::Acquire).wrapping_sub(first);
        (0..filled).map(|at| self.slot(first.wrapping_add(at)).read()).collect()
    }

    /// Entries that still fit.
    #[must_use]
    pub fn room(&self) -> u32 {
        let taken = self.0.consumer.load(Ordering::Acquire);
        self.size() - self.0.producer.load(Ordering::Acquire).wrapping_sub(taken)
    }

    /// Writes a word of the kernel's that cannot be.
    pub fn corrupt_producer(&self, distance: u32) {
        let word = self.0.producer.load(Ordering::Relaxed);
        self.0.producer.store(word.wrapping_add(distance), Ordering::Release);
    }

    /// As [`corrupt_producer`](Self::corrupt_producer), for the other rings.
    pub fn corrupt_consumer(&self, distance: u32) {
        let word = self.0.consumer.load(Ordering::Relaxed);
        self.0.consumer.store(word.wrapping_add(distance), Ordering::Release);
    }

    fn size(&self) -> u32 {
        u32::try_from(self.0.slots.len()).expect("rings are small here")
    }

    fn slot(&self, index: u32) -> &S {
        &self.0.slots[(index & (self.size() - 1)) as usize]
    }
}

impl<S: Slot> RingMemory for SharedRing<S> {
    type Slot = S;

    fn producer(&self) -> &AtomicU32 {
        &self.0.producer
    }

    fn consumer(&self) -> &AtomicU32 {
        &self.0.consumer
    }

    fn flags(&self) -> &AtomicU32 {
        &self.0.flags
    }

    fn slots(&self) -> &[S] {
        &self.0.slots
    }
}
