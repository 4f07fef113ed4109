//! The way in: completion, fill, and rx.

use farend_core::port::{BURST_FRAMES_MAX, Burst, Frame, pool::Books};

use super::{Kernel, Losses, Queue, QueueError, entries, of};
use crate::ring::{Descriptor, Slot};

impl<K: Kernel> Queue<K> {
    /// Takes back what was sent, and gives it and all that is free to the
    /// kernel to receive into, as much as its ring holds.
    #[inline]
    pub(super) fn recirculate(&mut self) -> Result<(), QueueError<K::Error>> {
        let sent = self.completion.peek(u32::MAX).map_err(of("completion"))?;
        let free = self.pool.free();
        let wanted = free.saturating_add(sent.len());
        if wanted == 0 {
            return Ok(());
        }
        let mut filled = self.fill.reserve(wanted).map_err(of("fill"))?;
        let mut books = self.pool.books();
        let (mut at, mut wrong) = (0_u32, 0_u64);
        loop {
            // In rows that neither ring's end cuts.
            let (from, to) = (sent.row(at), filled.row());
            let mut moved = 0_u32;
            for (from, to) in from.iter().zip(to) {
                let Some(chunk) = books.refile(from.read()) else { break };
                to.write(chunk);
                moved = moved.wrapping_add(1);
            }
            at = at.wrapping_add(moved);
            filled.advance(moved);
            if moved > 0 {
                continue;
            }
            // All, or no room, or what the kernel cannot have sent.
            let Some(address) = sent.get(at) else { break };
            wrong = wrong.wrapping_add(u64::from(!books.complete(address)));
            at = at.wrapping_add(1);
        }
        let all = sent.len();
        sent.release(all);
        while filled.room() > 0
            && let Some(chunk) = books.fill()
        {
            filled.push(chunk);
        }
        filled.submit();
        self.losses.corrupt_descriptors = self.losses.corrupt_descriptors.wrapping_add(wrong);
        Ok(())
    }

    /// Moves whole packets from the rx ring into the burst.
    #[inline]
    pub(super) fn take_received<const N: usize>(
        &mut self,
        burst: &mut Burst<N>,
    ) -> Result<(), QueueError<K::Error>> {
        let most = usize::from(self.limits.burst_frames_max).clamp(1, BURST_FRAMES_MAX);
        let room = burst.room().min(most);
        let peeked = self.rx.peek(entries(room)).map_err(of("rx"))?;
        let mut books = self.pool.books();
        // Packets of one sound frame each are the rule.
        let mut at = 0_u32;
        if !self.is_skipping {
            burst.fill(|| {
                let descriptor = peeked.get(at)?;
                if descriptor.has_more() {
                    return None;
                }
                let frame = books.accept(descriptor.span())?;
                at = at.wrapping_add(1);
                Some(frame)
            });
        }
        if at < peeked.len() {
            let rest = (at..peeked.len()).map_while(|at| peeked.get(at));
            let mut odd = Odd {
                books,
                losses: &mut self.losses,
                is_skipping: &mut self.is_skipping,
                frames_max: most,
            };
            at = at.wrapping_add(odd.take(rest, burst));
        }
        peeked.release(at);
        Ok(())
    }
}

/// Takes packets in several frames, and throws broken ones away.
struct Odd<'queue> {
    books: Books<'queue>,
    losses: &'queue mut Losses,
    is_skipping: &'queue mut bool,
    frames_max: usize,
}

impl Odd<'_> {
    /// Moves whole packets into the burst, which has room for all; says how
    /// many descriptors are done with.
    #[cold]
    fn take<const N: usize>(
        &mut self,
        descriptors: impl Iterator<Item = Descriptor>,
        burst: &mut Burst<N>,
    ) -> u32 {
        // Descriptors that were seen, those done with, and frames of the
        // packet that is not.
        let (mut seen, mut done, mut open) = (0_u32, 0_u32, 0_usize);
        for descriptor in descriptors {
            seen = seen.wrapping_add(1);
            let is_last = !descriptor.has_more();
            if *self.is_skipping {
                self.skip(descriptor);
                *self.is_skipping = !is_last;
            } else if let Some(frame) = self.books.accept(descriptor.span()) {
                // There is room: no more was peeked at.
                let _none_refused = burst.push(frame);
                if !is_last {
                    open = open.wrapping_add(1);
                    continue;
                }
            } else {
                // A packet without one of its pieces is none.
                self.count_corrupt();
                self.discard(burst, open);
                *self.is_skipping = !is_last;
            }
            open = 0;
            done = seen;
        }
        if open >= self.frames_max {
            // More pieces than will ever fit.
            self.discard(burst, open);
            *self.is_skipping = true;
            return seen;
        }
        // Its end has not come in, or does not fit behind what is there
        // already: later.
        for _ in 0..open {
            let Some(frame) = burst.pop_back() else { break };
            self.books.decline(&frame);
        }
        done
    }

    /// Frees the chunk of a packet that is thrown away.
    fn skip(&mut self, descriptor: Descriptor) {
        match self.books.accept(descriptor.span()) {
            Some(frame) => self.free(&frame),
            None => self.count_corrupt(),
        }
    }

    /// Frees the last frames of the burst.
    fn discard<const N: usize>(&mut self, burst: &mut Burst<N>, frames: usize) {
        for _ in 0..frames {
            let Some(frame) = burst.pop_back() else { break };
            self.free(&frame);
        }
    }

    fn free(&mut self, frame: &Frame) {
        self.books.free(frame);
        self.losses.receive_broken_frames = self.losses.receive_broken_frames.wrapping_add(1);
    }

    fn count_corrupt(&mut self) {
        self.losses.corrupt_descriptors = self.losses.corrupt_descriptors.wrapping_add(1);
    }
}
