//! Frames that are handled together.

use super::frame::{Frame, Token};

/// Frames of a burst at most: enough that what is done once a burst hardly
/// counts, few enough that their headers stay in the first cache.
pub const BURST_FRAMES_MAX: usize = 64;

/// Up to `FRAMES` frames, in order: a power of two, at most
/// [`BURST_FRAMES_MAX`]. A microcontroller has room for few, 16 octets each, and
/// a [turn](super::Port::turn) needs as many again.
#[derive(Debug)]
#[must_use = "frames that are dropped are lost to their pool: transmit or recycle them"]
pub struct Burst<const FRAMES: usize = BURST_FRAMES_MAX> {
    frames: [Frame; FRAMES],
    /// Where the first one stands.
    head: usize,
    len: usize,
}

impl<const FRAMES: usize> Default for Burst<FRAMES> {
    fn default() -> Self {
        Self::sized()
    }
}

impl Burst {
    /// No frames, with room for [`BURST_FRAMES_MAX`].
    #[inline]
    pub const fn new() -> Self {
        Self::sized()
    }
}

impl<const FRAMES: usize> Burst<FRAMES> {
    /// Keeps an index in the array, for the compiler to see.
    const MASK: usize = {
        assert!(FRAMES.is_power_of_two() && FRAMES <= BURST_FRAMES_MAX);
        FRAMES - 1
    };

    /// No frames, with room for `FRAMES`.
    #[inline]
    pub const fn sized() -> Self {
        Self { frames: [const { Frame(Token::NONE) }; FRAMES], head: 0, len: 0 }
    }

    /// Frames in the burst.
    #[must_use]
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no frames.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Frames that still fit.
    #[must_use]
    #[inline(always)]
    pub const fn room(&self) -> usize {
        FRAMES.saturating_sub(self.len)
    }

    /// Adds a frame at the end.
    ///
    /// # Errors
    ///
    /// The frame itself, if the burst is full.
    #[inline(always)]
    pub const fn push(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.len >= FRAMES {
            return Err(frame);
        }
        self.set(self.len, frame.0);
        self.len = self.len.wrapping_add(1);
        Ok(())
    }

    /// Takes the first frame.
    #[inline(always)]
    pub const fn pop_front(&mut self) -> Option<Frame> {
        if self.len == 0 {
            return None;
        }
        let token = self.token(0);
        self.head = self.head.wrapping_add(1);
        self.len = self.len.wrapping_sub(1);
        Some(Frame(token))
    }

    /// Puts a frame back that was just taken from the front.
    #[expect(clippy::needless_pass_by_value, reason = "a token that is given away")]
    pub(super) const fn push_front(&mut self, frame: Frame) {
        if self.len < FRAMES {
            self.head = self.head.wrapping_sub(1);
            self.set(0, frame.0);
            self.len = self.len.wrapping_add(1);
        }
    }

    /// Takes the last frame.
    #[inline(always)]
    pub const fn pop_back(&mut self) -> Option<Frame> {
        if self.len == 0 {
            return None;
        }
        self.len = self.len.wrapping_sub(1);
        Some(Frame(self.token(self.len)))
    }

    /// Takes the frames, first one first. Those that are not asked for stay.
    pub fn drain(&mut self) -> impl Iterator<Item = Frame> {
        core::iter::from_fn(|| self.pop_front())
    }

    /// The frame at this place, counted from the first one.
    #[must_use]
    #[inline(always)]
    pub const fn get(&self, at: usize) -> Option<&Frame> {
        if at >= self.len {
            return None;
        }
        Some(&self.frames[self.head.wrapping_add(at) & Self::MASK])
    }

    /// As [`get`](Self::get), for its octets to be borrowed.
    #[must_use]
    #[inline(always)]
    pub const fn get_mut(&mut self, at: usize) -> Option<&mut Frame> {
        if at >= self.len {
            return None;
        }
        Some(&mut self.frames[self.head.wrapping_add(at) & Self::MASK])
    }

    /// The frames, first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        (0..self.len).map_while(|at| self.get(at))
    }

    /// Moves frames of `other` to the end of this one, as long as there is
    /// room.
    pub fn append<const OTHERS: usize>(&mut self, other: &mut Burst<OTHERS>) {
        while self.room() > 0
            && let Some(frame) = other.pop_front()
        {
            // There is room.
            let _none_refused = self.push(frame);
        }
    }

    /// Frames of the packet that starts at this place, and octets of all of
    /// them. One that is cut off by the end of the burst ends there.
    #[must_use]
    #[inline(always)]
    pub const fn packet_at(&self, at: usize) -> (usize, usize) {
        let (mut frames, mut octets) = (0_usize, 0_usize);
        while let Some(frame) = self.get(at.wrapping_add(frames)) {
            frames = frames.wrapping_add(1);
            octets = octets.saturating_add(frame.len());
            if !frame.has_more() {
                break;
            }
        }
        (frames, octets)
    }

    /// Packets that end in the burst: each has one frame that no more follow.
    #[must_use]
    #[inline(always)]
    pub fn packets(&self) -> usize {
        self.iter().fold(0, |sum: usize, frame| sum.wrapping_add(usize::from(!frame.has_more())))
    }

    /// Asks about each packet from the place `from` on, by its first frame and
    /// the octets of all, and moves those that are not kept into `others`,
    /// which must have room for them: what does not fit stays.
    #[inline(always)]
    pub(super) fn sift(
        &mut self,
        from: usize,
        others: &mut Self,
        mut is_kept: impl FnMut(&mut Frame, usize) -> bool,
    ) {
        let (mut at, mut kept) = (from, from);
        let (head, len) = (self.head, self.len);
        while at < len {
            let frame = &mut self.frames[head.wrapping_add(at) & Self::MASK];
            let is_run = frame.has_more();
            let (frames, octets) = if is_run { self.packet_at(at) } else { (1, frame.len()) };
            let frame = &mut self.frames[head.wrapping_add(at) & Self::MASK];
            let is_moved = !is_kept(frame, octets) && others.room() >= frames;
            if is_moved || is_run || kept != at {
                kept = self.displace(at, frames, kept, is_moved.then_some(&mut *others));
            } else {
                kept = kept.wrapping_add(1);
            }
            at = at.wrapping_add(frames);
        }
        if kept < len {
            self.len = kept;
        }
    }

    /// Moves the frames from a place on to the end of `others`, or forward to
    /// the place `kept`. Gives where the next kept one goes.
    fn displace(
        &mut self,
        at: usize,
        frames: usize,
        mut kept: usize,
        mut others: Option<&mut Self>,
    ) -> usize {
        for place in at..at.saturating_add(frames) {
            let token = self.token(place);
            if let Some(others) = &mut others {
                // There is room: it was asked for.
                let _none_refused = others.push(Frame(token));
            } else {
                self.set(kept, token);
                kept = kept.wrapping_add(1);
            }
        }
        kept
    }

    /// Adds the frames that `next` gives, up to the burst's room; says how many.
    #[inline(always)]
    pub fn fill(&mut self, mut next: impl FnMut() -> Option<Frame>) -> usize {
        let (end, room) = (self.head.wrapping_add(self.len), self.room());
        let mut added = 0;
        while added < room
            && let Some(Frame(token)) = next()
        {
            self.frames[end.wrapping_add(added) & Self::MASK].0 = token;
            added = added.wrapping_add(1);
        }
        self.len = self.len.wrapping_add(added);
        added
    }

    /// Takes frames from the front as long as `is_taken` says so; what it was
    /// shown and took is its caller's.
    #[inline(always)]
    pub fn take_while(&mut self, mut is_taken: impl FnMut(&Frame) -> bool) {
        let (head, len) = (self.head, self.len);
        let mut taken = 0;
        while taken < len && is_taken(&self.frames[head.wrapping_add(taken) & Self::MASK]) {
            taken = taken.wrapping_add(1);
        }
        self.head = head.wrapping_add(taken);
        self.len = len.wrapping_sub(taken);
    }

    #[inline(always)]
    const fn token(&self, at: usize) -> Token {
        self.frames[self.head.wrapping_add(at) & Self::MASK].0
    }

    #[inline(always)]
    const fn set(&mut self, at: usize, token: Token) {
        self.frames[self.head.wrapping_add(at) & Self::MASK].0 = token;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{vec, vec::Vec};

    use super::{
        super::frame::{Mint, PoolId, Span},
        *,
    };

    const MINT: Mint = Mint::new(PoolId(3));

    fn frame(index: u32, has_more: bool) -> Frame {
        MINT.frame(Span { start: index.into(), octets: 100, has_more })
    }

    fn indexes(burst: &mut Burst) -> Vec<u64> {
        burst.drain().map(|frame| MINT.redeem(frame).unwrap().start).collect()
    }

    #[test]
    fn a_burst_refuses_the_frame_past_its_capacity_and_gives_it_back() {
        let mut burst = Burst::new();
        for index in 0..64 {
            assert_eq!(burst.push(frame(index, false)), Ok(()));
        }
        assert_eq!(burst.room(), 0);
        let back = burst.push(frame(64, false)).unwrap_err();
        assert_eq!(MINT.redeem(back).unwrap().start, 64);
        assert_eq!(indexes(&mut burst), (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn order_is_kept_while_frames_come_and_go() {
        let mut burst = Burst::new();
        let (mut next, mut wanted) = (0, 0);
        for round in 0..1_000_u32 {
            for _ in 0..round % 7 {
                if burst.push(frame(next, false)).is_ok() {
                    next += 1;
                }
            }
            for _ in 0..round % 5 {
                if let Some(frame) = burst.pop_front() {
                    assert_eq!(MINT.redeem(frame).unwrap().start, wanted);
                    wanted += 1;
                }
            }
        }
        assert!(wanted > 1_000);
        let last = burst.pop_back().unwrap();
        assert_eq!(MINT.redeem(last).unwrap().start, u64::from(next) - 1);
    }

    #[test]
    fn sifting_moves_whole_packets_and_keeps_the_order_of_both() {
        let mut burst = Burst::new();
        // 0 is pending already; 1; 2+3+4 are one packet; 5; 6+7; 8 is cut off.
        let more = [false, false, true, true, false, false, true, false, true];
        for (index, more) in (0..).zip(more) {
            burst.push(frame(index, more)).unwrap();
        }
        let mut others = Burst::new();
        let mut seen = vec![];
        burst.sift(1, &mut others, |first, octets| {
            let index = MINT.span(first).unwrap().start;
            seen.push((index, octets));
            ![1, 6].contains(&index)
        });
        assert_eq!(seen, [(1, 100), (2, 300), (5, 100), (6, 200), (8, 100)]);
        assert_eq!(indexes(&mut burst), [0, 2, 3, 4, 5, 8]);
        assert_eq!(indexes(&mut others), [1, 6, 7]);
    }

    #[test]
    fn what_does_not_fit_among_the_others_stays() {
        let (mut burst, mut others) = (Burst::new(), Burst::new());
        for index in 0..63 {
            others.push(frame(100 + index, false)).unwrap();
        }
        for (index, more) in [(0, true), (1, false), (2, false), (3, false)] {
            burst.push(frame(index, more)).unwrap();
        }
        burst.sift(0, &mut others, |_, _| false);
        assert_eq!(indexes(&mut burst), [0, 1, 3]);
        assert_eq!(others.len(), 64);
        let _ = indexes(&mut others);
    }

    #[test]
    fn appending_moves_what_fits() {
        let (mut one, mut two) = (Burst::new(), Burst::new());
        for index in 0..60 {
            one.push(frame(index, false)).unwrap();
            two.push(frame(60 + index, false)).unwrap();
        }
        one.append(&mut two);
        assert_eq!((one.len(), two.len()), (64, 56));
        assert_eq!(indexes(&mut one), (0..64).collect::<Vec<_>>());
        let _ = indexes(&mut two);
    }
}
