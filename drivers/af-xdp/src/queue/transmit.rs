//! The way out: tx, and completion.

use farend_core::port::{Burst, Frame, FramePool, pool::Books};

use super::{Kernel, Losses, Queue, QueueError, entries, of};
use crate::{
    ring::Descriptor,
    seeded::{Fault, is_seeded},
};

/// What to do with the packet at the front of a burst.
enum Step {
    /// So many frames go out.
    Send(usize),
    /// So many frames can never go out.
    ThrowAway(usize),
    /// There is no room for all of its frames.
    Wait,
}

impl<K: Kernel> Queue<K> {
    /// Moves whole packets from the front of the burst into the tx ring.
    #[inline]
    pub(super) fn hand_over<const N: usize>(
        &mut self,
        burst: &mut Burst<N>,
    ) -> Result<(), QueueError<K::Error>> {
        let size = self.tx.size();
        let mut reserved = self.tx.reserve(entries(burst.len())).map_err(of("tx"))?;
        let mut outcome = Ok(());
        'packets: while !burst.is_empty() {
            // Packets of one frame each are the rule.
            let mut books = self.pool.books();
            let before = burst.len();
            burst.take_while(|frame| {
                if !books.is_whole_packet(frame) || frame.is_empty() || reserved.room() == 0 {
                    return false;
                }
                send(&mut books, frame).is_some_and(|descriptor| reserved.push(descriptor))
            });
            self.packets = self.packets.wrapping_add(before.saturating_sub(burst.len()) as u64);
            if burst.is_empty() {
                break;
            }
            let frames = match odd_step(burst, reserved.room(), size) {
                Step::Send(frames) => frames,
                Step::ThrowAway(frames) => {
                    throw_away(&mut self.pool, &mut self.losses, burst, frames);
                    continue;
                }
                Step::Wait => break,
            };
            let mut books = self.pool.books();
            for _ in 0..frames {
                let Some(descriptor) = burst.get(0).and_then(|frame| send(&mut books, frame))
                else {
                    outcome = Err(QueueError::ForeignFrame);
                    break 'packets;
                };
                // There is room, and the frame is the kernel's.
                reserved.push(descriptor);
                let _handed_over = burst.pop_front();
            }
            self.packets = self.packets.wrapping_add(1);
        }
        reserved.submit();
        outcome
    }

    /// Takes the chunks back that were sent.
    #[inline]
    pub(super) fn reap(&mut self) -> Result<(), QueueError<K::Error>> {
        let sent = self.completion.peek(u32::MAX).map_err(of("completion"))?;
        let mut books = self.pool.books();
        let losses = &mut self.losses;
        for at in 0..sent.len() {
            let Some(address) = sent.get(at) else { break };
            if !books.complete(address) {
                losses.corrupt_descriptors = losses.corrupt_descriptors.wrapping_add(1);
            }
        }
        let all = sent.len();
        sent.release(all);
        Ok(())
    }
}

/// Hands one frame to the kernel.
#[inline(always)]
fn send(books: &mut Books<'_>, frame: &Frame) -> Option<Descriptor> {
    let span = books.send(frame)?;
    if is_seeded(Fault::DoubleReturn) {
        books.complete(span.start);
    }
    Some(span.into())
}

/// Decides about the packet at the front, of which there is one.
#[cold]
fn odd_step<const N: usize>(burst: &Burst<N>, room: u32, size: u32) -> Step {
    let (frames, _) = burst.packet_at(0);
    // The kernel would never give the chunk of an empty frame back.
    let is_whole = (0..frames).all(|at| burst.get(at).is_some_and(|frame| !frame.is_empty()))
        && burst.get(frames.wrapping_sub(1)).is_some_and(|frame| !frame.has_more());
    if !is_whole || entries(frames) > size {
        Step::ThrowAway(frames)
    } else if entries(frames) > room {
        Step::Wait
    } else {
        Step::Send(frames)
    }
}

/// Frees the first frames of the burst. Another pool's are lost to it.
#[cold]
fn throw_away<const N: usize, S>(
    pool: &mut FramePool<S>,
    losses: &mut Losses,
    burst: &mut Burst<N>,
    frames: usize,
) where
    S: AsRef<[u32]> + AsMut<[u32]>,
{
    for _ in 0..frames {
        let Some(frame) = burst.pop_front() else { break };
        let _other_pools = pool.recycle(frame);
        losses.unsendable_frames = losses.unsendable_frames.wrapping_add(1);
    }
}
