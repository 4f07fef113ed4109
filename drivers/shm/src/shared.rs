//! One value in a segment.

use std::{
    fmt,
    ops::Deref,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use farend_core::ring::{Layout, LayoutError, Memory};
use farend_futex::process::namespace;

use crate::{
    Deadline, Processes, SegmentError, Shareable,
    arrival::when_there,
    name::Name,
    segment::Segment,
    sys::{Kept, Placed},
};

/// A value of type `T` in memory that processes share, found by a name: counters, locks,
/// signals, data behind locks. All-zero at first.
///
/// Whoever makes it removes the name when it drops it; others keep the value. The memory
/// stays mapped until the process ends, because a lock that is held is in a list of the
/// thread's that refers to it.
///
/// Processes of the same user that attach must trust each other with what the type lets
/// them store, unlike with [rings](crate::spsc).
pub struct Shared<T: Shareable> {
    value: &'static T,
    kept: Kept<Placed<T>>,
}

impl<T: Shareable> Shared<T> {
    /// Makes a value of this name (see [`NAME_OCTETS_MAX`](crate::NAME_OCTETS_MAX)). What
    /// a process that was killed left under the name is removed.
    ///
    /// # Errors
    /// [`SegmentError::InUse`] if a living process has made one, and others of
    /// [`SegmentError`].
    pub fn create(name: &str) -> Result<Self, SegmentError> {
        Self::create_with(name, |_all_zero| ())
    }

    /// Like [`create`](Self::create), but `fill` changes the value before others can use it.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with(name: &str, fill: impl FnOnce(&T)) -> Result<Self, SegmentError> {
        let make = Self::make()?;
        Segment::create(&Name::parse(name)?, Self::layout()?.octets(), make, |kept| {
            fill(kept.place());
            kept.publish()
        })
        .map(Self::of)
    }

    /// Takes the value of this name that another process has made.
    ///
    /// # Errors
    /// [`LayoutError::Type`](crate::LayoutError::Type) if it is of another type, and
    /// others of [`SegmentError`].
    pub fn attach(name: &str) -> Result<Self, SegmentError> {
        Self::open(Segment::attach(&Name::parse(name)?)?)
    }

    /// Takes the value of this name, or makes it if there is none: for processes of which
    /// any may be the first.
    ///
    /// If the maker was killed, this process is the maker from then on. When the maker ends
    /// in order the name ends, whoever else still has the value: who comes later makes another.
    ///
    /// # Errors
    /// As [`attach`](Self::attach) and [`create`](Self::create).
    pub fn open_or_create(name: &str) -> Result<Self, SegmentError> {
        Self::open_or_create_with(name, |_all_zero| ())
    }

    /// Like [`open_or_create`](Self::open_or_create), but if the value is made here, `fill`
    /// changes it before others can use it.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create).
    pub fn open_or_create_with(name: &str, fill: impl Fn(&T)) -> Result<Self, SegmentError> {
        crate::arrival::open_or_create(|| Self::inherit(name), || Self::create_with(name, &fill))
    }

    /// Takes the value of this name as soon as somebody has made it.
    ///
    /// # Errors
    /// [`SegmentError::Missing`] if nobody has until the deadline, and as
    /// [`attach`](Self::attach).
    pub fn attach_when_there(name: &str, deadline: Deadline) -> Result<Self, SegmentError> {
        when_there(deadline, || Self::attach(name))
    }

    /// Makes a value without a name, for processes that are passed its file descriptor.
    ///
    /// # Errors
    /// [`SegmentError::System`].
    pub fn anonymous() -> Result<Self, SegmentError> {
        let segment = Segment::anonymous(Self::layout()?.octets())?;
        let kept = Kept::make::<SegmentError>(segment, |memory| Ok(Self::make()?(memory)?))?;
        kept.publish()?;
        Ok(Self::of(kept))
    }

    /// Takes the value behind a file descriptor that another process has passed.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SegmentError> {
        Self::open(Segment::from_fd(fd)?)
    }

    /// The value, for as long as the process lives: for the [rings](crate::inside) in it.
    #[must_use]
    pub const fn get(&self) -> &'static T {
        self.value
    }

    /// What puts the header of such a value into memory.
    fn make() -> Result<impl FnOnce(Memory<'static>) -> Result<Placed<T>, LayoutError>, SegmentError>
    {
        let (layout, owners) = (Self::layout()?, T::realm()?);
        Ok(move |memory| {
            layout.create_data::<Processes>(&memory, namespace(), owners)?;
            Ok(Placed::new(memory))
        })
    }

    /// What looks whether memory has such a value.
    fn look() -> Result<impl FnOnce(Memory<'static>) -> Result<Placed<T>, LayoutError>, SegmentError>
    {
        let (layout, owners) = (Self::layout()?, T::realm()?);
        Ok(move |memory| {
            layout.open_data(&memory, owners)?;
            Ok(Placed::new(memory))
        })
    }

    fn open(segment: Segment) -> Result<Self, SegmentError> {
        segment.open(Self::look()?).map(Self::of)
    }

    fn inherit(name: &str) -> Result<Self, SegmentError> {
        let name = Name::parse(name)?;
        Segment::attach(&name)?.open_as_heir(&name, Self::look()?).map(Self::of)
    }

    fn of(kept: Kept<Placed<T>>) -> Self {
        Self { value: kept.place(), kept }
    }

    fn layout() -> Result<Layout, SegmentError> {
        Ok(Layout::data(size_of::<T>() as u64, T::LAYOUT.hash())?)
    }
}

impl<T: Shareable> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: Shareable> AsFd for Shared<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kept.segment().fd()
    }
}

impl<T: Shareable + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Shared").field(&**self).finish()
    }
}
