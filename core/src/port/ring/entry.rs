//! What stands in the slots.

use crate::sync::primitive::{AtomicU32, AtomicU64, Ordering};

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
    /// Octets of the frame.
    pub octets: u32,
    /// Bit 0: the packet goes on in the next descriptor.
    pub options: u32,
}

impl Descriptor {
    /// The bit of the options that says that the packet goes on.
    pub const HAS_MORE: u32 = 1;

    /// Whether the packet goes on in the next descriptor.
    #[must_use]
    #[inline(always)]
    pub const fn has_more(&self) -> bool {
        self.options & Self::HAS_MORE != 0
    }
}

/// A slot of the rx and tx rings.
#[derive(Debug)]
#[repr(C)]
pub struct DescriptorSlot {
    /// As [`Descriptor::address`].
    pub address: AtomicU64,
    /// As [`Descriptor::octets`].
    pub octets: AtomicU32,
    /// As [`Descriptor::options`].
    pub options: AtomicU32,
}

#[cfg(not(any(farend_loom, farend_shuttle)))]
const _: () = assert!(size_of::<DescriptorSlot>() == 16 && size_of::<AddressSlot>() == 8);

impl Slot for DescriptorSlot {
    type Entry = Descriptor;

    #[inline(always)]
    fn read(&self) -> Descriptor {
        // Relaxed: the ring's word was read with Acquire.
        Descriptor {
            address: self.address.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
            options: self.options.load(Ordering::Relaxed),
        }
    }

    #[inline(always)]
    fn write(&self, entry: Descriptor) {
        // Relaxed: the ring's word is written with Release.
        self.address.store(entry.address, Ordering::Relaxed);
        self.octets.store(entry.octets, Ordering::Relaxed);
        self.options.store(entry.options, Ordering::Relaxed);
    }
}
