//! Memory for frames, in chunks of one size, each in exactly one place.

mod books;

use core::fmt;

use super::frame::{Frame, Mint, PoolId, Span};
pub use books::Books;

/// Where a chunk is, unless it is free: then its word is the next free one's
/// index.
mod place {
    /// With the other side, to be received into, or received and not taken yet.
    pub(super) const FILL: u32 = u32::MAX;
    /// A frame in hand: a token of it is out.
    pub(super) const HAND: u32 = u32::MAX - 1;
    /// With the other side, to be sent, or sent and not given back yet.
    pub(super) const TX: u32 = u32::MAX - 2;
    /// Free, the last one.
    pub(super) const END: u32 = u32::MAX - 3;
}

/// Chunks of a pool at most.
pub const POOL_CHUNKS_MAX: usize = 1 << 30;

/// The chunks of one port's memory: which are free, which are out, and where.
///
/// One word for each chunk, in memory that the maker brings (`S`), is both the
/// list of the free ones and the ledger of the others. So nothing that the
/// other side (a kernel, a controller) says gives a chunk to two holders: what is
/// not where it claims to come from is refused.
#[derive(Debug)]
pub struct FramePool<S> {
    words: S,
    mint: Mint,
    /// The address of the first chunk.
    base: u64,
    /// Logarithm of a chunk's octets.
    chunk_shift: u32,
    /// The first free chunk, or [`place::END`].
    first_free: u32,
    free: u32,
}

/// Chunks by their place. Their sum never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Places {
    /// Free.
    pub free: u32,
    /// With the other side to be received into, or received and not taken.
    pub fill: u32,
    /// In hand.
    pub hand: u32,
    /// With the other side to be sent, or sent and not given back.
    pub tx: u32,
}

/// Memory that no pool can be made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// The octets of a chunk are no power of two, or fewer than 64.
    ChunkOctets(u32),
    /// No chunks, or more than [`POOL_CHUNKS_MAX`].
    Chunks(usize),
    /// The first chunk's address is none of a chunk, or the last one's is too
    /// high.
    Base(u64),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChunkOctets(octets) => {
                write!(f, "chunks of {octets} octets: a power of two from 64 on is wanted")
            }
            Self::Chunks(chunks) => {
                write!(f, "a pool of {chunks} chunks: from 1 to {POOL_CHUNKS_MAX} are wanted")
            }
            Self::Base(base) => write!(f, "a pool cannot start at address {base:#x}"),
        }
    }
}

impl core::error::Error for PoolError {}

impl<S: AsRef<[u32]> + AsMut<[u32]>> FramePool<S> {
    /// Makes a pool of as many chunks as there are words, all free. The first
    /// one stands at address `base` of the port's memory.
    ///
    /// # Errors
    ///
    /// Each [`PoolError`] names what is not possible.
    pub fn new(mut words: S, id: PoolId, base: u64, chunk_octets: u32) -> Result<Self, PoolError> {
        if !chunk_octets.is_power_of_two() || chunk_octets < 64 {
            return Err(PoolError::ChunkOctets(chunk_octets));
        }
        let chunks = words.as_ref().len();
        if chunks == 0 || chunks > POOL_CHUNKS_MAX {
            return Err(PoolError::Chunks(chunks));
        }
        let octets = (chunks as u64).saturating_mul(chunk_octets.into());
        let is_misplaced = !base.is_multiple_of(chunk_octets.into());
        if is_misplaced || base.checked_add(octets).is_none_or(|end| usize::try_from(end).is_err())
        {
            return Err(PoolError::Base(base));
        }
        let mut free = 0_u32;
        for word in words.as_mut() {
            free = free.wrapping_add(1);
            *word = free;
        }
        if let Some(last) = words.as_mut().last_mut() {
            *last = place::END;
        }
        let chunk_shift = chunk_octets.trailing_zeros();
        Ok(Self { words, mint: Mint::new(id), base, chunk_shift, first_free: 0, free })
    }

    /// The pool's name.
    #[must_use]
    pub const fn id(&self) -> PoolId {
        self.mint.pool()
    }

    /// Octets of a chunk.
    #[must_use]
    #[inline(always)]
    pub const fn chunk_octets(&self) -> u32 {
        1_u32.wrapping_shl(self.chunk_shift)
    }

    /// Chunks that are free.
    #[must_use]
    #[inline(always)]
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// Counts the chunks in each place, by looking at all of them.
    #[must_use]
    pub fn places(&self) -> Places {
        let mut places = Places::default();
        for word in self.words.as_ref() {
            let place = match *word {
                place::FILL => &mut places.fill,
                place::HAND => &mut places.hand,
                place::TX => &mut places.tx,
                _ => &mut places.free,
            };
            *place = place.saturating_add(1);
        }
        places
    }

    /// Takes a blank frame, as long as its chunk.
    pub fn reserve(&mut self) -> Option<Frame> {
        let start = self.books().take(place::HAND)?;
        Some(self.mint.frame(Span { start, octets: self.chunk_octets(), has_more: false }))
    }

    /// Takes a frame back: its chunk is free.
    ///
    /// # Errors
    ///
    /// The frame itself, if it is not one of this pool's in hand.
    #[inline(always)]
    pub fn recycle(&mut self, frame: Frame) -> Result<(), Frame> {
        match self.mint.span(&frame) {
            Some(span) if self.books().put(span.start, place::HAND) => Ok(()),
            _ => Err(frame),
        }
    }

    /// The address of a frame in the port's memory, and its octets, or `None` if it is
    /// none of this pool's in hand, or not whole in its chunk.
    ///
    /// So whatever token is shown, the octets are nobody else's.
    #[must_use]
    #[inline(always)]
    pub fn locate(&self, frame: &Frame) -> Option<(u64, u32)> {
        let Span { start, octets, .. } = self.mint.span(frame)?;
        let offset = start.wrapping_sub(self.base);
        let chunk_octets = u64::from(self.chunk_octets());
        let room = chunk_octets.wrapping_sub(offset & chunk_octets.wrapping_sub(1));
        let index = usize::try_from(offset.wrapping_shr(self.chunk_shift)).ok()?;
        if *self.words.as_ref().get(index)? != place::HAND || u64::from(octets) > room {
            return None;
        }
        Some((start, octets))
    }

    /// Opens the books, to be written in for each frame of a burst.
    #[inline(always)]
    pub fn books(&mut self) -> Books<'_> {
        Books {
            words: self.words.as_mut(),
            base: self.base,
            chunk_shift: self.chunk_shift,
            mint: &self.mint,
            first_free: &mut self.first_free,
            free: &mut self.free,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{vec, vec::Vec};

    use super::*;

    fn pool(chunks: usize) -> FramePool<Vec<u32>> {
        FramePool::new(vec![0; chunks], PoolId(1), 0x1_0000, 2_048).unwrap()
    }

    fn received(start: u64, octets: u32) -> Span {
        Span { start, octets, has_more: false }
    }

    #[test]
    fn a_chunk_goes_round_and_is_in_one_place_at_a_time() {
        let mut pool = pool(2);
        let address = pool.books().fill().unwrap();
        assert_eq!(pool.places(), Places { free: 1, fill: 1, ..Places::default() });
        let frame = pool.books().accept(received(address + 256, 60)).unwrap();
        assert_eq!(pool.locate(&frame), Some((address + 256, 60)));
        assert_eq!(pool.places(), Places { free: 1, hand: 1, ..Places::default() });
        let sent = pool.books().send(&frame).unwrap();
        assert_eq!(sent, received(address + 256, 60));
        assert_eq!(pool.places(), Places { free: 1, tx: 1, ..Places::default() });
        assert!(pool.books().complete(sent.start));
        assert_eq!(pool.places(), Places { free: 2, ..Places::default() });
    }

    #[test]
    fn what_the_kernel_does_not_hold_it_cannot_give() {
        let mut pool = pool(4);
        let address = pool.books().fill().unwrap();
        let foreign =
            [0, 0xffff, 0x1_0000 + 4 * 2_048, u64::MAX, u64::MAX - 2_047, address + 2_048];
        for address in foreign {
            assert_eq!(pool.books().accept(received(address, 60)), None, "{address:#x}");
            assert!(!pool.books().complete(address), "{address:#x}");
        }
        assert!(!pool.books().complete(address), "it was never sent");
        let frame = pool.books().accept(received(address, 2_048)).unwrap();
        assert_eq!(pool.books().accept(received(address, 60)), None, "twice");
        assert!(!pool.books().complete(address), "it is in hand");
        assert!(pool.recycle(frame).is_ok());
    }

    #[test]
    fn a_frame_past_its_chunk_is_refused_and_its_chunk_free() {
        let mut pool = pool(4);
        for (start, octets) in [(0, 2_049), (2_047, 2), (1, u32::MAX)] {
            let address = pool.books().fill().unwrap();
            assert_eq!(pool.books().accept(received(address + start, octets)), None);
            assert_eq!(pool.places(), Places { free: 4, ..Places::default() });
        }
    }

    #[test]
    fn a_pool_gives_what_it_has_and_refuses_another_pools() {
        let (mut mine, mut other) = (pool(3), pool(3));
        other.mint = Mint::new(PoolId(2));
        let frames: Vec<_> = core::iter::from_fn(|| mine.reserve()).collect();
        assert_eq!(frames.len(), 3);
        assert!(frames.iter().all(|frame| frame.len() == 2_048 && other.locate(frame).is_none()));
        for frame in frames {
            let frame = other.recycle(frame).unwrap_err();
            assert_eq!(other.books().send(&frame), None);
            assert_eq!(mine.recycle(frame), Ok(()));
        }
        assert_eq!(mine.free(), 3);
    }

    #[test]
    fn forged_tokens_reach_only_octets_in_hand() {
        let mut pool = pool(2);
        let other = Mint::new(PoolId(1));
        let forged = |start, octets| other.frame(received(start, octets));
        let received_into = pool.books().fill().unwrap();
        let frame = pool.reserve().unwrap();
        let (start, _) = pool.locate(&frame).unwrap();
        assert_eq!(pool.locate(&forged(received_into, 60)), None, "the other side holds it");
        assert_eq!(pool.locate(&forged(start + 1, 2_048)), None, "past its chunk");
        assert_eq!(pool.books().send(&forged(start + 1, 2_048)), None, "past its chunk");
        assert_eq!(pool.locate(&forged(u64::MAX, 1)), None);
        assert!(pool.books().send(&forged(start, 60)).is_some());
        assert_eq!(pool.locate(&frame), None, "sent by another's token");
        assert!(pool.recycle(frame).is_err());
        let declined = forged(start, 60);
        pool.books().decline(&declined);
        assert_eq!(pool.places(), Places { fill: 1, tx: 1, ..Places::default() });
    }

    #[test]
    fn memory_that_no_pool_can_be_made_of_is_refused() {
        let make = |words, base, octets| {
            FramePool::new(vec![0; words], PoolId(1), base, octets).map(|pool| pool.free())
        };
        assert_eq!(make(1, 0, 3_000), Err(PoolError::ChunkOctets(3_000)));
        assert_eq!(make(1, 0, 0), Err(PoolError::ChunkOctets(0)));
        assert_eq!(make(0, 0, 2_048), Err(PoolError::Chunks(0)));
        assert_eq!(make(1, 100, 2_048), Err(PoolError::Base(100)));
        let top = u64::MAX - 2_047;
        assert_eq!(make(1, top, 2_048), Err(PoolError::Base(top)));
        assert_eq!(make(1, 4_096, 4_096), Ok(1));
    }
}
