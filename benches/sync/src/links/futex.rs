//! A raw pair of futexes: every wait is a sleep, every message a wake call.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use rustix::{
    io::Errno,
    thread::futex::{self, Flags},
};

use super::{Link, line::Line};
use crate::{
    memory::{Memory, Shareable},
    session::{Session, Side},
};

#[repr(C, align(128))]
#[derive(Debug)]
struct Word(AtomicU32);

#[repr(C)]
#[derive(Debug)]
struct Words {
    lines: [Line; 2],
    words: [Word; 2],
}

// SAFETY: atomics only; zeros are a valid value of them.
#[expect(unsafe_code, reason = "the promise that zeros are a value")]
unsafe impl Shareable for Words {}

/// One end of the pair.
#[derive(Debug)]
pub(crate) struct RawFutex {
    shared: Memory<Words>,
    own: usize,
}

impl Link for RawFutex {
    fn open(session: &Session) -> Result<Self> {
        let own = usize::from(session.side == Side::Far);
        Ok(Self { shared: Memory::of(&session.memory)?, own })
    }

    #[inline]
    fn send(&mut self, sequence: u64) -> Result<()> {
        self.shared.lines[self.own].write(sequence);
        let word = &self.shared.words[self.own].0;
        // Release: pairs with the Acquire in `receive`.
        word.store(low(sequence), Ordering::Release);
        futex::wake(word, Flags::empty(), 1).context("futex wake")?;
        Ok(())
    }

    #[inline]
    fn receive(&mut self, sequence: u64) -> Result<()> {
        let word = &self.shared.words[1 - self.own].0;
        loop {
            // Acquire: pairs with the Release in `send`.
            let found = word.load(Ordering::Acquire);
            if found == low(sequence) {
                return self.shared.lines[1 - self.own].read(sequence);
            }
            match futex::wait(word, Flags::empty(), found, None) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error).context("futex wait"),
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half, on purpose")]
fn low(sequence: u64) -> u32 {
    sequence as u32
}
