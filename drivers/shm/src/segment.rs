//! Segments: shared memory with a name, or without one.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
    time::Duration,
};

use farend_core::ring::{LayoutError, Liveness, Memory, layout};
use farend_futex::process::namespace;
use rustix::{
    fs::{Mode, fstat, ftruncate},
    io::Errno,
    process::geteuid,
    shm::{self, OFlags},
};

use crate::{
    SegmentError,
    name::Name,
    process::Processes,
    sys::{Kept, Mapping},
};

/// Made readable and writable for its user alone.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How often a stale segment is removed before giving up: other processes may be
/// making segments of the same name meanwhile.
const ATTEMPTS: u32 = 8;

/// How long a segment may have no content before it is taken for one whose maker
/// was killed: between making and sizing it there are two system calls.
const GRACE: Duration = Duration::from_millis(200);

/// How often it is looked at meanwhile.
const GRACE_LOOKS: u32 = 20;

/// Shared memory. The name, if this process gave it one, ends with this.
#[derive(Debug)]
pub(crate) struct Segment {
    mapping: Mapping,
    file: OwnedFd,
    /// The name to remove at the end.
    own_name: Option<Name>,
}

impl Segment {
    /// Makes a segment of a name that no living process has made one of. What a
    /// dead one left is removed.
    pub(crate) fn create(name: Name, octets: u64) -> Result<Self, SegmentError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        for _ in 0..ATTEMPTS {
            match shm::open(name.as_str(), flags, MODE) {
                Ok(file) => return Self::fill(file, octets, Some(name)),
                Err(Errno::EXIST) => remove_stale(&name)?,
                Err(Errno::ACCESS | Errno::PERM) => {
                    return Err(SegmentError::Denied { name: name.to_string() });
                }
                Err(errno) => return Err(SegmentError::system("make a segment")(errno)),
            }
        }
        Err(SegmentError::InUse { name: name.to_string(), pid: 0 })
    }

    /// Makes a segment without a name. On Linux it cannot be shortened.
    pub(crate) fn anonymous(octets: u64) -> Result<Self, SegmentError> {
        let file = unnamed(octets)?;
        Self::map(file, octets, None)
    }

    /// Takes the segment of this name.
    pub(crate) fn attach(name: &Name) -> Result<Self, SegmentError> {
        let file = open(name)?;
        let octets = check_file(file.as_fd())?;
        Self::map(file, octets, None)
    }

    /// Takes a segment that another process has passed.
    pub(crate) fn from_fd(file: OwnedFd) -> Result<Self, SegmentError> {
        let octets = check_file(file.as_fd())?;
        if !keeps_its_size(file.as_fd()) {
            return Err(SegmentError::NotSealed);
        }
        Self::map(file, octets, None)
    }

    /// Opens the ring that another process has made here.
    pub(crate) fn open<R>(
        self,
        open: impl FnOnce(Memory<'static>) -> Result<R, LayoutError>,
    ) -> Result<Kept<R>, SegmentError> {
        Kept::make(self, |memory| {
            let ring = open(memory)?;
            check_realm(&memory)?;
            Ok(ring)
        })
    }

    /// The mapping; always the same one.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The segment's file descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn fill(file: OwnedFd, octets: u64, own_name: Option<Name>) -> Result<Self, SegmentError> {
        // From here on the name is removed if anything goes wrong.
        let unlink = UnlinkAtEnd(own_name);
        allocate(file.as_fd(), octets)?;
        Self::map(file, octets, unlink.keep())
    }

    fn map(file: OwnedFd, octets: u64, own_name: Option<Name>) -> Result<Self, SegmentError> {
        let octets = usize::try_from(octets).map_err(|_| Errno::NOMEM);
        let mapping = octets
            .and_then(|octets| Mapping::of(file.as_fd(), octets))
            .map_err(SegmentError::system("map the segment"))?;
        Ok(Self { mapping, file, own_name })
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _removed = UnlinkAtEnd(self.own_name.take());
    }
}

/// A name that is removed at the end, unless it is kept.
struct UnlinkAtEnd(Option<Name>);

impl UnlinkAtEnd {
    fn keep(mut self) -> Option<Name> {
        self.0.take()
    }
}

impl Drop for UnlinkAtEnd {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            // Somebody may have removed it by hand.
            let _gone = shm::unlink(name.as_str());
        }
    }
}

/// Where process ids in a segment must be known for it to be used here.
fn check_realm(memory: &Memory<'_>) -> Result<(), SegmentError> {
    let (_creator, theirs) = layout::creator(memory)?;
    if theirs == namespace() { Ok(()) } else { Err(SegmentError::OtherRealm) }
}

/// Opens a named segment for reading and writing.
fn open(name: &Name) -> Result<OwnedFd, SegmentError> {
    shm::open(name.as_str(), OFlags::RDWR, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => SegmentError::Missing { name: name.to_string() },
        Errno::ACCESS | Errno::PERM => SegmentError::Denied { name: name.to_string() },
        other => SegmentError::system("open the segment")(other),
    })
}

/// Octets of a segment that is this user's alone, and is not empty.
fn check_file(file: BorrowedFd<'_>) -> Result<u64, SegmentError> {
    let stat = fstat(file).map_err(SegmentError::system("look at the segment"))?;
    if stat.st_uid != geteuid().as_raw() {
        return Err(SegmentError::OtherUser { uid: stat.st_uid });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) && !is_passed_only(file) {
        #[allow(clippy::useless_conversion, reason = "16 bits on macOS")]
        return Err(SegmentError::Exposed { mode: mode.bits().into() });
    }
    let octets = u64::try_from(stat.st_size).unwrap_or(0);
    if octets == 0 {
        let creator = farend_core::ring::Owner::NOBODY;
        return Err(LayoutError::Initialising { creator }.into());
    }
    Ok(octets)
}

/// Removes a segment of this name if whoever made it is dead.
///
/// # Errors
/// [`SegmentError::InUse`] if not, and why it cannot be known.
fn remove_stale(name: &Name) -> Result<(), SegmentError> {
    match inherit(name) {
        // Somebody else removed it.
        Err(SegmentError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => match shm::unlink(name.as_str()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(SegmentError::system("remove a stale segment")(errno)),
        },
    }
}

/// Becomes the one process that may remove a stale segment.
fn inherit(name: &Name) -> Result<(), SegmentError> {
    let in_use = |pid| SegmentError::InUse { name: name.to_string(), pid };
    for look in 0..GRACE_LOOKS {
        if look > 0 {
            thread::sleep(GRACE / GRACE_LOOKS);
        }
        let segment = match Segment::attach(name) {
            Err(SegmentError::Layout(LayoutError::Initialising { .. })) => continue,
            other => other?,
        };
        let judged = Kept::make(segment, |memory| judge(&memory, in_use))?;
        if *judged {
            return Ok(());
        }
    }
    // Nobody has said in all this time that the segment is theirs.
    Ok(())
}

/// Whether a segment is stale, and this process the one to remove it; `false` if
/// its maker has not said who it is.
fn judge(
    memory: &Memory<'_>,
    in_use: impl FnOnce(u32) -> SegmentError,
) -> Result<bool, SegmentError> {
    match layout::Layout::read(memory) {
        Err(LayoutError::Blank) => return Ok(false),
        Err(LayoutError::Foreign) => return Err(LayoutError::Foreign.into()),
        // Makers size a segment in one step.
        Err(LayoutError::Truncated { octets, .. }) if octets < layout::HEADER_OCTETS as u64 => {
            return Err(LayoutError::Foreign.into());
        }
        // Of whatever version and kind: the creator stands in the same place.
        _ => check_realm(memory)?,
    }
    let (creator, _realm) = layout::creator(memory)?;
    if Processes::is_alive(creator) {
        return Err(in_use(creator.pid()));
    }
    layout::inherit::<Processes>(memory, creator).map_err(|heir| in_use(heir.pid()))?;
    Ok(true)
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals};
    use rustix::{
        fs::{fcntl_get_seals, memfd_create},
        system::sysinfo,
    };

    use super::{AsFd, BorrowedFd, Errno, OwnedFd, SegmentError, ftruncate};

    const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

    /// Gives a segment its size, and the memory for it: memory that turns out to be
    /// missing at the first use ends the process.
    pub(super) fn allocate(file: BorrowedFd<'_>, octets: u64) -> Result<(), SegmentError> {
        // Memory without a name has no limit of its own: the machine would be out
        // of memory before the call returned.
        let memory = sysinfo();
        #[allow(clippy::useless_conversion, reason = "32 bits on some processors")]
        let most = u64::from(memory.mem_unit).saturating_mul(memory.totalram.into());
        let fits = if octets < most { Ok(()) } else { Err(Errno::NOMEM) };
        fits.and_then(|()| ftruncate(file, octets))
            .and_then(|()| fallocate(file, FallocateFlags::empty(), 0, octets))
            .map_err(SegmentError::system("get memory for the segment"))
    }

    pub(super) fn unnamed(octets: u64) -> Result<OwnedFd, SegmentError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file =
            memfd_create("farend-ring", flags).map_err(SegmentError::system("make a segment"))?;
        allocate(file.as_fd(), octets)?;
        fcntl_add_seals(&file, SEALS).map_err(SegmentError::system("seal the segment"))?;
        Ok(file)
    }

    pub(super) fn keeps_its_size(file: BorrowedFd<'_>) -> bool {
        fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SEALS))
    }

    /// Whether this is memory without a name: it is had only from who has it, so
    /// that its permissions (0777, whatever is asked for) do not matter.
    pub(super) fn is_passed_only(file: BorrowedFd<'_>) -> bool {
        keeps_its_size(file)
    }
}

#[cfg(target_os = "linux")]
use linux::{allocate, is_passed_only, keeps_its_size, unnamed};

#[cfg(not(target_os = "linux"))]
mod others {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::{
        AsFd, BorrowedFd, MODE, Name, OFlags, OwnedFd, SegmentError, UnlinkAtEnd, ftruncate, shm,
    };

    /// Gives a segment its size, which it keeps: macOS sizes a segment once.
    pub(super) fn allocate(file: BorrowedFd<'_>, octets: u64) -> Result<(), SegmentError> {
        ftruncate(file, octets).map_err(SegmentError::system("get memory for the segment"))
    }

    /// A segment whose name is removed at once.
    pub(super) fn unnamed(octets: u64) -> Result<OwnedFd, SegmentError> {
        static SEGMENTS: AtomicU32 = AtomicU32::new(0);
        let number = SEGMENTS.fetch_add(1, Ordering::Relaxed);
        let name = Name::parse(&format!("/farend.{}.{number}", std::process::id()))?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        let file = shm::open(name.as_str(), flags, MODE)
            .map_err(SegmentError::system("make a segment"))?;
        let _unlink = UnlinkAtEnd(Some(name));
        allocate(file.as_fd(), octets)?;
        Ok(file)
    }

    /// There are no seals, but a segment is sized only once.
    pub(super) fn keeps_its_size(_file: BorrowedFd<'_>) -> bool {
        true
    }

    pub(super) fn is_passed_only(_file: BorrowedFd<'_>) -> bool {
        false
    }
}

#[cfg(not(target_os = "linux"))]
use others::{allocate, is_passed_only, keeps_its_size, unnamed};
