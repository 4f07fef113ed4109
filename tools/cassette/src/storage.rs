//! Where a cassette's octets are.

use std::{io, sync::Arc};

/// Octets that are read at an offset.
pub trait Source {
    /// Octets that there are now.
    ///
    /// # Errors
    ///
    /// What the storage says.
    fn octets(&self) -> io::Result<u64>;

    /// Fills `into` with the octets from `offset` on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if there are not so many; what the storage says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Fills as much of `into` as there is from `offset` on, and says how much.
    ///
    /// # Errors
    ///
    /// What the storage says.
    fn read_some_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let there = self.octets()?.saturating_sub(offset);
        let length = usize::try_from(there).unwrap_or(usize::MAX).min(into.len());
        self.read_at(offset, &mut into[..length]).map(|()| length)
    }
}

/// Octets that one writer adds to.
pub trait Sink: Source {
    /// Writes all of `octets` at `offset`, which is the end of what is whole.
    ///
    /// # Errors
    ///
    /// What the storage says, such as a full disk; part of `octets` may stand there then.
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()>;

    /// Cuts what stands behind the first `octets`.
    ///
    /// # Errors
    ///
    /// What the storage says.
    fn cut(&mut self, octets: u64) -> io::Result<()>;

    /// Waits until all that was written survives a loss of power.
    ///
    /// # Errors
    ///
    /// What the storage says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A cassette in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub Vec<u8>);

impl Source for Memory {
    fn octets(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).ok();
        let part = from.and_then(|from| self.0.get(from..from.checked_add(into.len())?));
        into.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Sink for Memory {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if offset > self.0.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.0.truncate(offset);
        self.0.extend_from_slice(octets);
        Ok(())
    }

    fn cut(&mut self, octets: u64) -> io::Result<()> {
        self.0.truncate(usize::try_from(octets).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn octets(&self) -> io::Result<u64> {
        (**self).octets()
    }

    fn read_some_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        (**self).read_some_at(offset, into)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, into)
    }
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn octets(&self) -> io::Result<u64> {
        (**self).octets()
    }

    fn read_some_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        (**self).read_some_at(offset, into)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, into)
    }
}
