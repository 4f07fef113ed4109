//! Moving chunks from place to place, one after the other.

use super::place;
use crate::port::frame::{Frame, Mint, Span};

/// The ledger of a pool, open: what a port writes for each frame of a burst is at
/// hand.
///
/// Each call moves one chunk from one place to another, and does nothing to a
/// chunk that is elsewhere: whatever the other side of a port claims, and whatever
/// tokens others made, no chunk is in two places.
pub struct Books<'pool> {
    pub(super) words: &'pool mut [u32],
    pub(super) base: u64,
    pub(super) chunk_shift: u32,
    pub(super) mint: &'pool Mint,
    pub(super) first_free: &'pool mut u32,
    pub(super) free: &'pool mut u32,
}

impl Books<'_> {
    /// Whether a frame is this pool's, and a whole packet.
    #[must_use]
    #[inline(always)]
    pub const fn is_whole_packet(&self, frame: &Frame) -> bool {
        self.mint.is_whole_packet(frame)
    }

    /// Takes a free chunk to be received into: its address.
    #[inline(always)]
    pub fn fill(&mut self) -> Option<u64> {
        self.take(place::FILL)
    }

    /// Takes what was received, by the other side's word. `None` if it cannot have
    /// been; the chunk of a frame that is too long for it is free.
    #[inline(always)]
    pub fn accept(&mut self, span: Span) -> Option<Frame> {
        let Span { start: address, octets, .. } = span;
        let chunk_octets = self.chunk_octets();
        let start = address.wrapping_sub(self.base) & chunk_octets.wrapping_sub(1);
        let word = self.word(address)?;
        if *word != place::FILL {
            return None;
        }
        if u64::from(octets) > chunk_octets.wrapping_sub(start) {
            // The chunk is ours again all the same.
            self.put(address, place::FILL);
            return None;
        }
        *word = place::HAND;
        Some(self.mint.frame(span))
    }

    /// Takes a whole packet that was received, by the other side's word, to be sent
    /// at once: no token is made of it. `None`, and nothing taken, if it does not
    /// end before the last octet of its chunk, or cannot have been received.
    ///
    /// Octets beyond 32 bits are too many for any chunk.
    #[inline(always)]
    pub fn pass_on(&mut self, address: u64, octets: u64) -> Option<()> {
        let offset = address.wrapping_sub(self.base);
        // The octet behind the last one must lie in the same chunk. A frame to the
        // last octet of its chunk is taken the longer way, and an empty one is sent
        // by no verdict.
        let end = offset.checked_add(octets)?;
        let index = offset.wrapping_shr(self.chunk_shift);
        if end.wrapping_shr(self.chunk_shift) != index {
            return None;
        }
        let index = usize::try_from(index).ok()?;
        let word = self.words.get_mut(index)?;
        if *word != place::FILL {
            return None;
        }
        *word = place::TX;
        Some(())
    }

    /// Undoes [`accept`](Self::accept): what was received waits to be taken again.
    pub fn decline(&mut self, frame: &Frame) {
        if let Some(span) = self.mint.span(frame)
            && let Some(word) = self.word(span.start)
            && *word == place::HAND
        {
            *word = place::FILL;
        }
    }

    /// Frees the chunk of a frame in hand.
    pub fn free(&mut self, frame: &Frame) {
        if let Some(span) = self.mint.span(frame) {
            self.put(span.start, place::HAND);
        }
    }

    /// Hands a frame over to be sent: its token is worth nothing any more. `None` if
    /// it is none of this pool's in hand, or not whole in its chunk.
    #[inline(always)]
    pub fn send(&mut self, frame: &Frame) -> Option<Span> {
        let span = self.mint.span(frame)?;
        let chunk_octets = self.chunk_octets();
        let start = span.start.wrapping_sub(self.base) & chunk_octets.wrapping_sub(1);
        let word = self.word(span.start)?;
        if *word != place::HAND || u64::from(span.octets) > chunk_octets.wrapping_sub(start) {
            return None;
        }
        *word = place::TX;
        Some(span)
    }

    /// Takes back what was sent, by the other side's word: its chunk is free.
    /// `false` if it was not handed over.
    #[inline(always)]
    pub fn complete(&mut self, address: u64) -> bool {
        self.put(address, place::TX)
    }

    /// Like [`complete`](Self::complete), but the chunk is not free: it is to be
    /// received into at once. Its address.
    #[inline(always)]
    pub fn refile(&mut self, address: u64) -> Option<u64> {
        let word = self.word(address)?;
        if *word != place::TX {
            return None;
        }
        *word = place::FILL;
        Some(self.chunk_at(address))
    }

    /// Takes a free chunk to this place: its address.
    #[inline(always)]
    pub(super) fn take(&mut self, place: u32) -> Option<u64> {
        let index = *self.first_free;
        // The end of the list is the index of no chunk.
        let word = self.words.get_mut(index as usize)?;
        *self.first_free = *word;
        *word = place;
        *self.free = self.free.wrapping_sub(1);
        Some(self.base.wrapping_add(u64::from(index).wrapping_shl(self.chunk_shift)))
    }

    /// Frees the chunk of an address if it is in this place; says whether.
    #[inline(always)]
    pub(super) fn put(&mut self, address: u64, place: u32) -> bool {
        let Ok(index) = u32::try_from(self.index(address)) else { return false };
        match self.words.get_mut(index as usize) {
            Some(word) if *word == place => {
                *word = *self.first_free;
                *self.first_free = index;
                *self.free = self.free.wrapping_add(1);
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    const fn chunk_octets(&self) -> u64 {
        1_u64.wrapping_shl(self.chunk_shift)
    }

    /// The number of an address' chunk; that of none for another's address.
    #[inline(always)]
    const fn index(&self, address: u64) -> u64 {
        address.wrapping_sub(self.base).wrapping_shr(self.chunk_shift)
    }

    /// The address of the chunk around an address.
    #[inline(always)]
    const fn chunk_at(&self, address: u64) -> u64 {
        // The base is one of a chunk too.
        address & !self.chunk_octets().wrapping_sub(1)
    }

    #[inline(always)]
    fn word(&mut self, address: u64) -> Option<&mut u32> {
        self.words.get_mut(usize::try_from(self.index(address)).ok()?)
    }
}
