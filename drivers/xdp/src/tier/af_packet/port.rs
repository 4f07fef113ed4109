//! The ring and the way out as one port: frames are turned round where the
//! kernel wrote them.
//!
//! A frame's token names its block and its place there. A block goes back to
//! the kernel after the last token of it came back, never before.

use std::convert::Infallible;

use farend_core::port::{BURST_FRAMES_MAX, Burst, Frame, Limits, Mint, PoolId, Port, Span};

use super::{
    block::{self, Cursor},
    offload::{HEADER_OCTETS, Offload},
    ring::{OVERHEAD_OCTETS, Ring},
    transmit::Transmitter,
};

/// A frame's place counts its block above these bits, and its octet there
/// below. No block is that long.
const BLOCK_SHIFT: u32 = 32;

/// One interface through packet sockets.
pub(super) struct PacketPort {
    pub(super) ring: Ring,
    pub(super) transmitter: Transmitter,
    mint: Mint,
    limits: Limits,
    /// The block that is being read.
    reading: Option<Reading>,
    /// Tokens of each block that are out; one more for the block that is being
    /// read.
    holders: Vec<u32>,
    /// Blocks that were ever taken.
    pub(super) taken_blocks: u64,
    pub(super) corrupt_frames: u64,
    pub(super) truncated_frames: u64,
}

struct Reading {
    index: usize,
    cursor: Cursor,
}

impl PacketPort {
    pub(super) fn new(ring: Ring, transmitter: Transmitter) -> Self {
        let octets = ring.block_octets().saturating_sub(OVERHEAD_OCTETS);
        let limits = Limits {
            frame_octets_max: u32::try_from(octets).unwrap_or(u32::MAX),
            burst_frames_max: u16::try_from(BURST_FRAMES_MAX).unwrap_or(u16::MAX),
            is_copying: true,
        };
        Self {
            holders: vec![0; ring.blocks()],
            ring,
            transmitter,
            mint: Mint::new(PoolId(0)),
            limits,
            reading: None,
            taken_blocks: 0,
            corrupt_frames: 0,
            truncated_frames: 0,
        }
    }

    /// Moves frames of the block that is being read into the burst; `true` if
    /// that was the last one of the block.
    fn read<const N: usize>(&mut self, burst: &mut Burst<N>) -> bool {
        let Some(Reading { index, cursor }) = &mut self.reading else { return true };
        let index = *index;
        let Some(block) = self.ring.block_mut(index) else { return true };
        while burst.room() > 0 {
            let frame = match cursor.next(block) {
                Some(Ok(frame)) => frame,
                Some(Err(corrupt)) => {
                    self.corrupt_frames += u64::from(corrupt.frames);
                    return true;
                }
                None => return true,
            };
            if frame.is_outgoing {
                continue;
            }
            if frame.is_truncated() {
                self.truncated_frames += 1;
                continue;
            }
            let Some(span) = restore(block, frame, index) else {
                self.corrupt_frames += 1;
                continue;
            };
            // There is room.
            if burst.push(self.mint.frame(span)).is_ok()
                && let Some(holders) = self.holders.get_mut(index)
            {
                *holders += 1;
            }
        }
        false
    }

    /// Gives up so many holds of a block; the last one returns it.
    fn let_go(&mut self, index: usize, holds: u32) {
        let Some(holders) = self.holders.get_mut(index) else { return };
        *holders = holders.saturating_sub(holds);
        if *holders == 0 {
            self.ring.give_back(index);
        }
    }

    /// Sends what is queued of a block, and gives up the holds of it.
    fn send(&mut self, index: usize, holds: u32) {
        if let Some(block) = self.ring.block_mut(index) {
            self.transmitter.flush(block);
        }
        self.let_go(index, holds);
    }
}

/// Puts back what the ring keeps beside the frame. `None` if it cannot be.
fn restore(block: &mut [u8], mut frame: block::Frame, index: usize) -> Option<Span> {
    let offload = Offload::read(block, &frame.octets);
    let grown_octets = frame.restore_tag(block);
    if grown_octets > 0 {
        Offload::follow(offload, block, &frame.octets, grown_octets)?;
    }
    Some(Span {
        start: u64::try_from(index).ok()? << BLOCK_SHIFT
            | u64::try_from(frame.octets.start).ok()?,
        octets: u32::try_from(frame.octets.len()).ok()?,
        has_more: false,
    })
}

/// The block of a frame and where it stands there.
fn place(span: Span) -> (usize, std::ops::Range<usize>) {
    let start = (span.start & ((1 << BLOCK_SHIFT) - 1)) as usize;
    ((span.start >> BLOCK_SHIFT) as usize, start..start.saturating_add(span.octets as usize))
}

impl Port for PacketPort {
    type Error = Infallible;

    fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A burst is of one block, which keeps what is sent together together.
    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Infallible> {
        let before = burst.len();
        for _ in 0..self.ring.blocks() {
            if self.reading.is_none() {
                let Some(index) = self.ring.claim() else { break };
                let Some(block) = self.ring.block_mut(index) else { break };
                self.reading = Some(Reading { index, cursor: Cursor::new(block) });
                self.taken_blocks += 1;
                if let Some(holders) = self.holders.get_mut(index) {
                    *holders = 1;
                }
            }
            if self.read(burst)
                && let Some(Reading { index, .. }) = self.reading.take()
            {
                self.let_go(index, 1);
            }
            if burst.len() > before || burst.room() == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Sends each frame, or counts it as lost after trying for a bounded time:
    /// nothing is ever left in the burst but another pool's frames.
    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Infallible> {
        // The block of the frames that are queued, and how many of it.
        let (mut queued, mut holds) = (0, 0);
        for _ in 0..burst.len() {
            let Some(frame) = burst.pop_front() else { break };
            let span = match self.mint.redeem(frame) {
                Ok(span) => span,
                Err(foreign) => {
                    // Where it was, now behind the others.
                    let _none_refused = burst.push(foreign);
                    continue;
                }
            };
            let (index, octets) = place(span);
            if index != queued && holds > 0 {
                self.send(queued, std::mem::take(&mut holds));
            }
            queued = index;
            holds += 1;
            let Some(block) = self.ring.block_mut(index) else { continue };
            let is_offloaded = Offload::read(block, &octets).is_some();
            // The header goes out in front of its frame.
            let header_octets = if is_offloaded { HEADER_OCTETS } else { 0 };
            let start = octets.start.saturating_sub(header_octets);
            self.transmitter.push(block, start..octets.end, is_offloaded);
        }
        if holds > 0 {
            self.send(queued, holds);
        }
        Ok(())
    }

    /// Gives none: the memory of the ring is for what the kernel receives.
    fn reserve<const N: usize>(&mut self, _burst: &mut Burst<N>) {}

    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
        for _ in 0..burst.len() {
            let Some(frame) = burst.pop_front() else { break };
            match self.mint.redeem(frame) {
                Ok(span) => self.let_go(place(span).0, 1),
                // Where it was, now behind the others.
                Err(foreign) => _ = burst.push(foreign),
            }
        }
    }

    #[inline]
    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        let (index, octets) = place(self.mint.span(frame)?);
        self.ring.block_mut(index)?.get_mut(octets)
    }

    /// Nothing to tell: frames are sent by the call that takes them.
    fn kick(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
