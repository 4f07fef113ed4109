//! The floor: one cache line each way, both sides spin.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Result;

use super::{Link, broken};
use crate::{
    memory::{Memory, Shareable},
    message,
    session::{Session, Side},
};

/// 64 octets, alone in the two lines that processors fetch together.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Line([AtomicU64; 8]);

impl Line {
    /// Writes a message, its number last.
    #[inline]
    pub(super) fn write(&self, sequence: u64) {
        let mut message = [0; 8];
        message::fill(&mut message, sequence);
        for (word, value) in self.0.iter().zip(message).skip(1) {
            word.store(value, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `number`.
        self.0[0].store(sequence, Ordering::Release);
    }

    /// The number of the message that is there.
    #[inline]
    pub(super) fn number(&self) -> u64 {
        // Acquire: pairs with the Release in `write`.
        self.0[0].load(Ordering::Acquire)
    }

    /// Reads a message whose number was seen.
    #[inline]
    pub(super) fn read(&self, sequence: u64) -> Result<()> {
        let message = self.0.each_ref().map(|word| word.load(Ordering::Relaxed));
        if message::is_whole(&message, sequence) { Ok(()) } else { Err(broken(sequence)) }
    }
}

#[repr(C)]
#[derive(Debug)]
struct Lines([Line; 2]);

// SAFETY: atomics only; zeros are a valid value of them.
#[expect(unsafe_code, reason = "the promise that zeros are a value")]
unsafe impl Shareable for Lines {}

/// One end of the floor.
#[derive(Debug)]
pub(crate) struct Floor {
    lines: Memory<Lines>,
    own: usize,
}

impl Link for Floor {
    fn open(session: &Session) -> Result<Self> {
        let own = usize::from(session.side == Side::Far);
        Ok(Self { lines: Memory::of(&session.memory)?, own })
    }

    #[inline]
    fn send(&mut self, sequence: u64) -> Result<()> {
        self.lines.0[self.own].write(sequence);
        Ok(())
    }

    #[inline]
    fn receive(&mut self, sequence: u64) -> Result<()> {
        let line = &self.lines.0[1 - self.own];
        while line.number() != sequence {
            spin_loop();
        }
        line.read(sequence)
    }
}
