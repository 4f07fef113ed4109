//! Keeping what goes through.

use super::move_packet;
use crate::port::{Burst, Frame, Limits, Medium, Port};

/// Which way a frame goes, seen from the interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Received.
    Ingress,
    /// Transmitted.
    Egress,
}

/// Keeps frames, packet by packet.
pub trait Record {
    /// One frame of a packet, whose later ones follow if there are more.
    fn frame(&mut self, direction: Direction, octets: &[u8], has_more: bool);

    /// All frames of the packet were told. It is to be kept, or forgotten
    /// because the port refused it: then it comes again.
    fn packet_ends(&mut self, is_kept: bool);
}

/// A port whose frames are recorded: those received, and those that it took
/// for transmission.
#[derive(Debug)]
pub struct Recorded<P, R> {
    port: P,
    record: R,
}

impl<P: Port, R: Record> Recorded<P, R> {
    /// Wraps a port.
    pub const fn new(port: P, record: R) -> Self {
        Self { port, record }
    }

    /// The port and the record.
    pub fn into_parts(self) -> (P, R) {
        (self.port, self.record)
    }

    /// Tells frames of a burst, from this place on.
    fn tell<const N: usize>(&mut self, direction: Direction, burst: &mut Burst<N>, from: usize) {
        for at in from..burst.len() {
            let Some(frame) = burst.get_mut(at) else { break };
            let has_more = frame.has_more();
            if let Some(octets) = self.port.octets(frame) {
                self.record.frame(direction, octets, has_more);
            }
            if direction == Direction::Ingress && !has_more {
                self.record.packet_ends(true);
            }
        }
    }
}

impl<P: Port, R: Record> Port for Recorded<P, R> {
    type Error = P::Error;
    const MEDIUM: Medium = P::MEDIUM;

    fn limits(&self) -> &Limits {
        self.port.limits()
    }

    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), P::Error> {
        let before = burst.len();
        let outcome = self.port.receive(burst);
        self.tell(Direction::Ingress, burst, before);
        outcome
    }

    /// Packet by packet, because a frame that was taken cannot be looked at
    /// any more, and one that is refused is not to be recorded.
    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), P::Error> {
        let mut packet = Burst::new();
        while move_packet(burst, &mut packet).is_some() {
            self.tell(Direction::Egress, &mut packet, 0);
            let outcome = self.port.transmit(&mut packet);
            self.record.packet_ends(packet.is_empty());
            if !packet.is_empty() || outcome.is_err() {
                while let Some(frame) = packet.pop_back() {
                    burst.push_front(frame);
                }
                return outcome;
            }
        }
        Ok(())
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
