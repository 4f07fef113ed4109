//! A pipe, from the far side to the near one; each message is one call.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result};

use super::{Link, broken};
use crate::{message, session::Session};

/// One end of the pipe and the message at hand.
#[derive(Debug)]
pub(crate) struct Pipe<const OCTETS: usize> {
    pipe: std::fs::File,
    message: Box<[u8; OCTETS]>,
}

impl<const OCTETS: usize> Link for Pipe<OCTETS> {
    fn open(session: &Session) -> Result<Self> {
        Ok(Self { pipe: session.pipe.try_clone()?, message: Box::new([0; OCTETS]) })
    }

    #[inline]
    fn send(&mut self, sequence: u64) -> Result<()> {
        message::fill_octets(&mut self.message[..], sequence);
        self.pipe.write_all(&self.message[..]).context("cannot write to the pipe")
    }

    #[inline]
    fn receive(&mut self, sequence: u64) -> Result<()> {
        self.pipe.read_exact(&mut self.message[..]).context("cannot read from the pipe")?;
        let is_whole = message::are_whole_octets(&self.message[..], sequence);
        if is_whole { Ok(()) } else { Err(broken(sequence)) }
    }
}
