//! The registry's memory: named, its user's alone, and never unmapped.
#![expect(unsafe_code, reason = "maps shared memory, and asks to be told of forks")]

use core::fmt;
use std::{
    ffi::c_void,
    os::fd::{AsFd, BorrowedFd},
    ptr::{self, NonNull},
    sync::OnceLock,
};

use rustix::{
    fs::{Mode, Stat, fstat, ftruncate},
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap},
    process::geteuid,
    shm,
};

use super::slots::Table;

/// How names of users' own registries begin: nothing else is to have such a name, nor to
/// remove it.
pub const RESERVED_NAMES: &str = "/farend-owners";

/// Longest name, with its slash: what Darwin takes.
const NAME_OCTETS_MAX: usize = 31;

/// Why a registry could not be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// Not a slash and 1 to 30 other characters.
    Name,
    /// The process has joined another registry: locks know only one.
    JoinedAnother,
    /// Another user's, or others may write it.
    NotOwn,
    /// Shorter than a registry.
    Truncated {
        /// What it has.
        octets: u64,
    },
    /// Something else, or another version's.
    Foreign {
        /// What it begins with.
        magic: u64,
    },
    /// The system refused.
    System {
        /// Which call.
        call: &'static str,
        /// Why.
        errno: i32,
    },
}

impl fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                formatter,
                "a registry's name is a slash and 1 to {} characters without one",
                NAME_OCTETS_MAX - 1
            ),
            Self::JoinedAnother => formatter.write_str(
                "this process has joined another registry of lock owners: join before the first \
                 lock is taken",
            ),
            Self::NotOwn => formatter.write_str(
                "the registry of lock owners is another user's or open to others: choose another \
                 name, or have it removed",
            ),
            Self::Truncated { octets } => write!(
                formatter,
                "the registry of lock owners has only {octets} octets: remove it when nobody uses \
                 it"
            ),
            Self::Foreign { magic } => write!(
                formatter,
                "no registry of lock owners, or another version's (it begins with {magic:#018x}): \
                 choose another name"
            ),
            Self::System { call, errno } => {
                let error = std::io::Error::from_raw_os_error(*errno);
                write!(formatter, "cannot open the registry of lock owners: {call}: {error}")
            }
        }
    }
}

impl core::error::Error for JoinError {}

/// A registry that this process has mapped.
pub(super) struct Registry {
    name: String,
    table: &'static Table,
}

impl Registry {
    pub(super) fn table(&self) -> &'static Table {
        self.table
    }
}

static JOINED: OnceLock<Registry> = OnceLock::new();

/// The registry that this process has joined.
pub(super) fn joined() -> Option<&'static Registry> {
    JOINED.get()
}

/// Joins the registry of that name, which is made if there is none. Once for each
/// process, before it takes its first lock; later only the same name is accepted.
///
/// The name is one of shared memory: a slash, then 1 to 30 characters.
///
/// # Errors
/// [`JoinError`]; nothing is joined then.
pub fn join(name: &str) -> Result<(), JoinError> {
    let is_name = name.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty() && !rest.contains(['/', '\0']) && name.len() <= NAME_OCTETS_MAX
    });
    if !is_name {
        return Err(JoinError::Name);
    }
    if JOINED.get().is_none() {
        let registry = Registry { name: name.to_owned(), table: open(name)? };
        // If another thread was first, what it joined counts.
        let _is_first = JOINED.set(registry);
    }
    match JOINED.get() {
        Some(joined) if joined.name == name => Ok(()),
        _ => Err(JoinError::JoinedAnother),
    }
}

/// Joins the user's own registry, as taking a lock does if none was joined.
///
/// # Errors
/// [`JoinError`].
pub fn join_default() -> Result<(), JoinError> {
    join(&format!("{RESERVED_NAMES}2.{}", geteuid().as_raw()))
}

fn open(name: &str) -> Result<&'static Table, JoinError> {
    let flags = shm::OFlags::CREATE | shm::OFlags::RDWR;
    let memory = shm::open(name, flags, Mode::RUSR | Mode::WUSR).map_err(in_call("shm_open"))?;
    check_owner(&status(memory.as_fd())?)?;
    let octets = size(memory.as_fd())?;
    if octets < size_of::<Table>() as u64 {
        return Err(JoinError::Truncated { octets });
    }
    let table = map(memory.as_fd())?;
    table.open().map_err(|magic| JoinError::Foreign { magic })?;
    Ok(table)
}

fn check_owner(status: &Stat) -> Result<(), JoinError> {
    let is_open = Mode::from_raw_mode(status.st_mode).intersects(Mode::RWXG | Mode::RWXO);
    let is_own = status.st_uid == geteuid().as_raw() && !is_open;
    if is_own { Ok(()) } else { Err(JoinError::NotOwn) }
}

/// The size, which is set if nobody has yet. Darwin lets it be set only once.
fn size(memory: BorrowedFd<'_>) -> Result<u64, JoinError> {
    let octets = |status: &Stat| u64::try_from(status.st_size).unwrap_or(0);
    let found = octets(&status(memory)?);
    if found > 0 {
        return Ok(found);
    }
    match ftruncate(memory, size_of::<Table>() as u64) {
        // EINVAL: another process was first.
        Ok(()) | Err(Errno::INVAL) => Ok(octets(&status(memory)?)),
        Err(error) => Err(in_call("ftruncate")(error)),
    }
}

fn status(memory: BorrowedFd<'_>) -> Result<Stat, JoinError> {
    fstat(memory).map_err(in_call("fstat"))
}

fn in_call(call: &'static str) -> impl Fn(Errno) -> JoinError {
    move |error| JoinError::System { call, errno: error.raw_os_error() }
}

fn map(memory: BorrowedFd<'_>) -> Result<&'static Table, JoinError> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, in a place that the kernel chooses.
    let mapped: Result<*mut c_void, Errno> =
        unsafe { mmap(ptr::null_mut(), size_of::<Table>(), access, MapFlags::SHARED, memory, 0) };
    let table = NonNull::new(mapped.map_err(in_call("mmap"))?.cast::<Table>())
        .ok_or_else(|| in_call("mmap")(Errno::NOMEM))?;
    // SAFETY: mapped just now, aligned to a page, at least as large as a table, and
    // never unmapped; a table is atomics, for which every value is one.
    Ok(unsafe { table.as_ref() })
}

/// Has a function called in every process that this one forks. `false` if the
/// system has no memory for that.
pub(super) fn call_in_children(function: extern "C" fn()) -> bool {
    // SAFETY: the function only adds to an atomic, which is allowed after a fork.
    unsafe { libc::pthread_atfork(None, None, Some(function)) == 0 }
}
