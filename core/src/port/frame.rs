//! Tokens for frames, and the only place that makes them.

/// Names a pool, for its frames to be told from others'.
///
/// Two pools whose frames can meet need two numbers; a driver counts its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolId(pub u16);

/// Where a frame stands in its pool's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Where its first octet is, in whatever way the pool counts.
    pub start: u64,
    /// Octets of the frame.
    pub octets: u32,
    /// Whether the packet goes on in the next frame.
    pub has_more: bool,
}

/// The right to a frame's memory: whoever holds it, nobody else does.
///
/// Not to be copied, and worth nothing without the port it came from. Dropping
/// it loses its memory until the pool is made anew; give it to
/// [`transmit`](super::Port::transmit) or [`recycle`](super::Port::recycle).
///
/// ```compile_fail
/// use farend_core::port::{Mint, PoolId, Span};
///
/// let frame = Mint::new(PoolId(0)).frame(Span::default());
/// let (one, two) = (frame, frame); // moved: there is no second one
/// # let _ = (one, two);
/// ```
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a frame that is dropped is lost to its pool: transmit or recycle it"]
pub struct Frame(pub(super) Token);

/// What a frame is made of. Only a [`Burst`](super::Burst) may copy it, from
/// where it leaves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) start: u64,
    pub(super) octets: u32,
    /// The pool, and above it whether the packet goes on: one comparison tells
    /// a pool's own whole packet.
    pub(super) tag: u32,
}

/// The bit of a tag that says that the packet goes on.
const TAG_MORE: u32 = 1 << 16;

impl Token {
    /// What stands where no frame is.
    pub(super) const NONE: Self = Self { start: 0, octets: 0, tag: 0 };
}

const _: () = assert!(size_of::<Frame>() == 16);

impl Frame {
    /// Octets of the frame: Ethernet header in, FCS out; of a packet in
    /// several frames this one's part.
    #[must_use]
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.0.octets as usize
    }

    /// Whether the frame has no octets.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.octets == 0
    }

    /// Whether the packet goes on in the next frame of the burst.
    #[must_use]
    #[inline(always)]
    pub const fn has_more(&self) -> bool {
        self.0.tag & TAG_MORE != 0
    }

    /// Cuts the frame to its first `octets`. A shorter one stays as it is.
    pub fn truncate(&mut self, octets: usize) {
        if let Ok(octets) = u32::try_from(octets)
            && octets < self.0.octets
        {
            self.0.octets = octets;
        }
    }

    /// Says whether the packet goes on in the next frame, for a sender.
    pub const fn set_more(&mut self, has_more: bool) {
        self.0.tag = if has_more { self.0.tag | TAG_MORE } else { self.0.tag & !TAG_MORE };
    }
}

/// Makes the frames of one pool, and takes them apart again. A port keeps it to
/// itself.
///
/// Anybody can make a mint, and so a token of any memory: a token says whose frame
/// it is and proves nothing. A port that lends memory which others write to
/// checks its own ledger before it does, as [`FramePool`](super::FramePool) can.
#[derive(Debug)]
pub struct Mint {
    pool: PoolId,
}

impl Mint {
    /// Makes the mint of this pool: one for each, and none for another's.
    #[must_use]
    pub const fn new(pool: PoolId) -> Self {
        Self { pool }
    }

    /// The pool whose frames these are.
    #[must_use]
    pub const fn pool(&self) -> PoolId {
        self.pool
    }

    /// The tag of this pool's frames that no more follow.
    #[inline(always)]
    const fn tag(&self) -> u32 {
        self.pool.0 as u32
    }

    /// Whether a frame is this pool's, and a whole packet.
    #[must_use]
    #[inline(always)]
    pub const fn is_whole_packet(&self, frame: &Frame) -> bool {
        frame.0.tag == self.tag()
    }

    /// Makes the token of memory that nobody holds one of.
    #[inline(always)]
    pub const fn frame(&self, span: Span) -> Frame {
        let Span { start, octets, has_more } = span;
        let tag = if has_more { self.tag() | TAG_MORE } else { self.tag() };
        Frame(Token { start, octets, tag })
    }

    /// Where the frame stands, or `None` if it is another pool's.
    #[must_use]
    #[inline(always)]
    pub const fn span(&self, frame: &Frame) -> Option<Span> {
        let Token { start, octets, tag } = frame.0;
        if tag & !TAG_MORE == self.tag() {
            Some(Span { start, octets, has_more: tag & TAG_MORE != 0 })
        } else {
            None
        }
    }

    /// Takes the token back: its memory is the pool's again.
    ///
    /// # Errors
    ///
    /// The frame itself, if it is another pool's.
    #[inline(always)]
    pub const fn redeem(&self, frame: Frame) -> Result<Span, Frame> {
        match self.span(&frame) {
            Some(span) => Ok(span),
            None => Err(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_told_from_another_pools() {
        let (mine, other) = (Mint::new(PoolId(1)), Mint::new(PoolId(2)));
        let span = Span { start: 7_256, octets: 60, has_more: false };
        let frame = mine.frame(span);
        assert_eq!(mine.span(&frame), Some(span));
        assert_eq!(other.span(&frame), None);
        let frame = other.redeem(frame).unwrap_err();
        assert_eq!(mine.redeem(frame), Ok(span));
    }

    #[test]
    fn a_frame_is_cut_and_never_grows() {
        let mint = Mint::new(PoolId(1));
        let mut frame = mint.frame(Span { octets: 60, ..Span::default() });
        frame.truncate(usize::MAX);
        assert_eq!(frame.len(), 60);
        frame.truncate(14);
        assert_eq!(frame.len(), 14);
        frame.truncate(15);
        assert_eq!(frame.len(), 14);
        assert!(mint.redeem(frame).is_ok());
    }
}
