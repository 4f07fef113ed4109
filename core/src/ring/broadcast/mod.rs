//! One writer, many readers, each at its own pace.
//!
//! | offset | octets | what | written by |
//! |---|---|---|---|
//! | 0 | 128 | header ([`layout`](super::layout)) | creator |
//! | 128 | 8 | who the writer is | writer |
//! | 136 | 8 | `tail`: the number of the next message | writer |
//! | 144 | 8 | doorbell of the readers | all, readers rarely |
//! | 152 | 8 | messages that were dropped | writer |
//! | 256 | 8 | doorbell of the writer | all, the writer rarely |
//! | 384 + 128 r | 8 | who reader r is | reader r |
//! | 392 + 128 r | 8 | its `cursor` + 1, or 0 for none | reader r |
//! | 384 + 128 readers | | slots | writer |
//!
//! A slot is a word and room for the longest message, a multiple of 8 octets.
//! Message n is in slot n modulo the capacity, in round n / capacity. The word
//! says which round's message the slot has, so a reader waits on the cache line
//! that the message starts in, and sees by the same word when it was overtaken.
//!
//! With [`SlowReader::Block`] and
//! [`SlowReader::DropNewest`] the writer does not
//! go past the slowest reader's cursor, so readers may read in place. With
//! [`SlowReader::Overwrite`] it never looks at them:
//! they copy word by word and look at the slot's word again, and a message that
//! changed meanwhile is counted as lost, never handed out.

mod reader;
mod slots;
mod writer;

pub use reader::{Message, Reader};
pub use writer::Writer;

use super::{
    Error, Kind, LINE_OCTETS, Layout, LayoutError, Liveness, Memory, SlowReader,
    doorbell::{Doorbell, Ringer},
    layout::HEADER_OCTETS,
    owner::Claim,
    seeded::{Fault, is_seeded},
};
use crate::sync::{
    Futex, Shared,
    primitive::{AtomicU64, Ordering, spin_loop},
};
use slots::Slots;

/// The least messages that a ring has room for.
pub const CAPACITY_MESSAGES_MIN: u64 = 2;

/// The most readers that a ring can be made for.
pub const READERS_MAX: u32 = 64;

/// Octets of the longest message that a ring can be made for.
pub const MESSAGE_OCTETS_MAX: u64 = slots::MESSAGE_OCTETS_MAX;

/// How often a reader's words are tried that the writer may be clearing.
const REMOVAL_LOOKS: u32 = if cfg!(any(farend_loom, farend_shuttle)) { 1 } else { 1_000 };

const WRITER_OFFSET: usize = HEADER_OCTETS;
const SPACE_OFFSET: usize = WRITER_OFFSET + LINE_OCTETS;
const READERS_OFFSET: usize = SPACE_OFFSET + LINE_OCTETS;

/// Octets of a slot, with its word.
pub(super) const fn slot_octets(message_octets_max: u64) -> u64 {
    let words = message_octets_max.div_ceil(slots::WORD_OCTETS).wrapping_add(1);
    words.wrapping_mul(slots::WORD_OCTETS)
}

/// Where the slots start. There are at most [`READERS_MAX`] readers.
pub(super) const fn slots_offset(readers_max: u32) -> u64 {
    (READERS_OFFSET as u64).wrapping_add((readers_max as u64).wrapping_mul(LINE_OCTETS as u64))
}

/// A ring, seen by neither its writer nor a reader.
#[derive(Debug, Clone, Copy)]
pub struct Ring<'m> {
    layout: Layout,
    writer: WriterWords<'m>,
    readers: Readers<'m>,
    slots: Slots<'m>,
}

/// What the writer writes.
#[derive(Debug, Clone, Copy)]
struct WriterWords<'m> {
    claim: Claim<'m>,
    tail: &'m AtomicU64,
    dropped: &'m AtomicU64,
    /// Rung by the writer, for the readers to hear.
    bell: Doorbell<'m>,
}

/// What readers write.
#[derive(Debug, Clone, Copy)]
struct Readers<'m> {
    /// The words of all readers, a line for each.
    words: Memory<'m>,
    max: u32,
    /// Rung by readers, for the writer to hear.
    bell: Doorbell<'m>,
}

/// The words of one reader.
#[derive(Debug, Clone, Copy)]
struct ReaderWords<'m> {
    claim: Claim<'m>,
    /// The number of the oldest message it needs, plus 1; 0 while it needs none.
    cursor: &'m AtomicU64,
}

impl<'m> Ring<'m> {
    /// Makes a ring in memory that is all zero; the numbers are those of
    /// [`Layout::broadcast`]. `realm` says where process ids are known (on Linux,
    /// the pid namespace); 0 if there is one realm only.
    ///
    /// # Errors
    /// [`LayoutError::Kind`], [`LayoutError::Truncated`], [`LayoutError::NotBlank`].
    pub fn create<L: Liveness>(
        memory: Memory<'m>,
        layout: Layout,
        realm: u64,
    ) -> Result<Self, LayoutError> {
        if layout.kind() != Kind::Broadcast {
            return Err(LayoutError::Kind { found: Some(layout.kind()) });
        }
        layout.write::<L>(&memory, realm)?;
        let ring = Self::of(&memory, layout)?;
        Layout::publish(&memory)?;
        Ok(ring)
    }

    /// The ring of this layout in memory whose users know without a header what is there.
    /// All zero, it is a ring that nobody has used; the header's octets are not.
    ///
    /// # Errors
    /// [`LayoutError::Kind`], [`LayoutError::Truncated`].
    pub fn without_header(memory: Memory<'m>, layout: Layout) -> Result<Self, LayoutError> {
        if layout.kind() != Kind::Broadcast {
            return Err(LayoutError::Kind { found: Some(layout.kind()) });
        }
        Self::of(&memory, layout)
    }

    /// Takes a ring that another process or thread has made.
    ///
    /// # Errors
    /// [`LayoutError`], if it is none of this kind and version.
    pub fn open(memory: Memory<'m>) -> Result<Self, LayoutError> {
        let layout = Layout::read_kind(&memory, Kind::Broadcast)?;
        Self::of(&memory, layout)
    }

    /// What the ring is like.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Becomes the ring's writer. If the last one died, the new one goes on after
    /// its last whole message.
    ///
    /// # Errors
    /// [`Error::Taken`] by a living writer; [`Error::Corrupt`].
    pub fn writer<F: Futex<Shared>, L: Liveness>(&self) -> Result<Writer<'m, F, L>, Error> {
        self.writer.claim.take::<L>()?;
        // Readers that sleep learn for whom.
        self.writer.bell.ring::<F>(Ringer::Even);
        Writer::new(self).inspect_err(|_| self.writer.claim.leave::<L>())
    }

    /// Becomes one of the ring's readers, from the next message on.
    ///
    /// # Errors
    /// [`Error::NoReaderFree`]; [`Error::Corrupt`].
    pub fn reader<F: Futex<Shared>, L: Liveness>(&self) -> Result<Reader<'m, F, L>, Error> {
        for words in self.readers.iter() {
            if words.claim.take::<L>().is_ok() {
                return self.reader_of(words);
            }
        }
        Err(Error::NoReaderFree { readers_max: self.readers.max })
    }

    /// Becomes the reader of this number, which no other living process is.
    ///
    /// # Errors
    /// [`Error::NoReaderFree`] while the writer removes a dead one; [`Error::Corrupt`].
    pub(super) fn reader_at<F: Futex<Shared>, L: Liveness>(
        &self,
        index: u32,
    ) -> Result<Reader<'m, F, L>, Error> {
        let none = Error::NoReaderFree { readers_max: self.readers.max };
        let words = self.readers.reader(index).ok_or(none)?;
        for _ in 0..REMOVAL_LOOKS {
            if words.claim.take::<L>().is_ok() {
                return self.reader_of(words);
            }
            spin_loop();
        }
        Err(none)
    }

    /// The reader of words that were taken.
    fn reader_of<F: Futex<Shared>, L: Liveness>(
        &self,
        words: ReaderWords<'m>,
    ) -> Result<Reader<'m, F, L>, Error> {
        let reader = Reader::new(self, words).inspect_err(|_| {
            words.needs_nothing();
            words.claim.leave::<L>();
        });
        // The writer may sleep for the cursor of a dead reader in this place.
        if !is_seeded(Fault::UnheardReader) {
            self.readers.bell.ring::<F>(Ringer::Even);
        }
        reader
    }

    /// A ring without a header, among others that ring the same doorbell.
    pub(super) fn lane(memory: &Memory<'m>, layout: Layout, bell: Doorbell<'m>) -> Option<Self> {
        let mut ring = Self::parts(memory, layout)?;
        ring.writer.bell = bell;
        Some(ring)
    }

    /// Who the writer is.
    pub(super) fn writer_claim(&self) -> Claim<'m> {
        self.writer.claim
    }

    fn of(memory: &Memory<'m>, layout: Layout) -> Result<Self, LayoutError> {
        let truncated =
            LayoutError::Truncated { octets: memory.octets() as u64, wanted: layout.octets() };
        Self::parts(memory, layout).ok_or(truncated)
    }

    fn parts(memory: &Memory<'m>, layout: Layout) -> Option<Self> {
        let writer = WriterWords {
            claim: Claim(memory.word64(WRITER_OFFSET)?),
            tail: memory.word64(WRITER_OFFSET + 8)?,
            bell: Doorbell::at(memory, WRITER_OFFSET + 16)?,
            dropped: memory.word64(WRITER_OFFSET + 24)?,
        };
        let slots_offset = usize::try_from(slots_offset(layout.readers_max())).ok()?;
        let readers_octets = slots_offset.checked_sub(READERS_OFFSET)?;
        let readers = Readers {
            words: memory.part(READERS_OFFSET, readers_octets)?,
            max: layout.readers_max(),
            bell: Doorbell::at(memory, SPACE_OFFSET)?,
        };
        let slots_octets = layout.octets().checked_sub(slots_offset as u64)?;
        let slots = memory.part(slots_offset, usize::try_from(slots_octets).ok()?)?;
        Some(Self { layout, writer, readers, slots: Slots::new(slots, &layout)? })
    }
}

/// The claims of all readers.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReaderClaims<'m>(Readers<'m>);

impl<'m> IntoIterator for ReaderClaims<'m> {
    type Item = Claim<'m>;
    type IntoIter = Claims<'m>;

    fn into_iter(self) -> Claims<'m> {
        Claims { readers: self.0, next: 0 }
    }
}

/// See [`ReaderClaims`].
pub(super) struct Claims<'m> {
    readers: Readers<'m>,
    next: u32,
}

impl<'m> Iterator for Claims<'m> {
    type Item = Claim<'m>;

    fn next(&mut self) -> Option<Claim<'m>> {
        let words = self.readers.reader(self.next)?;
        self.next = self.next.wrapping_add(1);
        Some(words.claim)
    }
}

impl<'m> Readers<'m> {
    fn iter(self) -> impl Iterator<Item = ReaderWords<'m>> {
        (0..self.max).map_while(move |index| self.reader(index))
    }

    fn reader(self, index: u32) -> Option<ReaderWords<'m>> {
        if index >= self.max {
            return None;
        }
        let offset = usize::try_from(index).ok()?.checked_mul(LINE_OCTETS)?;
        Some(ReaderWords {
            claim: Claim(self.words.word64(offset)?),
            cursor: self.words.word64(offset.checked_add(8)?)?,
        })
    }

    /// How many readers there are, dead ones included that nobody has noticed.
    fn count(self) -> u32 {
        self.iter()
            .filter(|words| words.claim.owner().is_process())
            .fold(0, |count: u32, _| count.wrapping_add(1))
    }
}

impl ReaderWords<'_> {
    /// The number of the oldest message that the reader needs.
    fn needs(self) -> Option<u64> {
        // Acquire: pairs with the reader's Release; its reads of what it gave back
        // have happened before.
        self.cursor.load(Ordering::Acquire).checked_sub(1)
    }

    fn set_needs(self, number: u64) {
        // Release: pairs with the Acquire in `needs`.
        self.cursor.store(number.wrapping_add(1), Ordering::Release);
    }

    /// As [`set_needs`](Self::set_needs), unless the cursor is not at `from` any
    /// more; whether it was.
    fn moves(self, from: u64, to: u64) -> bool {
        let (from, to) = (from.wrapping_add(1), to.wrapping_add(1));
        self.cursor.compare_exchange(from, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    fn needs_nothing(self) {
        self.cursor.store(0, Ordering::Release);
    }

    /// As [`needs_nothing`](Self::needs_nothing), unless the reader has moved on
    /// from `number` meanwhile.
    fn stops_needing(self, number: u64) {
        let (seen, none) = (number.wrapping_add(1), 0);
        let _moved = self.cursor.compare_exchange(seen, none, Ordering::Release, Ordering::Relaxed);
    }
}

/// Whether the writer waits for readers, so that they can read in place.
const fn is_in_place(slow_reader: SlowReader) -> bool {
    !matches!(slow_reader, SlowReader::Overwrite)
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_that_moved_on_is_neither_cleared_nor_moved() {
        let (owner, cursor) = (AtomicU64::new(0), AtomicU64::new(0));
        let words = ReaderWords { claim: Claim(&owner), cursor: &cursor };
        words.set_needs(3);
        assert!(words.moves(3, 7));
        words.stops_needing(3);
        assert_eq!(words.needs(), Some(7));
        assert!(!words.moves(3, 8));
        words.stops_needing(7);
        assert_eq!(words.needs(), None);
        assert!(!words.moves(7, 8));
        assert_eq!(words.needs(), None);
    }
}
