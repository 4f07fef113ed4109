//! What can lie in memory that processes share.
#![expect(unsafe_code, reason = "a promise about layouts, made by whoever knows them")]

use std::sync::atomic::{
    AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
};

use farend_core::sync::{
    AutoResetEvent, Barrier, Condvar, Event, Futex, Mutex, NoOwner, Once, Owners, RawShared,
    RwLock, Semaphore, Shared,
};
use zerocopy::FromBytes;

/// Types that can lie in memory that several processes map: derive it
/// (`#[derive(Shareable)]`) for a structure of such types.
///
/// # Safety
/// - All-zero octets are a value, and so are any that another process of the same user
///   may store through a reference to a value.
/// - The layout is fixed (`repr(C)`), is what [`LAYOUT`](Self::LAYOUT) tells, and holds no
///   address and nothing to drop.
pub unsafe trait Shareable: Sync + 'static {
    /// What tells this type from others.
    const LAYOUT: TypeLayout;

    /// Where the ids of owners of its locks are known: as
    /// [`Owners::realm`](farend_core::sync::Owners::realm). 0 for a type without locks.
    ///
    /// # Errors
    /// [`NoOwner`] if this process cannot own such locks.
    fn realm() -> Result<u64, NoOwner> {
        Ok(0)
    }
}

/// The realm of a type whose parts have these: the one that those of them have which have
/// one, or a number for all of several.
///
/// # Errors
/// The first one among the parts.
pub fn realm_of<const N: usize>(parts: [Result<u64, NoOwner>; N]) -> Result<u64, NoOwner> {
    let mut all = 0_u64;
    for part in parts {
        let part = part?;
        if part != 0 && part != all {
            all = all.rotate_left(1) ^ part;
        }
    }
    Ok(all)
}

/// A hash over a type's name, size, alignment and fields: other types have another one,
/// in all programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeLayout(u64);

impl TypeLayout {
    /// Of a type of this name, so far without fields.
    #[must_use]
    pub const fn of<T>(name: &str) -> Self {
        // Fowler, Noll and Vo's offset.
        Self(0xCBF2_9CE4_8422_2325)
            .text(name)
            .number(size_of::<T>() as u64)
            .number(align_of::<T>() as u64)
    }

    /// With one field more.
    #[must_use]
    pub const fn field(self, name: &str, offset: usize, layout: Self) -> Self {
        self.text(name).number(offset as u64).number(layout.0)
    }

    /// With a part that has no name.
    #[must_use]
    const fn part(self, layout: Self) -> Self {
        self.number(layout.0)
    }

    /// The hash.
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.0
    }

    const fn text(self, text: &str) -> Self {
        let octets = text.as_bytes();
        let (mut layout, mut index) = (self.number(octets.len() as u64), 0);
        while index < octets.len() {
            layout = layout.octet(octets[index]);
            index += 1;
        }
        layout
    }

    pub(crate) const fn number(self, number: u64) -> Self {
        let octets = number.to_le_bytes();
        let (mut layout, mut index) = (self, 0);
        while index < octets.len() {
            layout = layout.octet(octets[index]);
            index += 1;
        }
        layout
    }

    /// Fowler, Noll and Vo's FNV-1a.
    const fn octet(self, octet: u8) -> Self {
        Self((self.0 ^ octet as u64).wrapping_mul(0x0100_0000_01B3))
    }
}

macro_rules! plain {
    ($($kind:ident)+) => {$(
        // SAFETY: any octets are a value.
        unsafe impl Shareable for $kind {
            const LAYOUT: TypeLayout = TypeLayout::of::<Self>(stringify!($kind));
        }
    )+};
}

plain!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);
plain!(AtomicU8 AtomicU16 AtomicU32 AtomicU64 AtomicI8 AtomicI16 AtomicI32 AtomicI64);

// SAFETY: no octets, which are a value: for a lock without data.
unsafe impl Shareable for () {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("()");
}

// SAFETY: each element is such a type.
unsafe impl<T: Shareable, const N: usize> Shareable for [T; N] {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("array").part(T::LAYOUT);

    fn realm() -> Result<u64, NoOwner> {
        T::realm()
    }
}

macro_rules! signals {
    ($($kind:ident)+) => {$(
        // SAFETY: as the core promises of what lies in shared memory.
        unsafe impl<F: Futex<Shared>> Shareable for $kind<Shared, F> {
            const LAYOUT: TypeLayout = TypeLayout::of::<Self>(stringify!($kind));
        }
    )+};
}

signals!(AutoResetEvent Barrier Condvar Event Semaphore);

// SAFETY: as the core promises of what lies in shared memory.
unsafe impl<F: Owners> Shareable for Once<Shared, F> {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("Once");

    fn realm() -> Result<u64, NoOwner> {
        F::realm()
    }
}

// SAFETY: as the core promises of what lies in shared memory; the data is of any octets.
unsafe impl<T: Shareable + FromBytes + Send, F: Owners> Shareable for Mutex<T, Shared, F> {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("Mutex").part(T::LAYOUT);

    fn realm() -> Result<u64, NoOwner> {
        F::realm()
    }
}

// SAFETY: as of the mutex; the lock alone.
unsafe impl<F: Owners> Shareable for RawShared<F> {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("RawShared");

    fn realm() -> Result<u64, NoOwner> {
        F::realm()
    }
}

// SAFETY: as of the mutex.
unsafe impl<T: Shareable + FromBytes + Send, F: Owners> Shareable for RwLock<T, Shared, F> {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("RwLock").part(T::LAYOUT);

    fn realm() -> Result<u64, NoOwner> {
        F::realm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_realm_of_a_type_is_that_of_its_locks() {
        assert_eq!(realm_of([Ok(0), Ok(7), Ok(7), Ok(0)]), Ok(7));
        assert_eq!(realm_of([Ok(0)]), Ok(0));
        let of_two = realm_of([Ok(7), Ok(8)]).unwrap();
        assert!(![0, 7, 8].contains(&of_two));
        assert_ne!(realm_of([Ok(8), Ok(7)]), Ok(of_two));
        assert_eq!(realm_of([Ok(7), Err(NoOwner::NotJoined)]), Err(NoOwner::NotJoined));
    }

    #[test]
    fn types_of_other_names_sizes_and_parts_have_other_layouts() {
        let layouts = [
            u32::LAYOUT,
            i32::LAYOUT,
            AtomicU32::LAYOUT,
            u64::LAYOUT,
            <[u32; 2]>::LAYOUT,
            <[i32; 2]>::LAYOUT,
            <[u32; 3]>::LAYOUT,
            farend_futex::shared::Mutex::<u32>::LAYOUT,
            farend_futex::shared::Mutex::<i32>::LAYOUT,
            farend_futex::shared::RwLock::<u32>::LAYOUT,
            farend_futex::shared::Event::LAYOUT,
            farend_futex::shared::Semaphore::LAYOUT,
        ];
        for (index, layout) in layouts.iter().enumerate() {
            assert!(!layouts[..index].contains(layout), "{index}");
        }
    }
}
