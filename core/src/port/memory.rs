//! Two ports joined by a wire in memory, for tests and benches.
//!
//! What one transmits the other receives, copied, in order. A full wire
//! refuses frames as a full tx ring does.

use core::{cell::RefCell, fmt};

use super::{Burst, Frame, FramePool, Limits, PoolId, Port, pool::PoolError};

/// Both directions of a wire, each with room for `FRAMES` frames of `OCTETS`
/// octets.
#[derive(Debug)]
pub struct Wire<const FRAMES: usize, const OCTETS: usize> {
    ways: [RefCell<Way<FRAMES, OCTETS>>; 2],
}

/// Frames under way, oldest first.
#[derive(Debug)]
struct Way<const FRAMES: usize, const OCTETS: usize> {
    octets: [[u8; OCTETS]; FRAMES],
    /// Octets of each frame, and whether its packet goes on.
    frames: [(usize, bool); FRAMES],
    first: usize,
    len: usize,
}

impl<const FRAMES: usize, const OCTETS: usize> Default for Wire<FRAMES, OCTETS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const FRAMES: usize, const OCTETS: usize> Wire<FRAMES, OCTETS> {
    /// A wire with nothing on it. Large: keep it where there is room.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(FRAMES > 0 && OCTETS.is_power_of_two()) };
        Self { ways: [const { RefCell::new(Way::new()) }; 2] }
    }

    /// The ports at both ends, with pools of as many frames as the wire holds.
    ///
    /// # Errors
    ///
    /// [`PoolError`] if a frame's octets cannot be those of a pool's chunk.
    pub fn ports(&self) -> Result<[MemoryPort<'_, FRAMES, OCTETS>; 2], PoolError> {
        let [one, other] = &self.ways;
        Ok([MemoryPort::new(PoolId(0), one, other)?, MemoryPort::new(PoolId(1), other, one)?])
    }
}

impl<const FRAMES: usize, const OCTETS: usize> Way<FRAMES, OCTETS> {
    const fn new() -> Self {
        Self { octets: [[0; OCTETS]; FRAMES], frames: [(0, false); FRAMES], first: 0, len: 0 }
    }

    const fn room(&self) -> usize {
        FRAMES.saturating_sub(self.len)
    }

    /// Puts a frame behind the others, if there is room and it fits.
    fn put(&mut self, octets: &[u8], has_more: bool) -> bool {
        let at = self.first.wrapping_add(self.len).checked_rem(FRAMES).unwrap_or(0);
        if self.room() > 0
            && let (Some(to), Some(frame)) = (self.octets.get_mut(at), self.frames.get_mut(at))
            && let Some(to) = to.get_mut(..octets.len())
        {
            to.copy_from_slice(octets);
            *frame = (octets.len(), has_more);
            self.len = self.len.wrapping_add(1);
            return true;
        }
        false
    }

    /// The frame at this place, counted from the oldest one.
    fn get(&self, at: usize) -> Option<(&[u8], bool)> {
        if at >= self.len {
            return None;
        }
        let at = self.first.wrapping_add(at).checked_rem(FRAMES)?;
        let (octets, has_more) = *self.frames.get(at)?;
        Some((self.octets.get(at)?.get(..octets)?, has_more))
    }

    fn release(&mut self, frames: usize) {
        let frames = frames.min(self.len);
        self.first = self.first.wrapping_add(frames).checked_rem(FRAMES).unwrap_or(0);
        self.len = self.len.saturating_sub(frames);
    }

    /// Frames of the oldest packet, or `None` if its end has not come.
    fn packet(&self) -> Option<usize> {
        (0..self.len)
            .find(|at| self.get(*at).is_some_and(|(_, has_more)| !has_more))
            .map(|last| last.wrapping_add(1))
    }
}

/// One end of a [`Wire`].
#[derive(Debug)]
pub struct MemoryPort<'wire, const FRAMES: usize, const OCTETS: usize> {
    out: &'wire RefCell<Way<FRAMES, OCTETS>>,
    back: &'wire RefCell<Way<FRAMES, OCTETS>>,
    pool: FramePool<[u32; FRAMES]>,
    octets: [[u8; OCTETS]; FRAMES],
    limits: Limits,
}

/// The wire is being looked at: it and its ports belong to one thread, so only
/// a call from inside another can say so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireBusy;

impl fmt::Display for WireBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the wire is in use")
    }
}

impl core::error::Error for WireBusy {}

impl<'wire, const FRAMES: usize, const OCTETS: usize> MemoryPort<'wire, FRAMES, OCTETS> {
    fn new(
        id: PoolId,
        out: &'wire RefCell<Way<FRAMES, OCTETS>>,
        back: &'wire RefCell<Way<FRAMES, OCTETS>>,
    ) -> Result<Self, PoolError> {
        let chunk_octets = u32::try_from(OCTETS).map_err(|_| PoolError::ChunkOctets(u32::MAX))?;
        Ok(Self {
            out,
            back,
            pool: FramePool::new([0; FRAMES], id, 0, chunk_octets)?,
            octets: [[0; OCTETS]; FRAMES],
            limits: Limits {
                frame_octets_max: chunk_octets,
                burst_frames_max: 64,
                is_copying: true,
            },
        })
    }

    /// Frames of the pool that are free.
    #[must_use]
    pub const fn free_frames(&self) -> u32 {
        self.pool.free()
    }

    /// Copies a packet's frames from the wire into the burst; `false`, and the
    /// burst as it was, if not all of them find memory.
    fn take<const N: usize>(
        &mut self,
        way: &Way<FRAMES, OCTETS>,
        frames: usize,
        burst: &mut Burst<N>,
    ) -> bool {
        for at in 0..frames {
            let taken = way.get(at).and_then(|(octets, has_more)| {
                let mut frame = self.pool.reserve()?;
                frame.truncate(octets.len());
                frame.set_more(has_more);
                // As long as it was cut to.
                let to = self.octets(&mut frame)?;
                for (to, from) in to.iter_mut().zip(octets) {
                    *to = *from;
                }
                Some(frame)
            });
            if taken.map(|frame| burst.push(frame)) != Some(Ok(())) {
                for _ in 0..at {
                    // Reserved just now.
                    let _none_refused = burst.pop_back().map(|frame| self.pool.recycle(frame));
                }
                return false;
            }
        }
        true
    }
}

impl<const FRAMES: usize, const OCTETS: usize> Port for MemoryPort<'_, FRAMES, OCTETS> {
    type Error = WireBusy;

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), WireBusy> {
        let back = self.back;
        let mut way = back.try_borrow_mut().map_err(|_| WireBusy)?;
        while let Some(frames) = way.packet()
            && frames <= burst.room()
            && self.take(&way, frames, burst)
        {
            way.release(frames);
        }
        Ok(())
    }

    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), WireBusy> {
        let out = self.out;
        let mut way = out.try_borrow_mut().map_err(|_| WireBusy)?;
        while !burst.is_empty() {
            let (frames, _) = burst.packet_at(0);
            // What no wire is long enough for is not kept for ever.
            let is_sent = frames <= FRAMES;
            if is_sent && frames > way.room() {
                break;
            }
            for _ in 0..frames {
                let Some(mut frame) = burst.pop_front() else { break };
                let has_more = frame.has_more();
                // Another pool's frame has no octets here: it is not sent, and
                // stays.
                let Some(octets) = self.octets(&mut frame) else {
                    burst.push_front(frame);
                    return Ok(());
                };
                if is_sent {
                    way.put(octets, has_more);
                }
                // Located just now.
                let _none_refused = self.pool.recycle(frame);
            }
        }
        Ok(())
    }

    fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>) {
        while burst.room() > 0
            && let Some(frame) = self.pool.reserve()
        {
            // There is room.
            let _none_refused = burst.push(frame);
        }
    }

    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
        for _ in 0..burst.len() {
            let Some(frame) = burst.pop_front() else { break };
            if let Err(foreign) = self.pool.recycle(frame) {
                // Where it was, now behind the others.
                let _none_refused = burst.push(foreign);
            }
        }
    }

    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        let (start, octets) = self.pool.locate(frame)?;
        let (start, octets) = (usize::try_from(start).ok()?, usize::try_from(octets).ok()?);
        self.octets.as_flattened_mut().get_mut(start..start.checked_add(octets)?)
    }

    /// Nothing to tell: the wire is memory.
    fn kick(&mut self) -> Result<(), WireBusy> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    extern crate std;

    use std::{boxed::Box, vec::Vec};

    use super::*;

    /// Sends packets; says how many of them found room.
    pub(in crate::port) fn send(port: &mut impl Port, packets: &[&[u8]]) -> usize {
        let mut blank = Burst::new();
        port.reserve(&mut blank);
        let mut ready = Burst::new();
        for packet in packets {
            let Some(mut frame) = blank.pop_front() else { break };
            frame.truncate(packet.len());
            port.octets(&mut frame).unwrap().copy_from_slice(packet);
            ready.push(frame).unwrap();
        }
        port.recycle(&mut blank);
        port.transmit(&mut ready).unwrap();
        let left = ready.len();
        port.recycle(&mut ready);
        packets.len() - left
    }

    /// What is there to receive.
    pub(in crate::port) fn receive(port: &mut impl Port) -> Vec<Vec<u8>> {
        let mut burst = Burst::new();
        port.receive(&mut burst).unwrap();
        let packets = (0..burst.len())
            .map(|at| port.octets(burst.get_mut(at).unwrap()).unwrap().to_vec())
            .collect();
        port.recycle(&mut burst);
        packets
    }

    #[test]
    fn what_one_sends_the_other_receives_in_order_and_no_memory_is_lost() {
        let wire = Box::new(Wire::<4, 128>::new());
        let [mut one, mut other] = wire.ports().unwrap();
        for round in 0..100_u8 {
            assert_eq!(send(&mut one, &[&[round; 60], &[round; 128]]), 2);
            assert_eq!(receive(&mut other), [[round; 60].to_vec(), [round; 128].to_vec()]);
        }
        assert_eq!((one.free_frames(), other.free_frames()), (4, 4));
        assert!(receive(&mut one).is_empty());
    }

    #[test]
    fn a_full_wire_refuses_and_loses_nothing() {
        let wire = Box::new(Wire::<4, 128>::new());
        let [mut one, mut other] = wire.ports().unwrap();
        assert_eq!(send(&mut one, &[&[1; 60], &[2; 60], &[3; 60]]), 3);
        assert_eq!(send(&mut one, &[&[4; 60], &[5; 60]]), 1);
        let firsts: Vec<_> = receive(&mut other).iter().map(|packet| packet[0]).collect();
        assert_eq!(firsts, [1, 2, 3, 4]);
    }

    #[test]
    fn a_packet_waits_on_the_wire_for_its_end() {
        let wire = Box::new(Wire::<4, 128>::new());
        let [mut one, mut other] = wire.ports().unwrap();
        let mut blank = Burst::new();
        one.reserve(&mut blank);
        blank.get_mut(0).unwrap().set_more(true);
        let (mut start, mut end) = (Burst::new(), Burst::new());
        start.push(blank.pop_front().unwrap()).unwrap();
        end.push(blank.pop_front().unwrap()).unwrap();
        one.recycle(&mut blank);
        one.transmit(&mut start).unwrap();
        assert!(receive(&mut other).is_empty());
        one.transmit(&mut end).unwrap();
        assert_eq!(receive(&mut other).len(), 2);
        assert_eq!(other.free_frames(), 4);
    }
}
