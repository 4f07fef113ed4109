//! Memory that processes share, without a name.
#![expect(unsafe_code, reason = "maps memory, and says what is in it")]

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_core::sync::SharedLayout;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create},
    mm::{MapFlags, ProtFlags, mmap},
};

/// A piece of memory that other processes can map, for one value of a type.
///
/// It has no name: other processes get at it by its file descriptor, which a child
/// inherits and a Unix socket carries. Its size is sealed, so that no process can
/// take it away from under another.
#[derive(Debug)]
pub struct Memory {
    file: OwnedFd,
}

/// The size can be changed by nobody.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

impl Memory {
    /// Makes memory for one `T`, all-zero.
    ///
    /// # Errors
    /// What the system says if there is no memory or no descriptor left.
    pub fn create<T: SharedLayout>() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create(c"farend", flags)?;
        ftruncate(&file, octets::<T>())?;
        fcntl_add_seals(&file, SEALS)?;
        Ok(Self { file })
    }

    /// Takes memory that another process made.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if its size can be changed, because then
    /// any holder could take it away while it is used.
    pub fn open(file: impl Into<OwnedFd>) -> io::Result<Self> {
        let file = file.into();
        if !fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SEALS)) {
            let message = "memory to share must be a memfd of sealed size";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { file })
    }

    /// Takes another process' memory by its number there, `fd`.
    ///
    /// # Errors
    /// As [`open`](Self::open), and what the system says if there is no such
    /// process or descriptor, or it may not be looked into.
    pub fn open_in(process: u32, fd: i32) -> io::Result<Self> {
        let path = format!("/proc/{process}/fd/{fd}");
        Self::open(File::options().read(true).write(true).open(path)?)
    }

    /// Maps the memory as a `T`, until the process ends.
    ///
    /// It is never unmapped: when a thread ends, it and the system look into the locks
    /// that it still holds.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if the memory is not for a `T`, and what the
    /// system says if it cannot be mapped.
    ///
    /// # Safety
    /// Every process that maps this memory maps it as the same `T`, of the same
    /// build. If there are locks in a `T`, all of these processes are in one pid
    /// namespace: the locks know their owners by thread ids.
    pub unsafe fn map<T: SharedLayout>(&self) -> io::Result<&'static T> {
        let is_whole = u64::try_from(fstat(&self.file)?.st_size) == Ok(octets::<T>());
        if !is_whole || size_of::<T>() == 0 || align_of::<T>() > PAGE_OCTETS_MIN {
            let message = "the memory is not for a value of this type";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: at an address that the system chooses, so nothing is mapped over.
        let start = unsafe {
            mmap(std::ptr::null_mut(), size_of::<T>(), access, MapFlags::SHARED, &self.file, 0)
        }?;
        // SAFETY: mapped for ever, as large as a `T` and sealed so, aligned as a
        // page is; all-zero or what another process left is a `T`, says its trait.
        Ok(unsafe { &*start.cast::<T>() })
    }
}

/// Pages are at least this large on every Linux.
const PAGE_OCTETS_MIN: usize = 4096;

fn octets<T>() -> u64 {
    u64::try_from(size_of::<T>()).unwrap_or(u64::MAX)
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
