//! Segments: shared memory with a name, or without one.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::OnceLock,
};

use farend_core::ring::{LayoutError, Liveness, Memory, Owner, layout};
use farend_futex::process::namespace;
use rustix::{
    fs::{Mode, fstat},
    io::Errno,
    process::geteuid,
    shm::{self, OFlags},
};

use crate::{
    SegmentError,
    draft::{Draft, Named, is_passed_only, keeps_its_size, unnamed},
    name::Name,
    process::Processes,
    sys::{Kept, Mapping},
};

/// Where this process was when it first had a segment.
static HOME: OnceLock<u64> = OnceLock::new();

/// Whether this process is still where it was when it first had a segment.
pub(crate) fn is_at_home() -> bool {
    HOME.get().is_none_or(|home| *home == namespace())
}

/// How often a name is tried again that others make and remove meanwhile.
const ATTEMPTS: u32 = 8;

/// Shared memory. The name, if this process gave it one, ends with this.
#[derive(Debug)]
pub(crate) struct Segment {
    mapping: Mapping,
    file: OwnedFd,
    /// The name to remove at the end.
    name: Option<Named>,
    /// Where process ids in it are known.
    realm: u64,
}

impl Segment {
    /// Makes a segment of a name that no living process has made one of, and something
    /// in it, and then does the rest with `finish`. What a dead process left is removed.
    ///
    /// Others find the name when everything is made, and not before.
    pub(crate) fn create<R>(
        name: &Name,
        octets: u64,
        make: impl FnOnce(Memory<'static>) -> Result<R, LayoutError>,
        finish: impl FnOnce(&Kept<R>) -> Result<(), LayoutError>,
    ) -> Result<Kept<R>, SegmentError> {
        let mut draft = Self::draft(name, octets)?;
        let file = draft.file().map_err(SegmentError::system("make a segment"))?;
        let segment = Self::map(file, octets)?;
        let mut kept = Kept::make::<SegmentError>(segment, |memory| Ok(make(memory)?))?;
        finish(&kept)?;
        for _ in 0..ATTEMPTS {
            match draft.publish(name) {
                Ok(named) => {
                    kept.name(named);
                    return Ok(kept);
                }
                Err(Errno::EXIST) => vacate(name)?,
                Err(errno) => return Err(SegmentError::system("name the segment")(errno)),
            }
        }
        Err(SegmentError::InUse { name: name.to_string(), pid: 0 })
    }

    /// Makes a segment without a name. On Linux it cannot be shortened.
    pub(crate) fn anonymous(octets: u64) -> Result<Self, SegmentError> {
        let file = unnamed(octets)?;
        Self::map(file, octets)
    }

    /// Takes the segment of this name.
    pub(crate) fn attach(name: &Name) -> Result<Self, SegmentError> {
        let file = open(name)?;
        let octets = check_file(file.as_fd())?;
        Self::map(file, octets)
    }

    /// Takes a segment that another process has passed.
    pub(crate) fn from_fd(file: OwnedFd) -> Result<Self, SegmentError> {
        let octets = check_file(file.as_fd())?;
        if !keeps_its_size(file.as_fd()) {
            return Err(SegmentError::NotSealed);
        }
        Self::map(file, octets)
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

    /// As [`open`](Self::open). If the maker was killed, this process is the maker from
    /// now on, and the name, which is this, ends with it.
    pub(crate) fn open_as_heir<R>(
        self,
        name: &Name,
        open: impl FnOnce(Memory<'static>) -> Result<R, LayoutError>,
    ) -> Result<Kept<R>, SegmentError> {
        let mut is_heir = false;
        let mut kept = self.open(|memory| {
            let ring = open(memory)?;
            is_heir = check_realm(&memory).is_ok() && inherit(&memory)?.is_none();
            Ok(ring)
        })?;
        if is_heir {
            let named = Named::of(name, kept.segment().fd());
            kept.name(named.map_err(SegmentError::system("inherit the segment"))?);
        }
        Ok(kept)
    }

    /// The mapping; always the same one.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The segment's file descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether this process is still where it was when it mapped the segment; a forked
    /// child need not be.
    pub(crate) fn is_of_this_realm(&self) -> bool {
        self.realm == namespace()
    }

    /// Makes the segment known under a name, which ends with it.
    pub(crate) fn set_name(&mut self, name: Named) {
        self.name = Some(name);
    }

    /// Memory of a name that is free now.
    fn draft(name: &Name, octets: u64) -> Result<Draft, SegmentError> {
        for _ in 0..ATTEMPTS {
            // Before the memory is asked for: that takes a while if it is much.
            vacate(name)?;
            if let Some(draft) = Draft::new(name, octets)? {
                return Ok(draft);
            }
        }
        Err(SegmentError::InUse { name: name.to_string(), pid: 0 })
    }

    fn map(file: OwnedFd, octets: u64) -> Result<Self, SegmentError> {
        let octets = usize::try_from(octets).map_err(|_| Errno::NOMEM);
        let mapping = octets
            .and_then(|octets| Mapping::of(file.as_fd(), octets))
            .map_err(SegmentError::system("map the segment"))?;
        let realm = namespace();
        HOME.get_or_init(|| realm);
        Ok(Self { mapping, file, name: None, realm })
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
    match u64::try_from(stat.st_size) {
        Ok(octets @ 1..) => Ok(octets),
        _ => Err(LayoutError::Blank.into()),
    }
}

/// Makes sure that no segment has this name. One whose maker is dead is removed.
///
/// # Errors
/// [`SegmentError::InUse`] if its maker lives, and why it cannot be known.
fn vacate(name: &Name) -> Result<(), SegmentError> {
    let segment = match Segment::attach(name) {
        // Nobody has made one, or somebody else has removed it.
        Err(SegmentError::Missing { .. }) => return Ok(()),
        other => other?,
    };
    let judged = Kept::make(segment, |memory| {
        check_inheritable(&memory)?;
        match inherit(&memory)? {
            None => Ok(()),
            Some(pid) => Err(SegmentError::InUse { name: name.to_string(), pid }),
        }
    })?;
    // This process alone is the heir, so that nobody else removes the name or gives
    // it to another segment, unless by hand.
    match Named::of(name, judged.segment().fd()).map(Named::remove) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(SegmentError::system("remove a stale segment")(errno)),
    }
}

/// Whether a segment has a creator who can be judged here.
fn check_inheritable(memory: &Memory<'_>) -> Result<(), SegmentError> {
    match layout::Layout::read(memory) {
        Err(error @ (LayoutError::Blank | LayoutError::Foreign)) => Err(error.into()),
        // Makers size a segment in one step.
        Err(LayoutError::Truncated { octets, .. }) if octets < layout::HEADER_OCTETS as u64 => {
            Err(LayoutError::Foreign.into())
        }
        // Of whatever version and kind: the creator stands in the same place.
        _ => check_realm(memory),
    }
}

/// Becomes the creator of a segment in place of a dead one; gives who is it instead.
fn inherit(memory: &Memory<'_>) -> Result<Option<u32>, LayoutError> {
    let (creator, _realm) = layout::creator(memory)?;
    if Processes::is_alive(creator) {
        return Ok(Some(creator.pid()));
    }
    Ok(layout::inherit::<Processes>(memory, creator).err().map(Owner::pid))
}
