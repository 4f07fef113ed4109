//! Moving chunks from place to place, one after the other.

use super::place;
use crate::port::{
    frame::{Frame, Mint, Span},
    ring::Descriptor,
    seeded::{Fault, is_seeded},
};

/// The books of a pool, open: what each frame of a burst needs is at hand.
pub(in crate::port) struct Books<'pool> {
    pub(super) words: &'pool mut [u32],
    pub(super) base: u64,
    pub(super) chunk_shift: u32,
    /// The tag of the pool's frames that no more follow.
    pub(in crate::port) tag: u32,
    pub(super) mint: &'pool Mint,
    pub(super) first_free: &'pool mut u32,
    pub(super) free: &'pool mut u32,
}

impl Books<'_> {
    /// Takes a free chunk to be received into: its address.
    #[inline(always)]
    pub(in crate::port) fn fill(&mut self) -> Option<u64> {
        self.take(place::FILL)
    }

    /// Takes what the kernel says that it received. `None` if it cannot have.
    #[inline(always)]
    pub(in crate::port) fn accept(&mut self, descriptor: Descriptor) -> Option<Frame> {
        let (address, octets) = (descriptor.address, descriptor.octets());
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
        let has_more = descriptor.has_more();
        Some(self.mint.frame(Span { start: address, octets, has_more }))
    }

    /// Takes a whole packet that the kernel says that it received, to be sent
    /// at once. `None`, and nothing taken, if it is anything else.
    #[inline(always)]
    pub(in crate::port) fn pass_on(&mut self, descriptor: Descriptor) -> Option<()> {
        let offset = descriptor.address.wrapping_sub(self.base);
        // The octet behind the last one must lie in the same chunk, which an
        // option puts far off. A frame to the last octet of its chunk is taken
        // the longer way, and an empty one is sent by no verdict.
        let end = offset.wrapping_add(descriptor.rest);
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

    /// Undoes [`accept`](Self::accept).
    pub(in crate::port) fn decline(&mut self, frame: &Frame) {
        if let Some(span) = self.mint.span(frame)
            && let Some(word) = self.word(span.start)
        {
            *word = place::FILL;
        }
    }

    /// Frees the chunk of a frame in hand.
    pub(in crate::port) fn free(&mut self, frame: &Frame) {
        if let Some(span) = self.mint.span(frame) {
            self.put(span.start, place::HAND);
        }
    }

    /// Hands a frame to the kernel to be sent: its token is the kernel's.
    /// `None` if it is none of this pool's in hand.
    #[inline(always)]
    pub(in crate::port) fn send(&mut self, frame: &Frame) -> Option<Descriptor> {
        let Span { start: address, octets, has_more } = self.mint.span(frame)?;
        if is_seeded(Fault::DoubleReturn) {
            self.put(address, place::HAND);
            return Some(Descriptor::new(address, octets, u32::from(has_more)));
        }
        let word = self.word(address)?;
        if *word != place::HAND {
            return None;
        }
        *word = place::TX;
        Some(Descriptor::new(address, octets, u32::from(has_more)))
    }

    /// Takes back what the kernel says that it sent: its chunk is free.
    /// `false` if the kernel cannot have sent it.
    #[inline(always)]
    pub(in crate::port) fn complete(&mut self, address: u64) -> bool {
        self.put(address, place::TX)
    }

    /// As [`complete`](Self::complete), but the chunk is to be received into
    /// at once: its address.
    #[inline(always)]
    pub(in crate::port) fn refile(&mut self, address: u64) -> Option<u64> {
        if is_seeded(Fault::DoubleReturn) {
            return Some(self.chunk_at(address));
        }
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
