//! Spoiling what goes through, as a seed decides.

use super::move_packet;
use crate::port::{Burst, Frame, Limits, Medium, Port};

/// How often each fault happens, in parts of a million.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// A received packet is lost.
    pub drop_ppm: u32,
    /// A received packet of one frame comes twice.
    pub duplicate_ppm: u32,
    /// A received packet waits, and all behind it, until the next call.
    pub delay_ppm: u32,
    /// One octet of a received packet is changed.
    pub corrupt_ppm: u32,
    /// A call to transmit takes nothing.
    pub refuse_ppm: u32,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Harm {
    /// Packets lost.
    pub dropped: u64,
    /// Packets that came twice.
    pub duplicated: u64,
    /// Calls that left packets for the next one.
    pub delayed: u64,
    /// Packets with a changed octet.
    pub corrupted: u64,
    /// Calls to transmit that took nothing.
    pub refused: u64,
}

/// A port that spoils what it receives, and refuses what it is to send.
#[derive(Debug)]
pub struct Faulty<P> {
    port: P,
    faults: Faults,
    harm: Harm,
    state: u64,
    /// Received, and not handed on yet.
    held: Burst,
}

impl<P: Port> Faulty<P> {
    /// Wraps a port. The same seed and calls give the same faults.
    pub const fn new(port: P, faults: Faults, seed: u64) -> Self {
        let state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { port, faults, harm: Harm { ..NO_HARM }, state, held: Burst::new() }
    }

    /// What was done so far.
    #[must_use]
    pub const fn harm(&self) -> &Harm {
        &self.harm
    }

    /// The port, which gets back the frames that were still held.
    pub fn into_inner(mut self) -> P {
        self.port.recycle(&mut self.held);
        self.port
    }

    /// Draws: true in so many parts of a million.
    fn happens(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.draw().checked_rem(1_000_000).is_some_and(|drawn| drawn < ppm.into())
    }

    /// The next number of the sequence (xorshift64*).
    const fn draw(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Changes one octet of the first frame of a packet.
    fn corrupt<const N: usize>(&mut self, packet: &mut Burst<N>) {
        let (at, change) = (self.draw(), self.draw());
        if let Some(frame) = packet.get_mut(0)
            && let Some(octets) = self.port.octets(frame)
            && let Some(at) = usize::try_from(at).ok().and_then(|at| at.checked_rem(octets.len()))
            && let Some(octet) = octets.get_mut(at)
        {
            // One bit of it.
            *octet ^= 1_u8.rotate_left(u32::try_from(change & 7).unwrap_or(0));
            self.harm.corrupted = self.harm.corrupted.wrapping_add(1);
        }
    }

    /// A frame of the port's with the same octets, if it has one to spare.
    fn copy<const N: usize>(&mut self, packet: &mut Burst<N>) -> Option<Frame> {
        let mut octets = [0; 2_048];
        let original = packet.get_mut(0).filter(|frame| !frame.has_more())?;
        let from = self.port.octets(original)?;
        let len = from.len();
        octets.get_mut(..len)?.copy_from_slice(from);
        let mut blank = Burst::new();
        self.port.reserve(&mut blank);
        let mut frame = blank.pop_front();
        self.port.recycle(&mut blank);
        let copy = frame.as_mut()?;
        copy.truncate(len);
        let is_copied = self.port.octets(copy).is_some_and(|to| {
            to.len() == len && {
                to.copy_from_slice(octets.get(..len).unwrap_or_default());
                true
            }
        });
        let frame = frame?;
        if is_copied {
            return Some(frame);
        }
        // There is room.
        let _none_refused = blank.push(frame);
        self.port.recycle(&mut blank);
        None
    }

    /// Hands one packet on, or does not; `false` if the rest has to wait.
    fn hand_on<const N: usize>(&mut self, burst: &mut Burst<N>) -> bool {
        let (frames, _) = self.held.packet_at(0);
        if frames > burst.room() {
            return false;
        }
        if self.happens(self.faults.delay_ppm) {
            self.harm.delayed = self.harm.delayed.wrapping_add(1);
            return false;
        }
        let mut packet = Burst::new();
        if move_packet(&mut self.held, &mut packet).is_none() {
            return false;
        }
        if self.happens(self.faults.drop_ppm) {
            self.harm.dropped = self.harm.dropped.wrapping_add(1);
            self.port.recycle(&mut packet);
            return true;
        }
        if self.happens(self.faults.corrupt_ppm) {
            self.corrupt(&mut packet);
        }
        let is_twice = burst.room() > frames && self.happens(self.faults.duplicate_ppm);
        if is_twice && let Some(copy) = self.copy(&mut packet) {
            self.harm.duplicated = self.harm.duplicated.wrapping_add(1);
            // There is room.
            let _none_refused = packet.push(copy);
        }
        burst.append(&mut packet);
        true
    }
}

/// Nothing done.
const NO_HARM: Harm = Harm { dropped: 0, duplicated: 0, delayed: 0, corrupted: 0, refused: 0 };

impl<P: Port> Port for Faulty<P> {
    type Error = P::Error;
    const MEDIUM: Medium = P::MEDIUM;

    fn limits(&self) -> &Limits {
        self.port.limits()
    }

    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), P::Error> {
        let outcome = self.port.receive(&mut self.held);
        while !self.held.is_empty() && self.hand_on(burst) {}
        outcome
    }

    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), P::Error> {
        if self.happens(self.faults.refuse_ppm) {
            self.harm.refused = self.harm.refused.wrapping_add(1);
            return Ok(());
        }
        self.port.transmit(burst)
    }

    fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>) {
        self.port.reserve(burst);
    }

    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
        self.port.recycle(burst);
    }

    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        self.port.octets(frame)
    }

    fn kick(&mut self) -> Result<(), P::Error> {
        self.port.kick()
    }
}
