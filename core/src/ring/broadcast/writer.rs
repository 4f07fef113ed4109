//! The side that sends.

use core::marker::PhantomData;

use super::{
    Claim, ReaderClaims, Readers, Ring, WriterWords, is_in_place,
    slots::{Found, Slots, load},
};
use crate::{
    ring::{
        Alert, Error, Liveness, Owner, SlowReader, alert,
        doorbell::Ringer,
        memory::store_words,
        seeded::{Fault, death_point, is_seeded},
        wait::{Peers, Watch, wait_until},
    },
    sync::{
        Futex, Shared,
        primitive::{Ordering, fence},
    },
};

/// The one writer of a ring.
///
/// [`push`](Self::push) stores a message and [`flush`](Self::flush) wakes readers
/// that sleep: whoever sends one message calls both, whoever sends many flushes
/// after the last.
pub struct Writer<'m, F: Futex<Shared>, L: Liveness> {
    slots: Slots<'m>,
    own: WriterWords<'m>,
    readers: Readers<'m>,
    slow_reader: SlowReader,
    /// The number of the next message.
    number: u64,
    /// Messages before this number do not overwrite what a reader needs.
    free_to: u64,
    ringer: Ringer,
    watch: Watch,
    system: PhantomData<fn() -> (F, L)>,
}

impl<'m, F: Futex<Shared>, L: Liveness> Writer<'m, F, L> {
    pub(super) fn new(ring: &Ring<'m>) -> Result<Self, Error> {
        let number = ring.writer.tail.load(Ordering::Acquire);
        let mut writer = Self {
            slots: ring.slots,
            own: ring.writer,
            readers: ring.readers,
            slow_reader: ring.layout.slow_reader(),
            number,
            free_to: number,
            ringer: Ringer::of::<L>(),
            watch: Watch::default(),
            system: PhantomData,
        };
        // The last writer may have stored one message without getting to say so.
        let (word, _octets) = writer.slots.slot(number)?;
        let found = writer.slots.read(number, load(word));
        if matches!(found, Found::Message { .. }) && !is_seeded(Fault::NothingRecovered) {
            writer.advance();
            // Its readers have not been looked at either.
            writer.free_to = writer.number;
        }
        Ok(writer)
    }

    /// Octets of the longest message.
    #[must_use]
    pub fn message_octets_max(&self) -> usize {
        self.slots.message_octets_max()
    }

    /// What becomes of slow readers.
    #[must_use]
    pub const fn slow_reader(&self) -> SlowReader {
        self.slow_reader
    }

    /// How many readers there are. Dead ones count until they are noticed.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.readers.count()
    }

    /// Messages dropped so far because a reader was slow
    /// ([`SlowReader::DropNewest`]).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.own.dropped.load(Ordering::Relaxed)
    }

    /// Copies a message into the ring. `false` if a slow reader leaves no room: the
    /// message is then dropped and counted, or, with [`SlowReader::Block`], the
    /// caller's to send again.
    ///
    /// Does not wake readers: see [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Corrupt`].
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<bool, Error> {
        self.push_with_head([], message)
    }

    /// As [`push`](Self::push), of a message that is these words and then these
    /// octets, without putting them together first.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Corrupt`].
    #[inline]
    pub fn push_with_head<const N: usize>(
        &mut self,
        head: [u64; N],
        body: &[u8],
    ) -> Result<bool, Error> {
        let octets = size_of::<[u64; N]>().saturating_add(body.len());
        if octets > self.message_octets_max() {
            return Err(Error::TooLong { octets, octets_max: self.message_octets_max() });
        }
        if !self.has_room() {
            self.drop_newest();
            return Ok(false);
        }
        let (word, words) = self.slots.slot(self.number)?;
        if !is_in_place(self.slow_reader) {
            // Release: a reader that sees this sees `tail` as far as it must be.
            if !is_seeded(Fault::SlotNotMarked) {
                word.store(self.slots.writing(self.number), Ordering::Release);
            }
            // Release fence: pairs with the reader's Acquire fence. If it copied any
            // of the words below, it sees at least the word above.
            if !is_seeded(Fault::WriterWithoutFence) {
                fence(Ordering::Release);
            }
        }
        let mut words = words.iter();
        for (value, word) in head.iter().zip(&mut words) {
            word.store(*value, Ordering::Relaxed);
        }
        store_words(words.as_slice(), body);
        death_point();
        // Release: pairs with the Acquire in `load`; the octets were written before.
        word.store(self.slots.word(self.number, octets), Ordering::Release);
        death_point();
        self.advance();
        death_point();
        Ok(true)
    }

    /// Wakes readers that sleep, to see all messages so far.
    #[inline]
    pub fn flush(&mut self) {
        self.own.bell.ring::<F>(self.ringer);
    }

    /// Waits until there is room for a message, at most until `deadline_ns` of the
    /// backend's clock. Dead readers are removed.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if a living reader does not go on.
    pub fn wait_room(&mut self, deadline_ns: u64) -> Result<(), Error> {
        if self.has_room() {
            return Ok(());
        }
        // Readers may sleep on what was pushed without a flush.
        self.flush();
        let (bell, own, mut watch) = (self.readers.bell, self.own.claim, self.watch);
        let (readers, number, capacity) = (self.readers, self.number, self.slots.capacity());
        let look = || Ok(self.has_room());
        let slow = SlowReaders::<L> { own, readers, number, capacity, liveness: PhantomData };
        let waited = wait_until::<F, L>(bell, &mut watch, deadline_ns, look, &slow);
        self.watch = watch;
        waited
    }

    /// Waits until there are so many readers, at most until `deadline_ns` of the backend's
    /// clock. Dead readers are removed.
    ///
    /// # Errors
    /// [`Error::TimedOut`].
    pub fn wait_readers(&mut self, readers: u32, deadline_ns: u64) -> Result<(), Error> {
        let (own, number, capacity) = (self.own.claim, self.number, self.slots.capacity());
        let look = || Ok(self.readers.count() >= readers);
        let (readers, liveness) = (self.readers, PhantomData);
        let slow = SlowReaders::<L> { own, readers, number, capacity, liveness };
        wait_until::<F, L>(readers.bell, &mut self.watch, deadline_ns, look, &slow)
    }

    /// What this side sleeps for, for somebody who waits in its place.
    #[must_use]
    pub fn alert(&self) -> Alert<'m> {
        Alert::new(self.readers.bell, alert::Peers::Readers(ReaderClaims(self.readers)))
    }

    /// Removes readers that are dead; whether there is room now.
    pub fn check_readers(&mut self) -> bool {
        self.readers.remove_dead::<L>(self.number, self.slots.capacity());
        self.has_room()
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.number = self.number.wrapping_add(1);
        // Release: for readers that attach and for a writer that takes over, so
        // that they find the message too.
        self.own.tail.store(self.number, Ordering::Release);
    }

    #[inline(always)]
    fn has_room(&mut self) -> bool {
        !is_in_place(self.slow_reader) || self.free_to != self.number || self.see_readers()
    }

    /// Looks how far the readers are; whether there is room.
    #[cold]
    fn see_readers(&mut self) -> bool {
        // SeqCst fence: pairs with that of an attaching reader. Either its cursor
        // is seen here, or it sees `tail` as it was stored before.
        if !is_seeded(Fault::AttachWithoutFence) {
            fence(Ordering::SeqCst);
        }
        let mut behind = self.readers.slowest_behind(self.number, self.slots.capacity());
        if is_seeded(Fault::OneMessageTooMany) {
            behind = behind.saturating_sub(1);
        }
        let room = self.slots.capacity().wrapping_sub(behind);
        self.free_to = self.number.wrapping_add(room);
        room != 0
    }

    /// Counts a message that is dropped, and now and then looks whether the reader
    /// that is in the way is dead.
    #[cold]
    fn drop_newest(&mut self) {
        if !matches!(self.slow_reader, SlowReader::DropNewest) {
            return;
        }
        // One writer, so no addition is lost.
        self.own.dropped.store(self.dropped().wrapping_add(1), Ordering::Relaxed);
        if self.watch.is_due(F::now_ns()) {
            self.readers.remove_dead::<L>(self.number, self.slots.capacity());
        }
    }
}

/// The readers that a writer waits for, before message `number`.
struct SlowReaders<'m, L> {
    own: Claim<'m>,
    readers: Readers<'m>,
    number: u64,
    capacity: u64,
    liveness: PhantomData<fn() -> L>,
}

impl<L: Liveness> Peers for SlowReaders<'_, L> {
    fn check(&self, is_due: bool) -> Result<(), Error> {
        self.own.check_own::<L>()?;
        if is_due {
            self.readers.remove_dead::<L>(self.number, self.capacity);
        }
        Ok(())
    }

    /// Unless there is a cursor that nobody has, or where no reader can be: that is a
    /// reader that is just attaching, or none, which shows after a while.
    fn owners(&self) -> Option<impl Iterator<Item = Owner>> {
        let is_clear = self.readers.iter().all(|words| {
            words.needs().is_none_or(|needs| {
                self.number.wrapping_sub(needs) <= self.capacity && words.claim.owner().is_process()
            })
        });
        let owners = self.readers.iter().map(|words| words.claim.owner());
        is_clear.then(|| owners.filter(|owner| owner.is_process()))
    }
}

impl Readers<'_> {
    /// How far the slowest reader is behind message `number`, at most `capacity`.
    ///
    /// A cursor that is further behind, or ahead, is not where a reader can be, but
    /// for a moment while it attaches: the ring is full for that moment.
    fn slowest_behind(self, number: u64, capacity: u64) -> u64 {
        let mut slowest = 0;
        for words in self.iter() {
            let Some(needs) = words.needs() else { continue };
            let behind = number.wrapping_sub(needs);
            if behind > capacity && is_seeded(Fault::ImpossibleIgnored) {
                continue;
            }
            slowest = slowest.max(behind.min(capacity));
        }
        slowest
    }

    /// Removes dead readers, those that were not behind too: a writer that sleeps beside
    /// one would be told of its end for ever. Clears cursors that no reader has, so that
    /// a broken one stops nobody; it finds out by itself.
    fn remove_dead<L: Liveness>(self, number: u64, capacity: u64) {
        for words in self.iter() {
            if let Some(needs) = words.needs()
                && number.wrapping_sub(needs) > capacity
            {
                words.stops_needing(needs);
            }
            // `take` succeeds if nobody has the reader's place or a dead process
            // has. It makes the place the caller's, so that nobody else can take it
            // while the cursor is cleared.
            let is_behind = words.needs().is_some_and(|needs| needs != number);
            if !is_behind && !words.claim.owner().is_process() {
                continue;
            }
            if is_seeded(Fault::ClearedUntaken) && !L::is_alive(words.claim.owner()) {
                words.needs_nothing();
            } else if words.claim.take::<L>().is_ok() {
                death_point();
                words.needs_nothing();
                death_point();
                words.claim.leave::<L>();
            }
        }
    }
}

impl<F: Futex<Shared>, L: Liveness> Drop for Writer<'_, F, L> {
    fn drop(&mut self) {
        self.own.claim.leave::<L>();
        // Readers learn that nothing more comes.
        self.own.bell.ring::<F>(Ringer::Even);
    }
}

impl<F: Futex<Shared>, L: Liveness> core::fmt::Debug for Writer<'_, F, L> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Writer")
            .field("number", &self.number)
            .field("capacity", &self.slots.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
impl<F: Futex<Shared>, L: Liveness> Writer<'_, F, L> {
    /// Makes the cursor one message too old, as a writer that is killed does.
    pub(in crate::ring) fn set_back(&self) {
        self.own.tail.store(self.number.wrapping_sub(1), Ordering::Relaxed);
    }
}
