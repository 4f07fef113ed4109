//! Memory for a segment, and how it gets its name.
//!
//! On Linux a segment is filled before anybody can find it: it is a file without a
//! name that is then linked to its name, which fails if the name is taken. So there is
//! one maker of a name, nobody finds half a segment, and a maker that is killed leaves
//! nothing. macOS gives a segment its name first; who attaches too early is told that it
//! is blank, and a blank one is never taken away from whoever may be filling it.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::{
    fs::Mode,
    io::Errno,
    shm::{self, OFlags},
};

use crate::{name::Name, process::ThisProcess};

/// Made readable and writable for its user alone.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The name of one segment, which this process gave it.
#[derive(Debug)]
pub(crate) struct Named {
    name: Name,
    identity: Identity,
    /// How that is found.
    identify: fn(BorrowedFd<'_>) -> Result<Identity, Errno>,
    /// A forked child has this too, and removes nothing.
    maker: ThisProcess,
}

impl Named {
    /// The name of this file.
    pub(crate) fn of(name: &Name, file: BorrowedFd<'_>) -> Result<Self, Errno> {
        Self::by(name, file, identify)
    }

    fn by(
        name: &Name,
        file: BorrowedFd<'_>,
        identify: fn(BorrowedFd<'_>) -> Result<Identity, Errno>,
    ) -> Result<Self, Errno> {
        let (name, maker) = (name.clone(), ThisProcess::now());
        Ok(Self { name, identity: identify(file)?, identify, maker })
    }

    /// Removes the name, if it is still that of the same file.
    pub(crate) fn remove(self) {
        drop(self);
    }

    fn is_own(&self) -> bool {
        let found = shm::open(self.name.as_str(), OFlags::RDWR, Mode::empty())
            .and_then(|file| (self.identify)(file.as_fd()));
        found == Ok(self.identity)
    }
}

/// What tells a segment from another one that has its name later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

/// The device and the number of the file.
#[cfg(target_os = "linux")]
fn identify(file: BorrowedFd<'_>) -> Result<Identity, Errno> {
    let stat = rustix::fs::fstat(file)?;
    #[allow(clippy::useless_conversion, reason = "32 bits on some processors")]
    Ok(Identity(stat.st_dev.into(), stat.st_ino.into()))
}

#[cfg(not(target_os = "linux"))]
use others::identify;

impl Drop for Named {
    fn drop(&mut self) {
        if self.maker.is_here() && self.is_own() {
            let _gone = shm::unlink(self.name.as_str());
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fmt::Write,
        os::fd::AsRawFd,
        sync::atomic::{AtomicU32, Ordering},
    };

    use rustix::{
        fs::{
            AtFlags, CWD, FallocateFlags, MemfdFlags, OFlags, SealFlags, fallocate,
            fcntl_add_seals, fcntl_get_seals, ftruncate, linkat, memfd_create, open, unlink,
        },
        system::sysinfo,
    };

    use super::{AsFd, BorrowedFd, Errno, MODE, Name, Named};
    use crate::SegmentError;
    use std::os::fd::OwnedFd;

    const FOLDER: &str = "/dev/shm";

    const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

    /// A segment that nobody can find yet.
    pub(crate) struct Draft {
        file: OwnedFd,
        /// Its path, where the system has no files without a name.
        path: Option<Temporary>,
    }

    impl Draft {
        /// Memory of so many octets, all zero.
        pub(crate) fn new(name: &Name, octets: u64) -> Result<Option<Self>, SegmentError> {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            let (file, path) = match open(FOLDER, flags, MODE) {
                Ok(file) => (file, None),
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                    let (file, path) = Temporary::make().map_err(refused(name))?;
                    (file, Some(path))
                }
                Err(errno) => return Err(refused(name)(errno)),
            };
            allocate(file.as_fd(), octets)?;
            Ok(Some(Self { file, path }))
        }

        /// The memory, to be mapped.
        pub(crate) fn file(&self) -> Result<OwnedFd, Errno> {
            rustix::io::fcntl_dupfd_cloexec(&self.file, 0)
        }

        /// Gives the segment its name, unless that is taken.
        pub(crate) fn publish(&mut self, name: &Name) -> Result<Named, Errno> {
            self.link(name)?;
            Named::of(name, self.file.as_fd())
        }

        fn link(&self, name: &Name) -> Result<(), Errno> {
            let to = format!("{FOLDER}{name}");
            if let Some(Temporary(from)) = &self.path {
                return linkat(CWD, from, CWD, &to, AtFlags::empty());
            }
            let from = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            match linkat(CWD, from, CWD, &to, AtFlags::SYMLINK_FOLLOW) {
                // Without /proc, for who may: root, and since Linux 6.10 all.
                Err(Errno::NOENT) => linkat(&self.file, "", CWD, &to, AtFlags::EMPTY_PATH),
                linked => linked,
            }
        }
    }

    /// A path that is removed at the end.
    struct Temporary(String);

    impl Temporary {
        fn make() -> Result<(OwnedFd, Self), Errno> {
            static FILES: AtomicU32 = AtomicU32::new(0);
            let number = FILES.fetch_add(1, Ordering::Relaxed);
            let mut path = String::new();
            let _fits = write!(path, "{FOLDER}/.farend.{}.{number}", std::process::id());
            // What a killed process of the same id left.
            let _none = unlink(&path);
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            Ok((open(&path, flags, MODE)?, Self(path)))
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _gone = unlink(&self.0);
        }
    }

    fn refused(name: &Name) -> impl Fn(Errno) -> SegmentError {
        let name = name.to_string();
        move |errno| match errno {
            Errno::ACCESS | Errno::PERM | Errno::ROFS => {
                SegmentError::Denied { name: name.clone() }
            }
            other => SegmentError::system("make a segment")(other),
        }
    }

    /// Gives a segment its size, and the memory for it: memory that turns out to be
    /// missing at the first use ends the process.
    fn allocate(file: BorrowedFd<'_>, octets: u64) -> Result<(), SegmentError> {
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

    /// Memory without a name.
    pub(crate) fn unnamed(octets: u64) -> Result<OwnedFd, SegmentError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file =
            memfd_create("farend-ring", flags).map_err(SegmentError::system("make a segment"))?;
        allocate(file.as_fd(), octets)?;
        fcntl_add_seals(&file, SEALS).map_err(SegmentError::system("seal the segment"))?;
        Ok(file)
    }

    /// Whether the memory cannot be shortened.
    pub(crate) fn keeps_its_size(file: BorrowedFd<'_>) -> bool {
        fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SEALS))
    }

    /// Whether this is memory without a name: it is had only from who has it, so
    /// that its permissions (0777, whatever is asked for) do not matter.
    pub(crate) fn is_passed_only(file: BorrowedFd<'_>) -> bool {
        keeps_its_size(file)
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{Draft, is_passed_only, keeps_its_size, unnamed};

#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "tested here, used elsewhere"))]
mod others {
    use std::{
        hash::{BuildHasher as _, RandomState},
        os::fd::OwnedFd,
        sync::atomic::{AtomicU32, AtomicU64, Ordering},
    };

    use farend_core::ring::layout;
    use rustix::fs::{fstat, ftruncate};

    use super::{AsFd, BorrowedFd, Errno, Identity, MODE, Name, Named, OFlags, shm};
    use crate::{SegmentError, sys::with_header};

    /// The random number in the header: macOS says of every segment that it is file 0 of
    /// device 0.
    pub(super) fn identify(file: BorrowedFd<'_>) -> Result<Identity, Errno> {
        if u64::try_from(fstat(file)?.st_size).unwrap_or(0) < layout::HEADER_OCTETS as u64 {
            return Err(Errno::INVAL);
        }
        let load = |identity: &AtomicU64| identity.load(Ordering::Relaxed);
        match with_header(file, |memory| layout::identity(memory).map(load))? {
            // Nobody has begun to make it.
            0 => Err(Errno::INVAL),
            identity => Ok(Identity(0, identity)),
        }
    }

    /// Gives a segment that is all zero its number.
    fn mark(file: BorrowedFd<'_>) -> Result<(), Errno> {
        // A hash of nothing by a random key.
        let random = RandomState::new().hash_one(()).max(1);
        let store = |identity: &AtomicU64| identity.store(random, Ordering::Relaxed);
        with_header(file, |memory| layout::identity(memory).map(store))
    }

    /// A segment that has its name, but no content.
    pub(crate) struct Draft {
        file: OwnedFd,
        /// Until it is published.
        named: Option<Named>,
    }

    impl Draft {
        /// Memory of so many octets, all zero; `None` if the name is taken.
        pub(crate) fn new(name: &Name, octets: u64) -> Result<Option<Self>, SegmentError> {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
            let file = match shm::open(name.as_str(), flags, MODE) {
                Ok(file) => file,
                Err(Errno::EXIST) => return Ok(None),
                Err(Errno::ACCESS | Errno::PERM) => {
                    return Err(SegmentError::Denied { name: name.to_string() });
                }
                Err(errno) => return Err(SegmentError::system("make a segment")(errno)),
            };
            match Self::begin(name, file.as_fd(), octets) {
                // From here on the name is removed if anything goes wrong.
                Ok(named) => Ok(Some(Self { file, named: Some(named) })),
                Err(error) => {
                    // Nobody takes a blank segment away.
                    let _removed = shm::unlink(name.as_str());
                    Err(error)
                }
            }
        }

        fn begin(name: &Name, file: BorrowedFd<'_>, octets: u64) -> Result<Named, SegmentError> {
            allocate(file, octets)?;
            mark(file)
                .and_then(|()| Named::by(name, file, identify))
                .map_err(SegmentError::system("look at the segment"))
        }

        /// The memory, to be mapped.
        pub(crate) fn file(&self) -> Result<OwnedFd, Errno> {
            rustix::io::fcntl_dupfd_cloexec(&self.file, 0)
        }

        /// It has its name already.
        pub(crate) fn publish(&mut self, _name: &Name) -> Result<Named, Errno> {
            self.named.take().ok_or(Errno::EXIST)
        }
    }

    /// Gives a segment its size, which it keeps: macOS sizes a segment once.
    fn allocate(file: BorrowedFd<'_>, octets: u64) -> Result<(), SegmentError> {
        ftruncate(file, octets).map_err(SegmentError::system("get memory for the segment"))
    }

    /// A segment whose name is removed at once.
    pub(crate) fn unnamed(octets: u64) -> Result<OwnedFd, SegmentError> {
        static SEGMENTS: AtomicU32 = AtomicU32::new(0);
        let number = SEGMENTS.fetch_add(1, Ordering::Relaxed);
        let name = Name::parse(&format!("/farend.{}.{number}", std::process::id()))?;
        match Draft::new(&name, octets)? {
            Some(Draft { file, named }) => {
                drop(named);
                Ok(file)
            }
            None => Err(SegmentError::InUse { name: name.to_string(), pid: 0 }),
        }
    }

    /// There are no seals, but a segment is sized only once.
    pub(crate) fn keeps_its_size(_file: BorrowedFd<'_>) -> bool {
        true
    }

    /// Whether memory has no name is not known.
    pub(crate) fn is_passed_only(_file: BorrowedFd<'_>) -> bool {
        false
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) use others::{Draft, is_passed_only, keeps_its_size, unnamed};

#[cfg(test)]
mod tests {
    use super::{others::Draft, *};
    use crate::name::Name;

    fn fresh_name() -> Name {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NAMES: AtomicU32 = AtomicU32::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        Name::parse(&format!("/farend-d{}-{number}", std::process::id())).unwrap()
    }

    fn is_there(name: &Name) -> bool {
        shm::open(name.as_str(), OFlags::RDWR, Mode::empty()).is_ok()
    }

    #[test]
    fn a_name_told_by_its_number_ends_with_its_maker() {
        let name = fresh_name();
        let draft = Draft::new(&name, 4096).unwrap().unwrap();
        assert!(Draft::new(&name, 4096).unwrap().is_none(), "the name is taken");
        drop(draft);
        assert!(!is_there(&name));
    }

    #[test]
    fn a_maker_does_not_remove_the_name_of_its_successor() {
        let name = fresh_name();
        let first = Draft::new(&name, 4096).unwrap().unwrap();
        shm::unlink(name.as_str()).unwrap();
        let second = Draft::new(&name, 4096).unwrap().unwrap();
        drop(first);
        assert!(is_there(&name), "the name of the second");
        drop(second);
        assert!(!is_there(&name));
    }

    #[test]
    fn a_segment_shorter_than_a_header_has_no_number() {
        let name = fresh_name();
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        let file = shm::open(name.as_str(), flags, MODE).unwrap();
        assert_eq!(others::identify(file.as_fd()), Err(Errno::INVAL));
        shm::unlink(name.as_str()).unwrap();
    }
}
