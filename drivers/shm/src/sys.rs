//! Maps memory.
#![expect(unsafe_code, reason = "mapping memory, and saying that it is a ring's")]

#[cfg(target_os = "linux")]
use std::sync::{Mutex, PoisonError};
use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
    os::fd::BorrowedFd,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(any(not(target_os = "linux"), test))]
use farend_core::ring::layout::HEADER_OCTETS;
use farend_core::ring::{Error as RingError, Layout, LayoutError, Memory, layout::DATA_OFFSET};
use rustix::{
    io,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};

use crate::{Shareable, draft::Named, segment::Segment};
#[cfg(target_os = "linux")]
use crate::{draft::keeps_its_size, shortened::Watched};

/// Shared memory that is mapped for as long as this lives.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    octets: usize,
    /// Whether it outlives this.
    is_for_ever: AtomicBool,
    /// Where others can shorten what is mapped.
    #[cfg(target_os = "linux")]
    watched: Mutex<Option<Watched>>,
}

// SAFETY: an address and a length; what is there is reached through `Memory`.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`: nothing is changed through `&Mapping` but by `Memory`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `octets` octets of a segment.
    pub(crate) fn of(segment: BorrowedFd<'_>, octets: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: no address is asked for, so nothing that is mapped is replaced.
        let base = unsafe {
            mmap(core::ptr::null_mut(), octets, protection, MapFlags::SHARED, segment, 0)
        }?;
        let base = NonNull::new(base.cast()).ok_or(io::Errno::NOMEM)?;
        Ok(Self {
            base,
            octets,
            is_for_ever: AtomicBool::new(false),
            #[cfg(target_os = "linux")]
            watched: Mutex::new(
                (!keeps_its_size(segment))
                    .then(|| Watched::new(base.addr().get(), octets, segment))
                    .flatten(),
            ),
        })
    }

    /// The memory, for whoever keeps the mapping for as long as they use it.
    ///
    /// # Errors
    /// Never in fact: mappings are aligned to pages.
    ///
    /// # Safety
    /// Nothing made of the memory is used after the mapping is dropped.
    unsafe fn memory(&self) -> Result<Memory<'static>, LayoutError> {
        // SAFETY: mapped, readable and writable, for as long as the memory is
        // used, by the caller's promise. This crate reaches mappings through
        // `Memory` only; what other processes do there is told in the crate's
        // documentation.
        unsafe { Memory::from_raw(self.base, self.octets) }
    }
}

/// Lets `look` see the header of a segment that is at least so long.
#[cfg(any(not(target_os = "linux"), test))]
pub(crate) fn with_header<R>(
    segment: BorrowedFd<'_>,
    look: impl for<'m> FnOnce(&Memory<'m>) -> Result<R, LayoutError>,
) -> io::Result<R> {
    let mapping = Mapping::of(segment, HEADER_OCTETS)?;
    // SAFETY: whatever `look` makes of memory of any lifetime cannot outlive the call.
    let memory = unsafe { mapping.memory() };
    memory.and_then(|memory| look(&memory)).map_err(|_| io::Errno::INVAL)
}

/// Something that lives in a segment's mapping, and what keeps the mapping.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    // Dropped in this order.
    value: T,
    segment: Arc<Segment>,
}

impl<T> Kept<T> {
    /// Makes something of the memory. `make` must put the memory into its result
    /// alone.
    pub(crate) fn make<E: From<LayoutError>>(
        segment: Segment,
        make: impl FnOnce(Memory<'static>) -> Result<T, E>,
    ) -> Result<Self, E> {
        // SAFETY: the result is dropped before the segment, which has one mapping
        // all its life, and nobody in this crate takes it out or keeps a copy of
        // what it has of the memory elsewhere.
        let memory = unsafe { segment.mapping().memory() };
        Ok(Self { value: make(memory?)?, segment: Arc::new(segment) })
    }

    /// Makes something more of something in the same memory.
    ///
    /// # Errors
    /// [`RingError::OtherRealm`], and those of `make`.
    pub(crate) fn derive<U>(
        &self,
        make: impl FnOnce(&T) -> Result<U, RingError>,
    ) -> Result<Side<U>, RingError> {
        if !self.segment.is_of_this_realm() {
            return Err(RingError::OtherRealm);
        }
        Ok(Side { value: make(&self.value)?, segment: Some(Arc::clone(&self.segment)) })
    }

    /// Gives the segment the name under which others find it. Without effect once
    /// something was derived.
    pub(crate) fn name(&mut self, name: Named) {
        if let Some(segment) = Arc::get_mut(&mut self.segment) {
            segment.set_name(name);
        }
    }

    /// What keeps the mapping.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }
}

/// Something that was made of what lives in a segment's mapping.
#[derive(Debug)]
pub(crate) struct Side<T> {
    // Dropped in this order.
    value: T,
    /// Unless the mapping stays until the process ends.
    segment: Option<Arc<Segment>>,
}

impl<T> Side<T> {
    /// Of memory that stays mapped until the process ends.
    pub(crate) const fn for_ever(value: T) -> Self {
        Self { value, segment: None }
    }

    /// Makes something that is no side of it.
    pub(crate) fn with<U>(&self, make: impl FnOnce(&T) -> U) -> Side<U> {
        Side { value: make(&self.value), segment: self.segment.clone() }
    }
}

impl<T> Deref for Side<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Side<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// Stands for a `T` in a mapping, at [`DATA_OFFSET`].
#[derive(Debug)]
pub(crate) struct Placed<T> {
    memory: Memory<'static>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Shareable> Placed<T> {
    /// Of memory whose header was made or opened for a `T`.
    pub(crate) const fn new(memory: Memory<'static>) -> Self {
        const { assert!(align_of::<T>() <= DATA_OFFSET, "more aligned than data in a segment is") };
        Self { memory, kind: PhantomData }
    }

    /// Lets others use the value.
    pub(crate) fn publish(&self) -> Result<(), LayoutError> {
        Layout::publish_data(&self.memory)
    }
}

impl<T: Shareable> Kept<Placed<T>> {
    /// The value. From now on the memory stays mapped until the process ends.
    ///
    /// # Panics
    /// Never: the header says how long the memory is, which was compared.
    pub(crate) fn place(&self) -> &'static T {
        let place = self.place_octets(size_of::<T>());
        // SAFETY: mapped for ever and aligned, since mappings start with a page. All-zero
        // octets are a value, and those of the same layout that other processes of this
        // user store are too, by the promise of `Shareable`, whose hash is in the header.
        // Nobody has the octets in another way.
        unsafe { place.cast::<T>().as_ref() }
    }

    /// Where so many octets of data are. From now on the memory stays mapped until the
    /// process ends.
    ///
    /// # Panics
    /// Never: the header says how long the memory is, which was compared.
    pub(crate) fn place_octets(&self, octets: usize) -> NonNull<u8> {
        let mapping = self.segment.mapping();
        // Relaxed: whoever drops the mapping has been told by what shared it.
        mapping.is_for_ever.store(true, Ordering::Relaxed);
        // A lock that is held keeps links in the memory, which must not become others.
        #[cfg(target_os = "linux")]
        drop(mapping.watched.lock().unwrap_or_else(PoisonError::into_inner).take());
        let end = DATA_OFFSET.checked_add(octets);
        assert!(end.is_some_and(|end| end <= mapping.octets), "the header was checked");
        // SAFETY: the offset lies inside the mapping, as was just compared.
        unsafe { mapping.base.add(DATA_OFFSET) }
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if *self.is_for_ever.get_mut() {
            return;
        }
        // SAFETY: mapped by `of` with this length, and nobody uses it any more, by
        // the promise to `memory`.
        let _unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.octets) };
    }
}
