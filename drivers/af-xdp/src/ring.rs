//! Cursors over a ring that another party shares: the kernel.
//!
//! A ring has a power of two of slots, and two words that count, without end,
//! what was put in and what was taken out. Each side owns one word and reads
//! the other's. It keeps a copy of the other's word and looks again only when
//! the copy says that there is no room, or nothing to take: the word's cache
//! line travels once a burst, not once a frame.
//!
//! The other side is not trusted: a word that it could not have written
//! soundly is a [`RingError`], in release builds too.

mod consumer;
mod entry;
mod producer;

pub use consumer::{Consumer, Peeked};
pub use entry::{AddressSlot, Descriptor, DescriptorSlot, Slot};
pub use producer::{Producer, Reserved};

use core::fmt;

use farend_core::sync::primitive::AtomicU32;

/// The memory of one ring, as the other side lays it out.
pub trait RingMemory {
    /// A slot: see [`AddressSlot`] and [`DescriptorSlot`].
    type Slot: Slot;

    /// How many entries were ever put in. The producer's word.
    fn producer(&self) -> &AtomicU32;

    /// How many entries were ever taken out. The consumer's word.
    fn consumer(&self) -> &AtomicU32;

    /// Bit 0 is set while the kernel wants to be told about new entries.
    fn flags(&self) -> &AtomicU32;

    /// The slots: the same at each call, a power of two of them.
    fn slots(&self) -> &[Self::Slot];
}

impl<M: RingMemory + ?Sized> RingMemory for &M {
    type Slot = M::Slot;

    fn producer(&self) -> &AtomicU32 {
        (**self).producer()
    }

    fn consumer(&self) -> &AtomicU32 {
        (**self).consumer()
    }

    fn flags(&self) -> &AtomicU32 {
        (**self).flags()
    }

    fn slots(&self) -> &[Self::Slot] {
        (**self).slots()
    }
}

/// The bit of a ring's flags that asks for a kick.
pub const NEEDS_WAKEUP: u32 = 1;

/// A ring that cannot be worked with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RingError {
    /// The number of slots is no power of two below 2^31.
    Size {
        /// Slots.
        slots: usize,
    },
    /// The other side's word is where it cannot be.
    Corrupt {
        /// Our own word.
        ours: u32,
        /// The other side's.
        theirs: u32,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { slots } => write!(f, "a ring of {slots} slots: a power of two is wanted"),
            Self::Corrupt { ours, theirs } => write!(
                f,
                "the kernel's word of the ring is {theirs}, which cannot be while ours is {ours}"
            ),
        }
    }
}

impl core::error::Error for RingError {}

/// Slots of a ring, if a ring can have so many.
fn size_of_ring<M: RingMemory>(memory: &M) -> Result<u32, RingError> {
    let slots = memory.slots().len();
    match u32::try_from(slots) {
        Ok(size) if size.is_power_of_two() && size <= 1 << 30 => Ok(size),
        _ => Err(RingError::Size { slots }),
    }
}
