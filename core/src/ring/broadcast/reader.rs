//! The side that receives.
#![expect(unsafe_code, reason = "messages are read where they lie")]

use core::marker::PhantomData;

use super::{
    ReaderWords, Readers, Ring, WriterWords, is_in_place,
    slots::{Found, Slots, load},
};
use crate::{
    ring::{
        Alert, Corruption, Error, Liveness,
        alert::Peers,
        doorbell::Ringer,
        memory::load_words,
        seeded::{Fault, death_point, is_seeded},
        wait::{Peer, Peers as _, Watch, wait_until},
    },
    sync::{
        Futex, Shared,
        primitive::{Ordering, fence},
    },
};

/// One of a ring's readers.
///
/// [`read`](Self::read) copies the next message out, whatever the ring's policy.
/// Where the writer waits for readers, [`peek`](Self::peek) and
/// [`release`](Self::release) do without the copy.
pub struct Reader<'m, F: Futex<Shared>, L: Liveness> {
    slots: Slots<'m>,
    own: ReaderWords<'m>,
    readers: Readers<'m>,
    writer: WriterWords<'m>,
    is_in_place: bool,
    /// The number of the next message.
    number: u64,
    /// The word of the message that was peeked; 0 if none was.
    peeked: u64,
    /// Messages before this number were given back to the writer.
    given_back_to: u64,
    /// Messages lost since the last one that was handed out.
    lost: u64,
    ringer: Ringer,
    watch: Watch,
    system: PhantomData<fn() -> (F, L)>,
}

/// A message that was copied out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Its octets in the buffer.
    pub octets: usize,
    /// How many messages before it were overwritten before they could be read.
    pub lost: u64,
}

/// How often one call tries again after the writer came past it.
const ATTEMPTS: u32 = 4;

/// Messages are given back when they are this part of the ring.
const GROUPS: u64 = 8;

impl<'m, F: Futex<Shared>, L: Liveness> Reader<'m, F, L> {
    pub(super) fn new(ring: &Ring<'m>, own: ReaderWords<'m>) -> Result<Self, Error> {
        let number = Self::attach(ring, own)?;
        Ok(Self {
            slots: ring.slots,
            own,
            readers: ring.readers,
            writer: ring.writer,
            is_in_place: is_in_place(ring.layout.slow_reader()),
            number,
            peeked: 0,
            given_back_to: number,
            lost: 0,
            ringer: Ringer::of::<L>(),
            watch: Watch::default(),
            system: PhantomData,
        })
    }

    /// Makes the writer wait for this reader from the next message on; gives that
    /// message's number.
    fn attach(ring: &Ring<'m>, own: ReaderWords<'m>) -> Result<u64, Error> {
        let tail = ring.writer.tail;
        for _ in 0..ATTEMPTS {
            // The writer may go on meanwhile, so that this is too far behind to be
            // true; it then takes the ring for full until the cursor moves.
            let first = tail.load(Ordering::Acquire);
            own.set_needs(first);
            death_point();
            // SeqCst fence: pairs with the writer's in `see_readers`. Either it saw
            // the cursor, or the load below sees how far it had come without.
            if !is_seeded(Fault::AttachWithoutFence) {
                fence(Ordering::SeqCst);
            }
            let number = tail.load(Ordering::Acquire);
            // Unless the writer lost its patience in between.
            if own.moves(first, number) {
                return Ok(number);
            }
        }
        Err(Corruption::Cursor(tail.load(Ordering::Relaxed)).into())
    }

    /// Octets of the longest message.
    #[must_use]
    pub fn message_octets_max(&self) -> usize {
        self.slots.message_octets_max()
    }

    /// Whether messages can be read where they lie.
    #[must_use]
    pub const fn is_in_place(&self) -> bool {
        self.is_in_place
    }

    /// The number of the next message, counted from the ring's first. Each message
    /// before it was handed out, or was lost and counted, or came before this
    /// reader.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Messages that the writer has dropped so far
    /// ([`SlowReader::DropNewest`](crate::ring::SlowReader::DropNewest)).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.writer.dropped.load(Ordering::Relaxed)
    }

    /// Goes back by up to `messages` messages, as far as a ring that overwrites
    /// still has them; gives how many.
    pub fn rewind(&mut self, messages: u64) -> u64 {
        if self.is_in_place {
            return 0;
        }
        let back = messages.min(self.number).min(self.slots.capacity().wrapping_sub(1));
        self.number = self.number.wrapping_sub(back);
        back
    }

    /// Copies the next message into `buffer`; `None` if there is none yet.
    ///
    /// A message that was only peeked at is still the next one.
    ///
    /// # Errors
    /// [`Error::BufferTooShort`], [`Error::Corrupt`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Message>, Error> {
        // Otherwise a later `release` would go past a message that nobody has seen.
        self.peeked = 0;
        for _ in 0..ATTEMPTS {
            let (word, words) = self.slots.slot(self.number)?;
            let found = load(word);
            let octets = match self.slots.read(self.number, found) {
                Found::NotYet => {
                    self.flush();
                    return Ok(None);
                }
                Found::Message { octets } => octets,
                Found::Other => {
                    self.catch_up(found)?;
                    continue;
                }
            };
            let buffer_octets = buffer.len();
            let Some(place) = buffer.get_mut(..octets) else {
                return Err(Error::BufferTooShort { octets, buffer_octets });
            };
            load_words(words, place);
            // Acquire fence: pairs with the writer's Release fence. If any word was
            // of a later message, the load below sees the later word.
            if !is_seeded(Fault::ReaderWithoutFence) {
                fence(Ordering::Acquire);
            }
            if word.load(Ordering::Relaxed) == found || is_seeded(Fault::TornMessage) {
                self.go_on();
                return Ok(Some(Message { octets, lost: core::mem::take(&mut self.lost) }));
            }
        }
        Ok(None)
    }

    /// Shows the next message where it lies; `None` if there is none yet.
    ///
    /// # Errors
    /// [`Error::NotInPlace`] with
    /// [`SlowReader::Overwrite`](crate::ring::SlowReader::Overwrite);
    /// [`Error::Corrupt`].
    pub fn peek(&mut self) -> Result<Option<&[u8]>, Error> {
        if !self.is_in_place {
            return Err(Error::NotInPlace);
        }
        self.peeked = 0;
        let (word, _octets) = self.slots.slot(self.number)?;
        let found = load(word);
        match self.slots.read(self.number, found) {
            Found::NotYet => {
                self.flush();
                Ok(None)
            }
            Found::Message { octets } => {
                self.peeked = found;
                let offset = self.slots.octets_offset(self.number);
                // SAFETY: the word was loaded with Acquire, so the writer's stores
                // of the message have happened before. It does not overwrite what
                // this reader's cursor keeps, and the cursor moves only with the
                // reader, which is borrowed.
                let lent = unsafe { self.slots.memory().lend(offset, octets) };
                lent.ok_or(Error::Corrupt(Corruption::Missing)).map(Some)
            }
            Found::Other => Err(Corruption::MessageWord(found).into()),
        }
    }

    /// Goes past the message that [`peek`](Self::peek) showed last; does nothing if
    /// there is none, or if it was [read](Self::read) since.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the message was overwritten while it was read: this
    /// reader's cursor was tampered with.
    pub fn release(&mut self) -> Result<(), Error> {
        let peeked = core::mem::take(&mut self.peeked);
        if peeked == 0 {
            return Ok(());
        }
        let (word, _octets) = self.slots.slot(self.number)?;
        let is_unchanged = load(word) == peeked;
        self.go_on();
        if is_unchanged { Ok(()) } else { Err(Corruption::Changed.into()) }
    }

    /// Gives all messages that were read back to the writer now, and wakes it if it
    /// sleeps.
    pub fn flush(&mut self) {
        if !self.is_in_place || self.given_back_to == self.number {
            return;
        }
        self.given_back_to = self.number;
        death_point();
        self.own.set_needs(self.number);
        self.readers.bell.ring::<F>(self.ringer);
    }

    /// Waits for a message, at most until `deadline_ns` of the backend's clock.
    ///
    /// # Errors
    /// [`Error::TimedOut`]; [`Error::PeerDied`] or [`Error::PeerLeft`] if no message
    /// is left and nobody who could send one; [`Error::Corrupt`].
    pub fn wait_message(&mut self, deadline_ns: u64) -> Result<(), Error> {
        let (bell, mut watch) = (self.writer.bell, self.watch);
        let (own, other) = (self.own.claim, self.writer.claim);
        let peer = Peer::<L> { own, other, liveness: PhantomData };
        let look = || self.has_message();
        let waited = wait_until::<F, L>(bell, &mut watch, deadline_ns, look, &peer);
        self.watch = watch;
        waited
    }

    /// Whether there is a message, or that it can only be found out by reading it.
    #[inline]
    pub(in crate::ring) fn has_message(&mut self) -> Result<bool, Error> {
        self.slots.prefetch(self.number);
        let (word, _octets) = self.slots.slot(self.number)?;
        let is_there = self.slots.read(self.number, load(word)) != Found::NotYet;
        if !is_there {
            self.flush();
        }
        Ok(is_there)
    }

    /// Looks closely whether the peer can still send.
    ///
    /// # Errors
    /// [`Error::PeerDied`] or [`Error::PeerLeft`] if it cannot, even if what it did
    /// before is still to be seen; [`Error::Taken`] in a forked child.
    pub fn check_peer(&self) -> Result<(), Error> {
        let (own, other) = (self.own.claim, self.writer.claim);
        Peer::<L> { own, other, liveness: PhantomData }.check(true)
    }

    /// What this side sleeps for, for somebody who waits in its place.
    #[must_use]
    pub fn alert(&self) -> Alert<'m> {
        Alert::new(self.writer.bell, Peers::One(self.writer.claim))
    }

    /// Whether a writer has ever come and has not left; a dead one counts until
    /// somebody waits for it.
    #[must_use]
    pub fn has_writer(&self) -> bool {
        self.writer.claim.owner().is_process()
    }

    fn go_on(&mut self) {
        self.number = self.number.wrapping_add(1);
        let kept = self.number.wrapping_sub(self.given_back_to);
        if kept.saturating_mul(GROUPS) >= self.slots.capacity() {
            self.flush();
        }
    }

    /// Goes on half a ring behind the writer, which came past this reader.
    #[cold]
    fn catch_up(&mut self, found: u64) -> Result<(), Error> {
        // Acquire: `found` was loaded with Acquire too, and the writer stored
        // `tail` before it, so this is at least a round ahead if the word is sound.
        let tail = self.writer.tail.load(Ordering::Acquire);
        let ahead = tail.wrapping_sub(self.number);
        if self.is_in_place || ahead < self.slots.capacity() {
            return Err(Corruption::MessageWord(found).into());
        }
        let skipped = ahead.wrapping_sub(self.slots.capacity() / 2);
        self.number = self.number.wrapping_add(skipped);
        let off = u64::from(is_seeded(Fault::LagOffByOne));
        self.lost = self.lost.saturating_add(skipped.wrapping_sub(off));
        Ok(())
    }
}

impl<F: Futex<Shared>, L: Liveness> Drop for Reader<'_, F, L> {
    fn drop(&mut self) {
        if !self.own.claim.is_own::<L>() {
            return;
        }
        self.own.needs_nothing();
        self.own.claim.leave::<L>();
        // The writer may have waited for this reader.
        self.readers.bell.ring::<F>(Ringer::Even);
    }
}

impl<F: Futex<Shared>, L: Liveness> core::fmt::Debug for Reader<'_, F, L> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Reader")
            .field("number", &self.number)
            .field("lost", &self.lost)
            .field("capacity", &self.slots.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
impl<F: Futex<Shared>, L: Liveness> Reader<'_, F, L> {
    /// Overwrites the cursor, as a broken process does.
    pub(in crate::ring) fn tamper(&self, cursor: u64) {
        self.own.cursor.store(cursor, Ordering::Relaxed);
    }
}
