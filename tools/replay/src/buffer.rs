//! Octets that come at one end and go at the other.

use std::io::{self, Read, Write};

/// Octets that are read at once.
const READ_OCTETS: usize = 16 << 10;

/// More than this is given back when it is empty.
const KEPT_OCTETS: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Buffer {
    octets: Vec<u8>,
    start: usize,
}

/// What a read or a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Octets moved; there may be more.
    Some,
    /// Octets moved, and no more are there: an event tells when there are.
    Last,
    /// The socket is not ready.
    NotReady,
    /// The other side ended its direction.
    End,
}

impl Buffer {
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.octets.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The octets, to be added to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.octets
    }

    pub(crate) fn consume(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.octets.len());
        if self.start == self.octets.len() {
            self.start = 0;
            self.octets.clear();
            if self.octets.capacity() > KEPT_OCTETS {
                self.octets = Vec::new();
            }
        } else if self.start > KEPT_OCTETS {
            self.octets.drain(..self.start);
            self.start = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.consume(self.len());
    }

    pub(crate) fn read(&mut self, from: &mut impl Read) -> io::Result<Moved> {
        let before = self.octets.len();
        self.octets.resize(before + READ_OCTETS, 0);
        let read = from.read(&mut self.octets[before..]);
        self.octets.truncate(before + read.as_ref().map_or(0, |octets| *octets));
        match read {
            Ok(0) => Ok(Moved::End),
            // epoll(7) and kqueue(2): after a short read the next octets bring an event.
            Ok(octets) if octets < READ_OCTETS => Ok(Moved::Last),
            Ok(_) => Ok(Moved::Some),
            Err(error) => not_ready(error),
        }
    }

    /// Writes until all is gone or the socket takes no more.
    pub(crate) fn write(&mut self, to: &mut impl Write) -> io::Result<Moved> {
        while !self.is_empty() {
            match to.write(self.as_slice()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => self.consume(octets),
                Err(error) => match not_ready(error)? {
                    Moved::Some => {}
                    other => return Ok(other),
                },
            }
        }
        Ok(Moved::Some)
    }
}

fn not_ready(error: io::Error) -> io::Result<Moved> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(Moved::NotReady),
        io::ErrorKind::Interrupted => Ok(Moved::Some),
        _ => Err(error),
    }
}
