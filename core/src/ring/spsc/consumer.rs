//! The side that receives.
#![expect(unsafe_code, reason = "records are read where they lie")]

use core::marker::PhantomData;

use super::{Records, Ring, Side, word};
use crate::{
    ring::{
        Alert, Corruption, Error, Liveness,
        alert::Peers,
        doorbell::Ringer,
        memory::{FETCHED_OCTETS, load_words},
        seeded::{Fault, death_point, is_seeded},
        wait::{Peer, Peers as _, Watch, wait_until},
    },
    sync::{
        Futex, Shared,
        primitive::{Ordering, fence},
    },
};

/// The one consumer of a ring.
///
/// [`peek`](Self::peek) shows the oldest record where it lies,
/// [`release`](Self::release) goes on to the next. Room is given back to the
/// producer in groups, at the latest when the ring is found empty.
pub struct Consumer<'m, F: Futex<Shared>, L: Liveness> {
    records: Records<'m>,
    own: Side<'m>,
    peer: Side<'m>,
    /// Where the oldest unread record starts.
    position: u64,
    /// Octets of the record at `position` with its word, if it was peeked; else 0.
    span: u64,
    /// Up to where room was given back.
    given_back_to: u64,
    ringer: Ringer,
    watch: Watch,
    system: PhantomData<fn() -> (F, L)>,
}

impl<'m, F: Futex<Shared>, L: Liveness> Consumer<'m, F, L> {
    pub(super) fn new(ring: &Ring<'m>) -> Result<Self, Error> {
        let position = ring.consumer.cursor.load(Ordering::Acquire);
        if !position.is_multiple_of(word::OCTETS) {
            return Err(Corruption::Cursor(position).into());
        }
        Ok(Self {
            records: Records::of(ring),
            own: ring.consumer,
            peer: ring.producer,
            position,
            span: 0,
            given_back_to: position,
            ringer: Ringer::of::<L>(),
            watch: Watch::default(),
            system: PhantomData,
        })
    }

    /// Shows the oldest record that was not released; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    #[inline]
    pub fn peek(&mut self) -> Result<Option<&[u8]>, Error> {
        let Some(octets) = self.find()? else {
            self.span = 0;
            return Ok(None);
        };
        self.span = word::span(octets);
        let octets = usize::try_from(octets).unwrap_or(usize::MAX);
        let place = self.records.place(self.position).wrapping_add(size_of::<u64>());
        if is_seeded(Fault::GivenBackEarly) {
            self.own.cursor.store(self.position.wrapping_add(self.span), Ordering::Release);
        }
        // SAFETY: the word was loaded with Acquire, so the producer's writes to the
        // record have happened before. The producer makes none until the record is
        // given back, which needs this consumer, which is borrowed; and the claim
        // on this side lets nobody else give it back.
        let lent = unsafe { self.records.data.lend(place, octets) };
        lent.ok_or(Error::Corrupt(Corruption::Missing)).map(Some)
    }

    /// Copies the oldest record that was not released into `buffer` and releases it;
    /// gives its octets. `None` if there is none.
    ///
    /// Unlike what [`peek`](Self::peek) lends, the copy cannot be changed by a peer that
    /// does not keep to the rules.
    ///
    /// # Errors
    /// [`Error::BufferTooShort`], and the record is still the next; [`Error::Corrupt`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        self.span = 0;
        let Some(length) = self.find()? else { return Ok(None) };
        let octets = usize::try_from(length).unwrap_or(usize::MAX);
        let buffer_octets = buffer.len();
        let Some(copy) = buffer.get_mut(..octets) else {
            return Err(Error::BufferTooShort { octets, buffer_octets });
        };
        let place = self.records.place(self.position).wrapping_add(size_of::<u64>());
        let words = self.records.data.words(place, octets.div_ceil(size_of::<u64>()));
        load_words(words.ok_or(Error::Corrupt(Corruption::Missing))?, copy);
        // Acquire fence: the load below comes after those above.
        fence(Ordering::Acquire);
        let word = self.records.word(self.position)?.load(Ordering::Relaxed);
        if word != word::record(self.position, length) {
            return Err(Corruption::Changed.into());
        }
        self.span = word::span(length);
        self.release();
        Ok(Some(octets))
    }

    /// Goes past the record that [`peek`](Self::peek) showed last; without one,
    /// does nothing.
    #[inline]
    pub fn release(&mut self) {
        self.position = self.position.wrapping_add(self.span);
        self.span = 0;
        let kept = self.position.wrapping_sub(self.given_back_to);
        if kept >= self.records.capacity() / GROUPS {
            self.flush();
        }
    }

    /// Gives the room of all released records back now, and wakes the producer if
    /// it sleeps.
    pub fn flush(&mut self) {
        if self.given_back_to == self.position {
            return;
        }
        self.given_back_to = self.position;
        death_point();
        // Release: pairs with the producer's Acquire in `see_free`; the records
        // were read before.
        self.own.cursor.store(self.position, Ordering::Release);
        death_point();
        self.own.bell.ring::<F>(self.ringer);
    }

    /// Waits for a record, at most until `deadline_ns` of the backend's clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::PeerDied`] or [`Error::PeerLeft`] if no record
    /// is left and nobody who could send one; [`Error::Corrupt`].
    pub fn wait_record(&mut self, deadline_ns: u64) -> Result<(), Error> {
        let (bell, mut watch) = (self.peer.bell, self.watch);
        let (own, other) = (self.own.claim, self.peer.claim);
        let peer = Peer::<L> { own, other, liveness: PhantomData };
        let look = || {
            // A record is seldom in one cache line with its word. Asked for before the
            // word, the next one comes at the same time, not after it.
            let ahead = self.records.place(self.position).wrapping_add(FETCHED_OCTETS);
            self.records.data.prefetch(ahead);
            Ok(self.find()?.is_some())
        };
        let waited = wait_until::<F, L>(bell, &mut watch, deadline_ns, look, &peer);
        self.watch = watch;
        waited
    }

    /// Whether this side is the calling process's: a forked child inherits it, but
    /// its parent has it, and the child must not use it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own.claim.is_own::<L>()
    }

    /// Looks closely whether the peer can still send.
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

    /// Whether a producer has ever come and has not left; a dead one counts until
    /// somebody waits for it.
    #[must_use]
    pub fn has_producer(&self) -> bool {
        self.peer.claim.owner().is_process()
    }

    /// Octets of the record at `position`, past a skip.
    #[inline(always)]
    fn find(&mut self) -> Result<Option<u64>, Error> {
        let mut found = self.records.find(self.position)?;
        if found == word::Found::Skip {
            self.skip()?;
            found = self.records.find(self.position)?;
        }
        match found {
            word::Found::Record { octets } => Ok(Some(octets)),
            word::Found::Nothing => {
                self.flush();
                Ok(None)
            }
            // A skip leads to the start of the memory, where none can be.
            word::Found::Skip => Err(Corruption::MessageWord(word::skip(self.position)).into()),
        }
    }

    #[cold]
    fn skip(&mut self) -> Result<(), Error> {
        if self.records.place(self.position) == 0 {
            return Err(Corruption::MessageWord(word::skip(self.position)).into());
        }
        self.position = self.position.wrapping_add(self.records.octets_to_end(self.position));
        Ok(())
    }
}

/// Room is given back when it is this part of the ring: seldom enough for the
/// producer to keep its copy of the cursor, often enough for it not to wait.
const GROUPS: u64 = 8;

impl<F: Futex<Shared>, L: Liveness> Drop for Consumer<'_, F, L> {
    fn drop(&mut self) {
        if !self.is_own() {
            return;
        }
        self.flush();
        self.own.claim.leave::<L>();
        // The producer learns that nobody makes room any more.
        self.own.bell.ring::<F>(Ringer::Even);
    }
}

impl<F: Futex<Shared>, L: Liveness> core::fmt::Debug for Consumer<'_, F, L> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("position", &self.position)
            .field("capacity", &self.records.capacity())
            .finish_non_exhaustive()
    }
}
