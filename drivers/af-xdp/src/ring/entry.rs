//! What stands in the slots.

use farend_core::{
    port::Span,
    sync::primitive::{AtomicU64, Ordering},
};

/// One slot of a ring.
///
/// Read and written piecewise with relaxed atomics, which cost what plain
/// loads and stores do: a kernel that breaks the rules gives wrong values, never
/// undefined behaviour. Order comes from the ring's words.
pub trait Slot {
    /// What the slot holds.
    type Entry: Copy;

    /// Reads the entry.
    fn read(&self) -> Self::Entry;

    /// Writes the entry.
    fn write(&self, entry: Self::Entry);
}

/// A slot of the fill and completion rings: the address of a chunk.
#[derive(Debug)]
#[repr(transparent)]
pub struct AddressSlot(pub AtomicU64);

impl Slot for AddressSlot {
    type Entry = u64;

    #[inline(always)]
    fn read(&self) -> u64 {
        // Relaxed: the ring's word was read with Acquire.
        self.0.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn write(&self, entry: u64) {
        // Relaxed: the ring's word is written with Release.
        self.0.store(entry, Ordering::Relaxed);
    }
}

/// A frame in the rx or tx ring (`struct xdp_desc`, `linux/if_xdp.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Descriptor {
    /// Where the frame starts in the shared memory, in octets.
    pub address: u64,
    /// Its octets, and above them its options: one number, for one comparison
    /// to find that it is short and without options.
    pub(crate) rest: u64,
}

impl Descriptor {
    /// The bit of the options that says that the packet goes on.
    pub const HAS_MORE: u32 = 1;

    /// A frame of so many octets.
    #[must_use]
    #[inline(always)]
    pub const fn new(address: u64, octets: u32, options: u32) -> Self {
        Self { address, rest: (options as u64) << 32 | octets as u64 }
    }

    /// Octets of the frame.
    #[must_use]
    #[inline(always)]
    pub fn octets(&self) -> u32 {
        u32::try_from(self.rest & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    /// The frame that it describes.
    #[must_use]
    #[inline(always)]
    pub fn span(&self) -> Span {
        Span { start: self.address, octets: self.octets(), has_more: self.has_more() }
    }

    /// Whether the packet goes on in the next descriptor.
    #[must_use]
    #[inline(always)]
    pub const fn has_more(&self) -> bool {
        self.rest & (Self::HAS_MORE as u64) << 32 != 0
    }
}

impl From<Span> for Descriptor {
    #[inline(always)]
    fn from(span: Span) -> Self {
        Self::new(span.start, span.octets, u32::from(span.has_more))
    }
}

/// A slot of the rx and tx rings.
#[derive(Debug)]
#[repr(C)]
pub struct DescriptorSlot {
    /// As [`Descriptor::address`].
    pub address: AtomicU64,
    /// Octets and options, of 32 bits each, in this order in memory.
    pub rest: AtomicU64,
}

#[cfg(not(any(farend_loom, farend_shuttle)))]
const _: () = assert!(size_of::<DescriptorSlot>() == 16 && size_of::<AddressSlot>() == 8);

/// Octets stand before options in memory, whatever the order of octets is.
#[inline(always)]
const fn in_memory_order(rest: u64) -> u64 {
    if cfg!(target_endian = "big") { rest.rotate_left(32) } else { rest }
}

impl Slot for DescriptorSlot {
    type Entry = Descriptor;

    #[inline(always)]
    fn read(&self) -> Descriptor {
        // Relaxed: the ring's word was read with Acquire.
        let address = self.address.load(Ordering::Relaxed);
        let rest = in_memory_order(self.rest.load(Ordering::Relaxed));
        Descriptor { address, rest }
    }

    #[inline(always)]
    fn write(&self, entry: Descriptor) {
        // Relaxed: the ring's word is written with Release.
        self.address.store(entry.address, Ordering::Relaxed);
        self.rest.store(in_memory_order(entry.rest), Ordering::Relaxed);
    }
}
