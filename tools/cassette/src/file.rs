//! Cassettes as files.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{Sink, Source};

/// A cassette's file.
#[derive(Debug)]
pub struct CassetteFile {
    file: File,
}

impl CassetteFile {
    /// Opens a file to read. Others may read it too, and one may write it.
    ///
    /// # Errors
    ///
    /// What the system says; `InvalidInput` if it is not a regular file.
    pub fn read(path: &Path) -> io::Result<Self> {
        regular(OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?)
    }

    /// Opens a file to append, or makes it, readable for its owner alone.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if another process appends to it; what the system says.
    pub fn append(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        locked(options.mode(0o600).custom_flags(NONBLOCK).open(path)?)
    }

    /// Makes a file that must not be there yet, readable for its owner alone.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`; what the system says.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        locked(options.mode(0o600).open(path)?)
    }

    /// A second handle to the same file, to read.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()? })
    }
}

/// Puts the finished file `beside` in the place of `path`, so that a crash leaves either
/// the old or the new one.
///
/// # Errors
///
/// What the system says.
pub fn replace(beside: &Path, path: &Path) -> io::Result<()> {
    fs::rename(beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The name of a file beside `path` for what will replace it.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// `O_NONBLOCK`: a FIFO in place of the file blocks nobody.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 4;

fn regular(file: File) -> io::Result<CassetteFile> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    Ok(CassetteFile { file })
}

fn locked(file: File) -> io::Result<CassetteFile> {
    let opened = regular(file)?;
    match opened.file.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "is being written by another process"))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Source for CassetteFile {
    fn octets(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn read_some_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < into.len() {
            match self.file.read_at(&mut into[length..], offset + length as u64) {
                Ok(0) => break,
                // The page cache gives all that there is at once.
                Ok(octets) => {
                    length += octets;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(length)
    }
}

impl Sink for CassetteFile {
    fn write_at(&mut self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.file.write_all_at(octets, offset)
    }

    fn cut(&mut self, octets: u64) -> io::Result<()> {
        self.file.set_len(octets)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}
