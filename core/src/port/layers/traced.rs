//! Telling of each call.

use crate::port::{Burst, Frame, Limits, Medium, Port};

/// What a port did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Frames came in.
    Received {
        /// How many.
        frames: usize,
    },
    /// Frames were offered.
    Transmitted {
        /// How many the port took.
        taken: usize,
        /// How many found no room.
        refused: usize,
    },
    /// Blank frames were taken.
    Reserved {
        /// How many.
        frames: usize,
    },
    /// Frames were given back.
    Recycled {
        /// How many.
        frames: usize,
    },
    /// The system was told.
    Kicked,
    /// The call that would be told of next has failed.
    Failed,
}

/// A port whose calls are told to a listener.
#[derive(Debug)]
pub struct Traced<P, L> {
    port: P,
    listener: L,
}

impl<P: Port, L: FnMut(Event)> Traced<P, L> {
    /// Wraps a port.
    pub const fn new(port: P, listener: L) -> Self {
        Self { port, listener }
    }

    /// The port and the listener.
    pub fn into_parts(self) -> (P, L) {
        (self.port, self.listener)
    }

    fn tell(&mut self, is_failed: bool, event: Event) {
        if is_failed {
            (self.listener)(Event::Failed);
        }
        (self.listener)(event);
    }
}

impl<P: Port, L: FnMut(Event)> Port for Traced<P, L> {
    type Error = P::Error;
    const MEDIUM: Medium = P::MEDIUM;

    fn limits(&self) -> &Limits {
        self.port.limits()
    }

    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), P::Error> {
        let before = burst.len();
        let outcome = self.port.receive(burst);
        let frames = burst.len().saturating_sub(before);
        self.tell(outcome.is_err(), Event::Received { frames });
        outcome
    }

    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), P::Error> {
        let before = burst.len();
        let outcome = self.port.transmit(burst);
        let refused = burst.len();
        let taken = before.saturating_sub(refused);
        self.tell(outcome.is_err(), Event::Transmitted { taken, refused });
        outcome
    }

    fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>) {
        let before = burst.len();
        self.port.reserve(burst);
        let frames = burst.len().saturating_sub(before);
        self.tell(false, Event::Reserved { frames });
    }

    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>) {
        let before = burst.len();
        self.port.recycle(burst);
        let frames = before.saturating_sub(burst.len());
        self.tell(false, Event::Recycled { frames });
    }

    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]> {
        self.port.octets(frame)
    }

    fn kick(&mut self) -> Result<(), P::Error> {
        let outcome = self.port.kick();
        self.tell(outcome.is_err(), Event::Kicked);
        outcome
    }
}
