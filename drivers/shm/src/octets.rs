//! Octets in a segment, of which this crate knows no more than their number.

use std::{fmt, ptr::NonNull};

use farend_core::ring::{Layout, LayoutError, Memory};
use farend_futex::process::namespace;

use crate::{
    Processes, SegmentError, arrival,
    name::Name,
    segment::Segment,
    sys::{Kept, Placed},
};

/// Memory that processes share, found by a name: for programs in other languages, and for
/// what has no type here. All zero at first.
///
/// Whoever makes it removes the name when it drops it. The memory stays mapped until the
/// process ends.
pub struct SharedOctets {
    base: NonNull<u8>,
    octets: usize,
    _kept: Kept<Placed<u64>>,
}

impl SharedOctets {
    /// Takes the memory of this name, or makes it if there is none. `version` tells what
    /// lies there: any number, the same in all programs.
    ///
    /// # Errors
    /// [`LayoutError::Type`](crate::LayoutError::Type) if it is of another length or
    /// version, and others of [`SegmentError`].
    pub fn open_or_create(name: &str, octets: usize, version: u64) -> Result<Self, SegmentError> {
        let layout = Self::layout(octets, version)?;
        let name = Name::parse(name)?;
        let make = |memory: Memory<'static>| {
            layout.create_data::<Processes>(&memory, namespace(), 0)?;
            Ok(Placed::new(memory))
        };
        let look = |memory: Memory<'static>| {
            layout.open_data(&memory, 0)?;
            Ok::<_, LayoutError>(Placed::new(memory))
        };
        let kept = arrival::open_or_create(
            || Segment::attach(&name)?.open_as_heir(&name, look),
            || Segment::create(&name, layout.octets(), make, |kept| kept.publish()),
        )?;
        Ok(Self { base: kept.place_octets(octets), octets, _kept: kept })
    }

    /// Where the memory starts: at a multiple of 256.
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Octets of the memory.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    fn layout(octets: usize, version: u64) -> Result<Layout, SegmentError> {
        // Not the hash of any type, but by chance.
        let hash = version ^ u64::from_le_bytes(*b"octets  ");
        Ok(Layout::data(octets as u64, hash)?)
    }
}

impl fmt::Debug for SharedOctets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SharedOctets").field("octets", &self.octets).finish_non_exhaustive()
    }
}
