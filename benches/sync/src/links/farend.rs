//! Farend's rings, one for each direction.

use std::{marker::PhantomData, num::NonZeroU32};

use anyhow::{Context, Result};
use farend_core::sync::{Clock, Futex, Shared, Spin, Waited, primitive::AtomicU32};
use farend_futex::Default as System;
use farend_shm::{Deadline, Processes, spsc};

use super::{Link, broken};
use crate::{
    message,
    session::{Session, Side},
};

/// The system's backend without spinning: every wait is a sleep at once.
#[derive(Debug)]
pub(crate) enum Asleep {}

impl Clock for Asleep {
    fn now_ns() -> u64 {
        System::now_ns()
    }
}

impl Futex<Shared> for Asleep {
    const SPIN: Spin = Spin::None;

    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        <System as Futex<Shared>>::wait(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        <System as Futex<Shared>>::wake_one(word);
    }

    fn wake_all(word: &AtomicU32) {
        <System as Futex<Shared>>::wake_all(word);
    }

    fn thread_id() -> NonZeroU32 {
        <System as Futex<Shared>>::thread_id()
    }
}

/// Messages of `OCTETS` octets, loaned: written and read where they lie.
#[derive(Debug)]
pub(crate) struct Farend<const OCTETS: usize, const RING_OCTETS: u64, F: Futex<Shared> = System> {
    sender: spsc::Sender<F, Processes>,
    receiver: spsc::Receiver<F, Processes>,
    /// The near side keeps the names.
    _rings: [spsc::Ring; 2],
    backend: PhantomData<F>,
}

impl<const OCTETS: usize, const RING_OCTETS: u64, F: Futex<Shared>> Link
    for Farend<OCTETS, RING_OCTETS, F>
{
    fn open(session: &Session) -> Result<Self> {
        let ring = |direction: &str| {
            let name = format!("/{}-{direction}", session.name);
            match session.side {
                Side::Near => spsc::Ring::create(&name, RING_OCTETS),
                Side::Far => spsc::Ring::attach(&name),
            }
            .with_context(|| format!("cannot open the ring {name}"))
        };
        let rings = [ring("far")?, ring("near")?];
        let (out, back) = match session.side {
            Side::Near => (&rings[0], &rings[1]),
            Side::Far => (&rings[1], &rings[0]),
        };
        let (sender, receiver) = (out.sender_over()?, back.receiver_over()?);
        Ok(Self { sender, receiver, _rings: rings, backend: PhantomData })
    }

    #[inline]
    fn send(&mut self, sequence: u64) -> Result<()> {
        let mut loan = self.sender.reserve(OCTETS, Deadline::NEVER)?;
        message::fill_octets(&mut loan, sequence);
        loan.send()?;
        Ok(())
    }

    #[inline]
    fn receive(&mut self, sequence: u64) -> Result<()> {
        let record = self.receiver.receive(Deadline::NEVER)?;
        if message::are_whole_octets(record, sequence) { Ok(()) } else { Err(broken(sequence)) }
    }
}
