//! The side that sends.
#![expect(unsafe_code, reason = "records are written where they lie")]

use core::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use super::{Records, Ring, Side, word};
use crate::{
    ring::{
        Alert, Corruption, Error, Liveness,
        alert::Peers,
        doorbell::Ringer,
        seeded::{Fault, death_point, is_seeded},
        wait::{Peer, Peers as _, Watch, wait_until},
    },
    sync::{Futex, Shared, primitive::Ordering},
};

/// The one producer of a ring.
///
/// [`push`](Self::push) stores a record and [`flush`](Self::flush) wakes the
/// consumer if it sleeps: whoever sends one record calls both, whoever sends many
/// flushes after the last.
pub struct Producer<'m, F: Futex<Shared>, L: Liveness> {
    records: Records<'m>,
    own: Side<'m>,
    peer: Side<'m>,
    /// Where the next record starts.
    position: u64,
    /// Up to where the ring was free when the consumer's cursor was read last.
    free_to: u64,
    /// Where a word is 0 already: after the next record, if that is as long as the last
    /// one. Never where the next record starts, so that this is "nowhere".
    cleared: u64,
    ringer: Ringer,
    watch: Watch,
    system: PhantomData<fn() -> (F, L)>,
}

impl<'m, F: Futex<Shared>, L: Liveness> Producer<'m, F, L> {
    pub(super) fn new(ring: &Ring<'m>) -> Result<Self, Error> {
        let records = Records::of(ring);
        let position = ring.producer.cursor.load(Ordering::Acquire);
        let mut producer = Self {
            records,
            own: ring.producer,
            peer: ring.consumer,
            position,
            free_to: position,
            cleared: position,
            ringer: Ringer::of::<L>(),
            watch: Watch::default(),
            system: PhantomData,
        };
        producer.recover()?;
        Ok(producer)
    }

    /// Goes past what the last producer stored without getting to say so in its
    /// cursor: at most one record and the skip before it. The consumer may have
    /// gone past them already.
    fn recover(&mut self) -> Result<(), Error> {
        if !self.position.is_multiple_of(word::OCTETS) {
            return Err(Corruption::Cursor(self.position).into());
        }
        for _ in 0..2 {
            if is_seeded(Fault::NothingRecovered) {
                break;
            }
            let span = match self.records.find(self.position)? {
                word::Found::Nothing => break,
                word::Found::Record { octets } => word::span(octets),
                word::Found::Skip => self.records.octets_to_end(self.position),
            };
            self.advance(self.position.wrapping_add(span));
        }
        self.cleared = self.position;
        self.see_free()
    }

    /// Octets of the longest record.
    #[must_use]
    pub fn record_octets_max(&self) -> usize {
        usize::try_from(self.records.record_octets_max).unwrap_or(usize::MAX)
    }

    /// Lends room for a record of `octets` octets, to be written in place. `None`
    /// if the ring is full.
    ///
    /// The octets are those of an older record until they are written.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Corrupt`].
    #[inline(always)]
    pub fn reserve(&mut self, octets: usize) -> Result<Option<Loan<'_, 'm, F, L>>, Error> {
        if !self.make_room(octets)? {
            return Ok(None);
        }
        let place = self.records.place(self.position).wrapping_add(size_of::<u64>());
        if is_seeded(Fault::PublishBeforeWrite) {
            let octets = octets as u64;
            self.store(word::record(self.position, octets), word::span(octets))?;
        }
        // Whatever is written into a longer loan is written over the word.
        let end = self.position.wrapping_add(word::span(octets as u64));
        if end != self.cleared && !is_seeded(Fault::StaleGuess) {
            self.cleared = self.position;
        }
        // SAFETY: `make_room` compared position..position + span with what the
        // consumer gave back (Acquire, so its reads have happened before), the
        // claim on this side lets nobody else write, and the loan borrows the
        // producer, so there is one at a time.
        let lent = unsafe { self.records.data.lend_mut(place, octets) };
        let lent = lent.ok_or(Error::Corrupt(Corruption::Missing))?;
        Ok(Some(Loan { octets: lent, producer: self }))
    }

    /// Copies a record into the ring; `false` if the ring is full.
    ///
    /// Does not wake the consumer: see [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Corrupt`].
    #[inline]
    pub fn push(&mut self, record: &[u8]) -> Result<bool, Error> {
        let Some(loan) = self.reserve(record.len())? else { return Ok(false) };
        loan.octets.copy_from_slice(record);
        loan.commit()?;
        Ok(true)
    }

    /// Wakes the consumer, if it sleeps, to see all records so far.
    #[inline]
    pub fn flush(&mut self) {
        self.own.bell.ring::<F>(self.ringer);
    }

    /// Waits until there is room for a record of `octets` octets, at most until
    /// `deadline_ns` of the backend's clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::PeerDied`] or [`Error::PeerLeft`] if nobody is
    /// left who could make room; those of [`reserve`](Self::reserve).
    pub fn wait_room(&mut self, octets: usize, deadline_ns: u64) -> Result<(), Error> {
        if self.make_room(octets)? {
            return Ok(());
        }
        // The consumer may sleep on what was pushed without a flush.
        self.flush();
        let (bell, mut watch) = (self.peer.bell, self.watch);
        let (own, other) = (self.own.claim, self.peer.claim);
        let peer = Peer::<L> { own, other, liveness: PhantomData };
        let look = || self.make_room(octets);
        let waited = wait_until::<F, L>(bell, &mut watch, deadline_ns, look, &peer);
        self.watch = watch;
        waited
    }

    /// Looks closely whether the peer can still receive.
    ///
    /// # Errors
    /// [`Error::PeerDied`] or [`Error::PeerLeft`] if it cannot, even if what it did
    /// before is still to be seen; [`Error::Taken`] in a forked child.
    pub fn check_peer(&self) -> Result<(), Error> {
        let (own, other) = (self.own.claim, self.peer.claim);
        Peer::<L> { own, other, liveness: PhantomData }.check(true)
    }

    /// What this side sleeps for, for somebody who waits in its place.
    #[must_use]
    pub fn alert(&self) -> Alert<'m> {
        Alert::new(self.peer.bell, Peers::One(self.peer.claim))
    }

    /// Whether a consumer has ever come and has not left; a dead one counts until
    /// somebody waits for it.
    #[must_use]
    pub fn has_consumer(&self) -> bool {
        self.peer.claim.owner().is_process()
    }

    /// Makes sure that a record fits at `position`, skipping the end of the memory
    /// if it must; `false` if the ring is too full.
    #[inline(always)]
    fn make_room(&mut self, octets: usize) -> Result<bool, Error> {
        let octets = octets as u64;
        if octets > self.records.record_octets_max {
            return Err(self.too_long(octets));
        }
        let span = word::span(octets);
        let to_end = self.records.octets_to_end(self.position);
        let skipped = if span > to_end { to_end } else { 0 };
        // One word more: the next record's is set to 0 with this one.
        let next = if is_seeded(Fault::NoRoomForTheNextWord) { 0 } else { word::OCTETS };
        let wanted = skipped.wrapping_add(span).wrapping_add(next);
        if self.free_to.wrapping_sub(self.position) < wanted {
            self.see_free()?;
            if self.free_to.wrapping_sub(self.position) < wanted {
                return Ok(false);
            }
        }
        if skipped != 0 {
            self.store(word::skip(self.position), skipped)?;
        }
        Ok(true)
    }

    /// Reads how far the consumer is.
    #[cold]
    fn see_free(&mut self) -> Result<(), Error> {
        // Acquire: pairs with the consumer's Release in `flush`; its reads of what
        // it gave back have happened before.
        let head = self.peer.cursor.load(Ordering::Acquire);
        let used = self.position.wrapping_sub(head);
        if used > self.records.capacity() || !head.is_multiple_of(word::OCTETS) {
            return Err(Corruption::Cursor(head).into());
        }
        self.free_to = head.wrapping_add(self.records.capacity());
        if is_seeded(Fault::StaleCursor) {
            self.free_to = self.free_to.wrapping_add(word::OCTETS);
        }
        Ok(())
    }

    /// Stores the word of what stands at `position`, `span` octets long.
    #[inline(always)]
    fn store(&mut self, word: u64, span: u64) -> Result<(), Error> {
        let next = self.position.wrapping_add(span);
        // Relaxed: the Release below orders it before the word, and the consumer
        // looks here only after it has seen that.
        if next != self.cleared && !is_seeded(Fault::NextWordKept) {
            self.records.word(next)?.store(0, Ordering::Relaxed);
        }
        // Release: pairs with the consumer's Acquire in `Records::find`; the
        // record's octets and the 0 after them have happened before.
        let order = if is_seeded(Fault::PublishWithoutRelease) {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        death_point();
        self.records.word(self.position)?.store(word, order);
        death_point();
        self.advance(next);
        death_point();
        self.clear_ahead(span)
    }

    /// Clears the word after the next record, if that is as long as the last one was,
    /// and is free.
    ///
    /// The line with that word is then this processor's before the next record is
    /// written: otherwise that record would be seen only once the line has come from
    /// the consumer's.
    #[inline(always)]
    fn clear_ahead(&mut self, span: u64) -> Result<(), Error> {
        let room = self.free_to.wrapping_sub(self.position);
        let fits = room >= span.wrapping_add(word::OCTETS) || is_seeded(Fault::ClearedTooFar);
        if fits && span <= self.records.octets_to_end(self.position) {
            self.cleared = self.position.wrapping_add(span);
            // Relaxed: ordered before the next record's word as if it were stored with it.
            self.records.word(self.cleared)?.store(0, Ordering::Relaxed);
        } else {
            self.cleared = self.position;
        }
        Ok(())
    }

    #[inline(always)]
    fn advance(&mut self, position: u64) {
        self.position = position;
        // Release: for a producer that takes over, so that it finds the word too.
        self.own.cursor.store(position, Ordering::Release);
    }

    #[cold]
    fn too_long(&self, octets: u64) -> Error {
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        Error::TooLong { octets, octets_max: self.record_octets_max() }
    }
}

impl<F: Futex<Shared>, L: Liveness> Drop for Producer<'_, F, L> {
    fn drop(&mut self) {
        self.own.claim.leave::<L>();
        // The consumer learns that nothing more comes.
        self.own.bell.ring::<F>(Ringer::Even);
    }
}

impl<F: Futex<Shared>, L: Liveness> core::fmt::Debug for Producer<'_, F, L> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Producer")
            .field("position", &self.position)
            .field("capacity", &self.records.capacity())
            .finish_non_exhaustive()
    }
}

/// Room for one record, to be written in place. Nothing is sent until it is
/// committed; dropping it gives the room back.
#[must_use]
#[derive(Debug)]
pub struct Loan<'p, 'm, F: Futex<Shared>, L: Liveness> {
    octets: &'p mut [u8],
    producer: &'p mut Producer<'m, F, L>,
}

impl<'p, 'm, F: Futex<Shared>, L: Liveness> Loan<'p, 'm, F, L> {
    /// Sends the record. Does not wake the consumer: see [`Producer::flush`].
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    #[inline]
    pub fn commit(self) -> Result<(), Error> {
        let octets = self.octets.len();
        self.commit_first(octets)
    }

    /// Sends the record and wakes the consumer, if it sleeps.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    #[inline]
    pub fn send(self) -> Result<(), Error> {
        let octets = self.octets.len();
        let producer = self.commit_octets(octets)?;
        producer.flush();
        Ok(())
    }

    /// Sends the first `octets` octets as the record, or all if they are fewer.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    #[inline]
    pub fn commit_first(self, octets: usize) -> Result<(), Error> {
        self.commit_octets(octets).map(|_| ())
    }

    #[inline(always)]
    fn commit_octets(self, octets: usize) -> Result<&'p mut Producer<'m, F, L>, Error> {
        let octets = octets.min(self.octets.len()) as u64;
        if !is_seeded(Fault::PublishBeforeWrite) {
            let word = word::record(self.producer.position, octets);
            self.producer.store(word, word::span(octets))?;
        }
        Ok(self.producer)
    }
}

impl<F: Futex<Shared>, L: Liveness> Deref for Loan<'_, '_, F, L> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets
    }
}

impl<F: Futex<Shared>, L: Liveness> DerefMut for Loan<'_, '_, F, L> {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.octets
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
impl<F: Futex<Shared>, L: Liveness> Producer<'_, F, L> {
    /// Where the shared cursor stands.
    pub(in crate::ring) fn cursor(&self) -> u64 {
        self.own.cursor.load(Ordering::Relaxed)
    }

    /// Sets the shared cursor back, as a producer that is killed leaves it.
    pub(in crate::ring) fn set_back(&self, cursor: u64) {
        self.own.cursor.store(cursor, Ordering::Relaxed);
    }
}
