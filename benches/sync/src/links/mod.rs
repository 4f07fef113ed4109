//! Ways between two processes, each with both directions.

mod farend;
mod futex;
mod iceoryx;
mod line;
mod pipe;

use anyhow::Result;

pub(crate) use self::{
    farend::{Asleep, Farend},
    futex::RawFutex,
    iceoryx::Iceoryx,
    line::Floor,
    pipe::Pipe,
};
use crate::session::Session;

/// One end of a way. Numbers of messages start at one.
pub(crate) trait Link: Sized {
    /// Makes the near end, or attaches the far end to it.
    fn open(session: &Session) -> Result<Self>;

    /// Writes the message with this number, once there is room.
    fn send(&mut self, sequence: u64) -> Result<()>;

    /// Waits for a message and makes sure that it is this one, whole.
    fn receive(&mut self, sequence: u64) -> Result<()>;
}

/// What is wrong with a message that is not whole.
#[cold]
fn broken(sequence: u64) -> anyhow::Error {
    anyhow::anyhow!("message {sequence} did not arrive whole or in its order")
}
