//! One queue of one interface: bursts of frames in, bursts out, no copy where
//! the system allows it.
//!
//! A [`Frame`] is a token for memory that a pool owns: it cannot be copied, so
//! a frame is in one place at a time, and whoever holds the token may look at
//! its octets, through the port, while nobody else can. A port hands frames
//! out by [`receive`](Port::receive) and [`reserve`](Port::reserve) and takes
//! them back by [`transmit`](Port::transmit) and [`recycle`](Port::recycle).
//!
//! A packet is a run of frames of which all but the last say that
//! [more follow](Frame::has_more). Only ports of jumbo frames make runs longer
//! than one; no port ever splits a run between two bursts.
//!
//! [`turn`](Port::turn) is the reflector's hot loop and the same for all.

mod burst;
mod frame;
pub mod layers;
mod limits;
pub mod memory;
mod observer;
pub mod pool;
mod turn;

pub use burst::{BURST_FRAMES_MAX, Burst};
pub use frame::{Frame, Mint, PoolId, Span};
pub use limits::{Limits, Medium};
pub use observer::Observer;
pub use pool::FramePool;
pub use turn::{Turn, turn};

use crate::{Caller, Counters, Policy};

/// Moves bursts of frames between an interface's queue and its user.
pub trait Port {
    /// Why the queue cannot go on. What is only full or not ready is no error.
    type Error: core::error::Error;

    /// What its frames start with, and so how a [turn](Self::turn) looks at them.
    const MEDIUM: Medium = Medium::Ethernet;

    /// What the port can do, fixed for its life.
    fn limits(&self) -> &Limits;

    /// Moves received frames into `burst`, up to its room and in the order in
    /// which they came. None moved means that none were ready.
    ///
    /// # Errors
    ///
    /// The queue cannot go on. Frames that were moved before are sound.
    fn receive<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Self::Error>;

    /// Takes frames from the front of `burst` for transmission, in order. What
    /// remains was refused, because there is no room: keep it and come again.
    ///
    /// # Errors
    ///
    /// The queue cannot go on. What remains in the burst was not taken.
    fn transmit<const N: usize>(&mut self, burst: &mut Burst<N>) -> Result<(), Self::Error>;

    /// Moves blank frames for a sender into `burst`, up to its room. Each is
    /// as long as the port's memory for one allows:
    /// [cut it](Frame::truncate) to what was written.
    fn reserve<const N: usize>(&mut self, burst: &mut Burst<N>);

    /// Takes frames back that are not to be sent. Another pool's remain in the
    /// burst.
    fn recycle<const N: usize>(&mut self, burst: &mut Burst<N>);

    /// Borrows the octets of a frame in hand, or `None` if it is another
    /// pool's. Both borrows end together.
    fn octets<'a>(&'a mut self, frame: &'a mut Frame) -> Option<&'a mut [u8]>;

    /// Tells the system that there is work, if it asked to be told, until it
    /// has taken all of it or is too busy to.
    ///
    /// # Errors
    ///
    /// The queue cannot go on.
    fn kick(&mut self) -> Result<(), Self::Error>;

    /// Receives, turns round what is ours, transmits the answers, recycles the
    /// rest, and kicks.
    ///
    /// `pending` holds answers that found no room: they are sent first, and
    /// only as much is received as fits behind them. It belongs to this port
    /// alone and starts empty.
    ///
    /// # Errors
    ///
    /// As those of the steps. Answers stay in `pending`; nothing that was
    /// received and not judged does.
    fn turn<const N: usize, C, O>(
        &mut self,
        policy: &Policy,
        caller: &mut C,
        counters: &mut Counters,
        observer: &mut O,
        pending: &mut Burst<N>,
    ) -> Result<Turn, Self::Error>
    where
        Self: Sized,
        C: Caller,
        O: Observer,
    {
        turn::turn(self, policy, caller, counters, observer, pending)
    }
}
