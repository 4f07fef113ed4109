//! Rings that lie in a [`Shared`](crate::Shared) value, beside locks and counters.
//!
//! ```
//! use farend_shm::{Deadline, Shareable, Shared, inside};
//! use std::sync::atomic::AtomicU64;
//! # let name = &format!("/farend-in-{}", std::process::id());
//!
//! #[derive(Shareable)]
//! #[repr(C)]
//! struct Page {
//!     frames: AtomicU64,
//!     orders: inside::Spsc<4096>,
//!     news: inside::Broadcast<16, 64, 4>,
//! }
//!
//! let page = Shared::<Page>::open_or_create(name)?.get();
//! let mut sender = page.orders.sender()?;
//! let mut receiver = page.orders.receiver()?;
//! sender.send(b"stop", Deadline::NEVER)?;
//! assert_eq!(receiver.receive(Deadline::NEVER)?, b"stop");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![expect(unsafe_code, reason = "rings over the memory of a value, and a promise about it")]

use std::{cell::UnsafeCell, fmt, ptr::NonNull, sync::atomic::AtomicU64};

use farend_core::ring::{
    Error as RingError, LINE_OCTETS, Layout, LayoutError, Memory, SlowReader,
    broadcast as core_broadcast, spsc as core_spsc,
};

use crate::{Shareable, TypeLayout, broadcast, segment::is_at_home, spsc, sys::Side};

/// Words before a ring's records or readers: a header that is not used, and three lines of
/// which the last is the second side's.
const HEAD_WORDS: usize = 3 * LINE_OCTETS / 8;

/// Octets that a ring alone reaches.
#[repr(C, align(8))]
struct Octets<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: reached by rings alone, through `Memory`, which says who may when.
unsafe impl<const N: usize> Sync for Octets<N> {}

/// A ring for one sender and one receiver, with `OCTETS` octets for records: a power of two.
#[repr(C, align(128))]
pub struct Spsc<const OCTETS: usize> {
    head: [AtomicU64; HEAD_WORDS],
    records: Octets<OCTETS>,
}

impl<const OCTETS: usize> Spsc<OCTETS> {
    /// Becomes the ring's sender.
    ///
    /// # Errors
    /// [`RingError::Taken`] by a living one; [`RingError::Corrupt`];
    /// [`RingError::OtherRealm`].
    pub fn sender(&'static self) -> Result<spsc::Sender, RingError> {
        self.ring()?.producer().map(|producer| spsc::Sender::of(Side::for_ever(producer)))
    }

    /// Becomes the ring's receiver.
    ///
    /// # Errors
    /// As [`sender`](Self::sender).
    pub fn receiver(&'static self) -> Result<spsc::Receiver, RingError> {
        self.ring()?.consumer().map(|consumer| spsc::Receiver::of(Side::for_ever(consumer)))
    }

    fn ring(&'static self) -> Result<core_spsc::Ring<'static>, RingError> {
        const {
            assert!(OCTETS.is_power_of_two() && OCTETS as u64 >= core_spsc::CAPACITY_OCTETS_MIN);
        }
        // SAFETY: as large as it says; its fields are private, so nobody reaches it in
        // another way.
        let memory = unsafe { memory_of(self) }?;
        core_spsc::Ring::without_header(memory, OCTETS as u64).map_err(broken)
    }
}

/// One slot: a word, and room for a message.
#[repr(C)]
struct Slot<const OCTETS: usize> {
    word: AtomicU64,
    octets: Octets<OCTETS>,
}

/// A ring for one publisher, who waits for the slowest of up to `SUBSCRIBERS` subscribers,
/// with room for `MESSAGES` messages (a power of two) of up to `OCTETS` octets.
#[repr(C, align(128))]
pub struct Broadcast<const MESSAGES: usize, const OCTETS: usize, const SUBSCRIBERS: usize> {
    head: [AtomicU64; HEAD_WORDS],
    subscribers: [[AtomicU64; LINE_OCTETS / 8]; SUBSCRIBERS],
    slots: [Slot<OCTETS>; MESSAGES],
}

impl<const MESSAGES: usize, const OCTETS: usize, const SUBSCRIBERS: usize>
    Broadcast<MESSAGES, OCTETS, SUBSCRIBERS>
{
    /// Becomes the ring's publisher.
    ///
    /// # Errors
    /// [`RingError::Taken`] by a living one; [`RingError::Corrupt`];
    /// [`RingError::OtherRealm`].
    pub fn publisher(&'static self) -> Result<broadcast::Publisher, RingError> {
        self.ring()?.writer().map(|writer| broadcast::Publisher::of(Side::for_ever(writer)))
    }

    /// Becomes one of the ring's subscribers, from the next message on.
    ///
    /// # Errors
    /// [`RingError::NoReaderFree`]; [`RingError::Corrupt`]; [`RingError::OtherRealm`].
    pub fn subscriber(&'static self) -> Result<broadcast::Subscriber, RingError> {
        self.ring()?.reader().map(|reader| broadcast::Subscriber::of(Side::for_ever(reader)))
    }

    fn ring(&'static self) -> Result<core_broadcast::Ring<'static>, RingError> {
        const {
            assert!(MESSAGES.is_power_of_two() && MESSAGES >= 2);
            assert!(OCTETS > 0 && OCTETS as u64 <= core_broadcast::MESSAGE_OCTETS_MAX);
            assert!(SUBSCRIBERS > 0 && SUBSCRIBERS <= core_broadcast::READERS_MAX as usize);
        }
        // SAFETY: as large as it says; its fields are private, so nobody reaches it in
        // another way.
        let memory = unsafe { memory_of(self) }?;
        let subscribers = u32::try_from(SUBSCRIBERS).unwrap_or(u32::MAX);
        let (messages, octets) = (MESSAGES as u64, OCTETS as u64);
        Layout::broadcast(messages, octets, subscribers, SlowReader::Block)
            .and_then(|layout| core_broadcast::Ring::without_header(memory, layout))
            .map_err(broken)
    }
}

/// The memory of a ring.
///
/// # Safety
/// Nobody reaches the ring in another way.
unsafe fn memory_of<T>(ring: &'static T) -> Result<Memory<'static>, RingError> {
    if !is_at_home() {
        return Err(RingError::OtherRealm);
    }
    // SAFETY: mapped for ever, readable and writable, since it is made of cells, and by the
    // caller's promise reached through this alone. Others that have the value write to it
    // as rings do, because their type is the same.
    unsafe { Memory::from_raw(NonNull::from(ring).cast(), size_of::<T>()) }.map_err(broken)
}

/// Sizes and alignment follow from the types, so this does not happen.
fn broken(_never: LayoutError) -> RingError {
    RingError::Corrupt(farend_core::ring::Corruption::Missing)
}

// SAFETY: words and octets that any process may store; all zero is a ring that nobody has
// used, whose layout is the type's.
unsafe impl<const OCTETS: usize> Shareable for Spsc<OCTETS> {
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("Spsc").number(OCTETS as u64);
}

// SAFETY: as above.
unsafe impl<const MESSAGES: usize, const OCTETS: usize, const SUBSCRIBERS: usize> Shareable
    for Broadcast<MESSAGES, OCTETS, SUBSCRIBERS>
{
    const LAYOUT: TypeLayout = TypeLayout::of::<Self>("Broadcast")
        .number(MESSAGES as u64)
        .number(OCTETS as u64)
        .number(SUBSCRIBERS as u64);
}

impl<const OCTETS: usize> fmt::Debug for Spsc<OCTETS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Spsc").field("octets", &OCTETS).finish_non_exhaustive()
    }
}

impl<const MESSAGES: usize, const OCTETS: usize, const SUBSCRIBERS: usize> fmt::Debug
    for Broadcast<MESSAGES, OCTETS, SUBSCRIBERS>
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Broadcast").field("messages", &MESSAGES).finish_non_exhaustive()
    }
}
