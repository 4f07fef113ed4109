//! What may lie in memory that processes share.
#![expect(unsafe_code, reason = "a promise about layouts, made by whoever knows them")]

use zerocopy::FromBytes;

use super::{
    Condvar, Event, Futex, Mutex, Owners, RawRwShared, RawShared, RwLock, Semaphore, Shared,
};

/// Types that can lie in memory that several processes map.
///
/// # Safety
/// - All-zero octets are a valid value, and so are any that another process of the
///   same build may leave.
/// - The layout is fixed (`repr(C)`), and holds no pointer and nothing to drop.
///
/// A structure of such types, with `repr(C)`, is such a type.
pub unsafe trait SharedLayout: Sync + 'static {}

// SAFETY: one word, any of whose values is a state; all-zero is unset.
unsafe impl<F: Futex<Shared>> SharedLayout for Event<Shared, F> {}
// SAFETY: one word, any of whose values is a count; all-zero is a count of 0.
unsafe impl<F: Futex<Shared>> SharedLayout for Semaphore<Shared, F> {}
// SAFETY: two counts; all-zero is nobody.
unsafe impl<F: Futex<Shared>> SharedLayout for Condvar<Shared, F> {}
// SAFETY: words and a node, whose all-zero state is that of a free lock.
unsafe impl<F: Owners> SharedLayout for RawShared<F> {}
// SAFETY: an array of such locks and a mark; all-zero is free and sound.
unsafe impl<F: Owners> SharedLayout for RawRwShared<F> {}
// SAFETY: such a lock and data that any octets make.
unsafe impl<T: FromBytes + Send + 'static, F: Owners> SharedLayout for Mutex<T, Shared, F> {}
// SAFETY: such a lock and data that any octets make.
unsafe impl<T: FromBytes + Send + Sync + 'static, F: Owners> SharedLayout for RwLock<T, Shared, F> {}
// SAFETY: each element is such a type.
unsafe impl<T: SharedLayout, const N: usize> SharedLayout for [T; N] {}
