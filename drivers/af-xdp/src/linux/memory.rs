//! Memory that the kernel and this process share: the UMEM, and the rings.
//!
//! Nobody outside this file holds a pointer. What a ring holds is reached by
//! atomic words alone, so whatever the kernel writes there is a value. A frame's
//! octets are borrowed only on the word of a queue's ledger ([`Held`]), and a queue's
//! part of the memory never leaves its queue.
#![expect(unsafe_code, reason = "memory that is mapped into this process")]

use std::{
    ffi::c_void,
    io,
    marker::PhantomData,
    mem,
    os::fd::BorrowedFd,
    ptr,
    ptr::NonNull,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::{
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap},
    net::xdp::XdpRingOffset,
};

use super::layout::HUGE_PAGE_OCTETS;
use crate::{
    queue::Held,
    ring::{AddressSlot, DescriptorSlot, RingMemory, Slot},
};

/// A mapping; unmapped on drop.
#[derive(Debug)]
struct Mapping {
    base: NonNull<c_void>,
    octets: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; what is read and
// written in it is the business of those that own one.
unsafe impl Send for Mapping {}
// SAFETY: as before.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping, and nothing that
        // was borrowed from it outlives it.
        let unmapped = unsafe { munmap(self.base.as_ptr(), self.octets) };
        debug_assert!(unmapped.is_ok());
    }
}

impl Mapping {
    /// Memory of this process alone, all zero.
    fn anonymous(octets: usize, flags: MapFlags) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address of the kernel's choice, touches
        // no memory of ours.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), octets, protection, flags) }?;
        Ok(Self { base: NonNull::new(base).ok_or(Errno::NOMEM)?, octets })
    }

    /// Memory that a socket shares with the kernel.
    fn of_socket(socket: BorrowedFd<'_>, octets: usize, page: u64) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: as in `anonymous`.
        let base = unsafe { mmap(ptr::null_mut(), octets, protection, flags, socket, page) }?;
        Ok(Self { base: NonNull::new(base).ok_or(Errno::NOMEM)?, octets })
    }

    /// Where `count` values of `T` start that lie whole and aligned in the
    /// mapping, or an error.
    fn place<T>(&self, offset: u64, count: usize) -> io::Result<NonNull<T>> {
        let wrong = || io::Error::from(Errno::INVAL);
        let offset = usize::try_from(offset).map_err(|_| wrong())?;
        let octets = count.checked_mul(mem::size_of::<T>()).ok_or_else(wrong)?;
        let end = offset.checked_add(octets).ok_or_else(wrong)?;
        if end > self.octets || !offset.is_multiple_of(mem::align_of::<T>()) {
            return Err(wrong());
        }
        // SAFETY: the offset was just compared with the mapping's end.
        Ok(unsafe { self.base.byte_add(offset) }.cast())
    }
}

/// The memory of all frames of one interface, before it is given out.
#[derive(Debug)]
pub(super) struct Umem {
    mapping: Mapping,
    is_huge: bool,
}

impl Umem {
    /// Maps this many octets, on huge pages if there are any.
    pub(super) fn map(octets: usize) -> io::Result<Self> {
        if octets.is_multiple_of(HUGE_PAGE_OCTETS) {
            let flags = MapFlags::PRIVATE | MapFlags::POPULATE | MapFlags::HUGETLB;
            if let Ok(mapping) = Mapping::anonymous(octets, flags | MapFlags::HUGE_2MB) {
                return Ok(Self { mapping, is_huge: true });
            }
        }
        let mapping = Mapping::anonymous(octets, MapFlags::PRIVATE | MapFlags::POPULATE)?;
        Ok(Self { mapping, is_huge: false })
    }

    /// Whether it lies on huge pages.
    pub(super) fn is_huge(&self) -> bool {
        self.is_huge
    }

    /// Its address, for the kernel.
    pub(super) fn address(&self) -> u64 {
        self.mapping.base.as_ptr().addr() as u64
    }

    /// Its length.
    pub(super) fn octets(&self) -> usize {
        self.mapping.octets
    }

    /// Gives it out in parts of equal length, one after the other.
    pub(super) fn split(self, parts: usize) -> Vec<Part> {
        let octets = self.mapping.octets / parts.max(1);
        let mapping = Arc::new(self.mapping);
        let part = |at| Part { mapping: Arc::clone(&mapping), start: at * octets, octets };
        (0..parts).map(part).collect()
    }
}

/// One queue's part of a UMEM: no two overlap.
#[derive(Debug)]
pub(super) struct Part {
    mapping: Arc<Mapping>,
    start: usize,
    octets: usize,
}

impl Part {
    /// Where it starts in the UMEM.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Borrows octets of a frame that is in hand; `None` if they are not all in the
    /// part.
    pub(super) fn octets_mut(&mut self, held: &Held) -> Option<&mut [u8]> {
        let octets = held.octets() as usize;
        let offset = usize::try_from(held.address()).ok()?.checked_sub(self.start)?;
        if offset.checked_add(octets)? > self.octets {
            return None;
        }
        // SAFETY: the part lies in the mapping, and the octets in the part.
        let start = unsafe { self.mapping.base.byte_add(self.start + offset) };
        // SAFETY: live as long as the part holds the mapping; parts do not
        // overlap and this one is borrowed, so no other reference exists. The
        // kernel writes only to chunks that were given to it. Only the queue that
        // owns the part makes a `Held`, for a chunk that its ledger has just found
        // not to be the kernel's, and it does not outlive the call.
        Some(unsafe { slice::from_raw_parts_mut(start.cast().as_ptr(), octets) })
    }
}

/// What a ring holds: atomic words, of which every pattern of octets is a
/// value.
///
/// # Safety
///
/// Nothing but atomic integers, `repr(C)` or `repr(transparent)`.
pub(super) unsafe trait Shared: Slot {}

// SAFETY: one atomic integer, `repr(transparent)` or `repr(C)`.
unsafe impl Shared for AddressSlot {}
// SAFETY: two atomic integers, `repr(C)`.
unsafe impl Shared for DescriptorSlot {}

/// One ring of a socket: two counters, flags, and slots.
#[derive(Debug)]
pub(super) struct Ring<S> {
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    slots: NonNull<S>,
    count: usize,
    mapping: Arc<Mapping>,
    _slots: PhantomData<[S]>,
}

/// The kernel's word of a ring that it puts entries into, for others than the ring's
/// owner to read.
#[derive(Debug)]
pub(super) struct ProducerWord {
    word: NonNull<AtomicU32>,
    _mapping: Arc<Mapping>,
}

// SAFETY: the word is atomic, and lives as long as the mapping that is held.
unsafe impl Send for ProducerWord {}
// SAFETY: as before.
unsafe impl Sync for ProducerWord {}

impl ProducerWord {
    /// Entries that the kernel ever put in, modulo 2^32.
    pub(super) fn read(&self) -> u32 {
        // SAFETY: placed in the mapping, aligned, and live with it.
        let word = unsafe { self.word.as_ref() };
        // Relaxed: a count, and no slot is read after it.
        word.load(Ordering::Relaxed)
    }
}

// SAFETY: all that is reached through it is atomic.
unsafe impl<S: Shared> Send for Ring<S> {}

impl<S: Shared> Ring<S> {
    /// Maps the ring of this size that the socket was given before, with the
    /// kernel's offsets for it.
    pub(super) fn map(
        socket: BorrowedFd<'_>,
        page: u64,
        offsets: &XdpRingOffset,
        count: u32,
    ) -> io::Result<Self> {
        let count = count as usize;
        let end = usize::try_from(offsets.desc)
            .ok()
            .and_then(|start| start.checked_add(count.checked_mul(mem::size_of::<S>())?));
        let mapping = Mapping::of_socket(socket, end.ok_or(Errno::INVAL)?, page)?;
        // Before Linux 5.4, which nobody gets here with, there are no flags.
        let flags = offsets.flags.ok_or(Errno::NOSYS)?;
        Ok(Self {
            producer: mapping.place(offsets.producer, 1)?,
            consumer: mapping.place(offsets.consumer, 1)?,
            flags: mapping.place(flags, 1)?,
            slots: mapping.place(offsets.desc, count)?,
            count,
            mapping: Arc::new(mapping),
            _slots: PhantomData,
        })
    }
}

impl<S> Ring<S> {
    /// The kernel's word, if it is a ring that the kernel puts entries into.
    pub(super) fn producer_word(&self) -> ProducerWord {
        ProducerWord { word: self.producer, _mapping: Arc::clone(&self.mapping) }
    }
}

impl<S: Shared> RingMemory for Ring<S> {
    type Slot = S;

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: placed in the mapping, aligned, and live with it.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as in `producer`.
        unsafe { self.consumer.as_ref() }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as in `producer`.
        unsafe { self.flags.as_ref() }
    }

    fn slots(&self) -> &[S] {
        // SAFETY: as many as were placed in the mapping, aligned, live with
        // it, and atomic: the kernel may write to them meanwhile.
        unsafe { slice::from_raw_parts(self.slots.as_ptr(), self.count) }
    }
}
