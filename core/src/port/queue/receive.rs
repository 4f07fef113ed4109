//! The way in: fill, and rx.

use super::{Kernel, Losses, Queue, QueueError, entries, of};
use crate::port::{BURST_FRAMES_MAX, Burst, pool::FramePool, ring::Descriptor};

impl<K: Kernel> Queue<K> {
    /// Gives free chunks to the kernel, as many as its ring holds.
    #[inline]
    pub(super) fn refill(&mut self) -> Result<(), QueueError<K::Error>> {
        let free = self.pool.free();
        if free == 0 {
            return Ok(());
        }
        let mut reserved = self.fill.reserve(free).map_err(of("fill"))?;
        while reserved.room() > 0
            && let Some(address) = self.pool.fill()
        {
            // There is room.
            reserved.push(address);
        }
        reserved.submit();
        Ok(())
    }

    /// Moves whole packets from the rx ring into the burst.
    #[inline]
    pub(super) fn take_received(&mut self, burst: &mut Burst) -> Result<(), QueueError<K::Error>> {
        let most = usize::from(self.limits.burst_frames_max).clamp(1, BURST_FRAMES_MAX);
        let room = burst.room().min(most);
        let peeked = self.rx.peek(entries(room)).map_err(of("rx"))?;
        // Entries that are done with, and frames of the packet that is not.
        let (mut done, mut open) = (0_u32, 0_usize);
        for at in 0..peeked.len() {
            let Some(descriptor) = peeked.get(at) else { break };
            let is_last = !descriptor.has_more();
            if self.is_skipping {
                skip(&mut self.pool, &mut self.losses, descriptor);
                self.is_skipping = !is_last;
            } else if let Ok(frame) = self.pool.accept(descriptor) {
                // There is room: no more was peeked at.
                let _none_left = burst.push(frame);
                if !is_last {
                    open = open.wrapping_add(1);
                    continue;
                }
            } else {
                // A packet without one of its pieces is none.
                let losses = &mut self.losses;
                losses.corrupt_descriptors = losses.corrupt_descriptors.wrapping_add(1);
                discard(&mut self.pool, losses, burst, open);
                self.is_skipping = !is_last;
            }
            open = 0;
            done = at.wrapping_add(1);
        }
        if open >= most {
            // More pieces than will ever fit.
            discard(&mut self.pool, &mut self.losses, burst, open);
            self.is_skipping = true;
            done = peeked.len();
        } else if open > 0 {
            // Its end has not come in, or does not fit behind what is there
            // already: later.
            decline(&mut self.pool, burst, open);
        }
        peeked.release(done);
        Ok(())
    }
}

/// Frees the chunk of a packet that is thrown away.
#[cold]
fn skip<S>(pool: &mut FramePool<S>, losses: &mut Losses, descriptor: Descriptor)
where
    S: AsRef<[u32]> + AsMut<[u32]>,
{
    if let Ok(frame) = pool.accept(descriptor) {
        // Accepted just now.
        let _none_left = pool.recycle(frame);
        losses.receive_broken_frames = losses.receive_broken_frames.wrapping_add(1);
    } else {
        losses.corrupt_descriptors = losses.corrupt_descriptors.wrapping_add(1);
    }
}

/// Frees the last frames of the burst.
#[cold]
fn discard<S>(pool: &mut FramePool<S>, losses: &mut Losses, burst: &mut Burst, frames: usize)
where
    S: AsRef<[u32]> + AsMut<[u32]>,
{
    for _ in 0..frames {
        let Some(frame) = burst.pop_back() else { break };
        // Accepted just now.
        let _none_left = pool.recycle(frame);
        losses.receive_broken_frames = losses.receive_broken_frames.wrapping_add(1);
    }
}

/// Leaves the last frames of the burst in the ring.
#[cold]
fn decline<S>(pool: &mut FramePool<S>, burst: &mut Burst, frames: usize)
where
    S: AsRef<[u32]> + AsMut<[u32]>,
{
    for _ in 0..frames {
        let Some(frame) = burst.pop_back() else { break };
        pool.decline(frame);
    }
}
