//! One producer, one consumer, records of any length.
//!
//! | offset | octets | what | written by |
//! |---|---|---|---|
//! | 0 | 128 | header ([`layout`](super::layout)) | creator |
//! | 128 | 8 | who the producer is | producer |
//! | 136 | 8 | `tail`: where the next record starts | producer |
//! | 144 | 8 | doorbell of the consumer | both, rarely the consumer |
//! | 256 | 8 | who the consumer is | consumer |
//! | 264 | 8 | `head`: where the oldest record starts | consumer |
//! | 272 | 8 | doorbell of the producer | both, rarely the producer |
//! | 384 | capacity | records | producer |
//!
//! Positions count octets from the ring's start and never turn round; the place of
//! a position is its remainder by the capacity. Each record is a word and its
//! octets, at a multiple of 8. The word says whether there is a record: 0 is none
//! yet. So the consumer waits on the very cache line that the record starts in,
//! and needs no cursor of the producer's. To keep that true, the producer stores 0
//! where the *next* record will start before it stores the word of this one.
//!
//! A record does not turn round at the end of the memory: the rest is skipped by a
//! word that says so. A record takes at most half of the ring, so that it fits
//! wherever the ring stands.
//!
//! `tail` is for a producer that takes over from a dead one, `head` tells the
//! producer what is free. Both sides work with copies of their own, and look at
//! the other's only when theirs says full.

mod consumer;
mod producer;
mod word;

pub use consumer::Consumer;
pub use producer::{Loan, Producer};

use super::{
    Error, Kind, LINE_OCTETS, Layout, LayoutError, Liveness, Memory,
    doorbell::{Doorbell, Ringer},
    layout::HEADER_OCTETS,
    owner::Claim,
};
use crate::sync::{
    Futex, Shared,
    primitive::{AtomicU64, Ordering},
};

/// Where records start.
pub(super) const DATA_OFFSET: usize = CONSUMER_OFFSET + LINE_OCTETS;

const PRODUCER_OFFSET: usize = HEADER_OCTETS;
const CONSUMER_OFFSET: usize = PRODUCER_OFFSET + LINE_OCTETS;

/// The least octets for records that a ring has.
pub const CAPACITY_OCTETS_MIN: u64 = 32;

/// Octets of the longest record in a ring of this capacity: a record and its word
/// take at most half of it.
pub(super) const fn record_octets_max(capacity_octets: u64) -> u64 {
    let half = capacity_octets / 2;
    let octets = half.saturating_sub(word::OCTETS);
    if octets > word::RECORD_OCTETS_MAX { word::RECORD_OCTETS_MAX } else { octets }
}

/// A ring, seen by neither of its sides.
#[derive(Debug, Clone, Copy)]
pub struct Ring<'m> {
    layout: Layout,
    producer: Side<'m>,
    consumer: Side<'m>,
    data: Memory<'m>,
}

/// The words of one side.
#[derive(Debug, Clone, Copy)]
struct Side<'m> {
    claim: Claim<'m>,
    cursor: &'m AtomicU64,
    /// Rung by this side, for the other to hear.
    bell: Doorbell<'m>,
}

impl<'m> Ring<'m> {
    /// Makes a ring in memory that is all zero. `realm` says where process ids are
    /// known (on Linux, the pid namespace); 0 if there is one realm only.
    ///
    /// # Errors
    /// [`LayoutError::Capacity`], [`LayoutError::Truncated`],
    /// [`LayoutError::NotBlank`].
    pub fn create<L: Liveness>(
        memory: Memory<'m>,
        capacity_octets: u64,
        realm: u64,
    ) -> Result<Self, LayoutError> {
        let layout = Layout::spsc(capacity_octets)?;
        layout.write::<L>(&memory, realm)?;
        let ring = Self::of(&memory, layout)?;
        Layout::publish(&memory)?;
        Ok(ring)
    }

    /// The ring of `capacity_octets` in memory whose users know without a header what is
    /// there. All zero, it is a ring that nobody has used; the header's octets are not.
    ///
    /// # Errors
    /// [`LayoutError::Capacity`], [`LayoutError::Truncated`].
    pub fn without_header(memory: Memory<'m>, capacity_octets: u64) -> Result<Self, LayoutError> {
        Self::of(&memory, Layout::spsc(capacity_octets)?)
    }

    /// Takes a ring that another process or thread has made.
    ///
    /// # Errors
    /// [`LayoutError`], if it is none of this kind and version.
    pub fn open(memory: Memory<'m>) -> Result<Self, LayoutError> {
        let layout = Layout::read_kind(&memory, Kind::Spsc)?;
        Self::of(&memory, layout)
    }

    /// What the ring is like.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Becomes the ring's producer. If the last one died, the new one goes on
    /// after its last whole record.
    ///
    /// # Errors
    /// [`Error::Taken`] by a living producer; [`Error::Corrupt`].
    pub fn producer<F: Futex<Shared>, L: Liveness>(&self) -> Result<Producer<'m, F, L>, Error> {
        self.producer.claim.take::<L>()?;
        // A consumer that sleeps learns for whom.
        self.producer.bell.ring::<F>(Ringer::Even);
        Producer::new(self).inspect_err(|_| self.producer.claim.leave::<L>())
    }

    /// Becomes the ring's consumer. If the last one died, the new one goes on at
    /// the oldest record that was not given back: it may see some of the last
    /// one's again.
    ///
    /// # Errors
    /// [`Error::Taken`] by a living consumer; [`Error::Corrupt`].
    pub fn consumer<F: Futex<Shared>, L: Liveness>(&self) -> Result<Consumer<'m, F, L>, Error> {
        self.consumer.claim.take::<L>()?;
        // A producer that sleeps learns for whom.
        self.consumer.bell.ring::<F>(Ringer::Even);
        Consumer::new(self).inspect_err(|_| self.consumer.claim.leave::<L>())
    }

    fn of(memory: &Memory<'m>, layout: Layout) -> Result<Self, LayoutError> {
        let capacity = usize::try_from(layout.capacity()).unwrap_or(usize::MAX);
        let truncated =
            LayoutError::Truncated { octets: memory.octets() as u64, wanted: layout.octets() };
        let data = memory.part(DATA_OFFSET, capacity).ok_or(truncated)?;
        let producer = Side::at(memory, PRODUCER_OFFSET).ok_or(truncated)?;
        let consumer = Side::at(memory, CONSUMER_OFFSET).ok_or(truncated)?;
        Ok(Self { layout, producer, consumer, data })
    }
}

impl<'m> Side<'m> {
    fn at(memory: &Memory<'m>, offset: usize) -> Option<Self> {
        Some(Self {
            claim: Claim(memory.word64(offset)?),
            cursor: memory.word64(offset.checked_add(8)?)?,
            bell: Doorbell::at(memory, offset.checked_add(16)?)?,
        })
    }
}

/// The records' memory, by position.
#[derive(Debug, Clone, Copy)]
struct Records<'m> {
    data: Memory<'m>,
    mask: u64,
    record_octets_max: u64,
}

impl<'m> Records<'m> {
    fn of(ring: &Ring<'m>) -> Self {
        Self {
            data: ring.data,
            mask: ring.layout.capacity().wrapping_sub(1),
            record_octets_max: ring.layout.message_octets_max(),
        }
    }

    #[inline(always)]
    fn capacity(&self) -> u64 {
        self.mask.wrapping_add(1)
    }

    /// The place of a position in the memory.
    #[inline(always)]
    fn place(&self, position: u64) -> usize {
        // The memory has a `usize` of octets, so the place fits.
        usize::try_from(position & self.mask).unwrap_or(usize::MAX)
    }

    /// Octets from a position to the end of the memory.
    #[inline(always)]
    fn octets_to_end(&self, position: u64) -> u64 {
        self.capacity().wrapping_sub(position & self.mask)
    }

    /// The word of the record at a position.
    #[inline(always)]
    fn word(&self, position: u64) -> Result<&'m AtomicU64, Error> {
        let missing = Error::Corrupt(super::Corruption::Missing);
        self.data.word64(self.place(position)).ok_or(missing)
    }

    /// What the word at a position says, and all that was written before it.
    #[inline(always)]
    fn find(&self, position: u64) -> Result<word::Found, Error> {
        // Acquire: pairs with the producer's Release when it stores the word.
        let found = self.word(position)?.load(Ordering::Acquire);
        word::Found::read(found, position, self.octets_to_end(position), self.record_octets_max)
    }
}
