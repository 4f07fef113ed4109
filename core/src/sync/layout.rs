//! What may lie in memory that processes share.
#![expect(unsafe_code, reason = "a promise about layouts, made by whoever knows them")]

use zerocopy::FromBytes;

use super::{
    AutoResetEvent, Barrier, Condvar, Event, Futex, Mutex, Once, Owners, RawRwShared, RawShared,
    RwLock, Semaphore, Shared,
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
// SAFETY: a semaphore; all-zero is unset.
unsafe impl<F: Futex<Shared>> SharedLayout for AutoResetEvent<Shared, F> {}
// SAFETY: two words, any of whose values is a state; all-zero is a barrier for one.
unsafe impl<F: Futex<Shared>> SharedLayout for Barrier<Shared, F> {}
// SAFETY: a word and a lock; all-zero is not done.
unsafe impl<F: Owners> SharedLayout for Once<Shared, F> {}
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

/// Sizes and places that other builds and the system rely on.
#[cfg(not(any(farend_loom, farend_shuttle)))]
const _: () = {
    use core::{
        mem::{align_of, size_of},
        num::NonZeroU32,
    };

    use super::{
        Clock, NoOwner, Permit, Private, RawPrivate, RawRwPrivate, Waited, primitive::AtomicU32,
    };

    /// A backend to measure with; its node is as aligned as any.
    enum Any {}

    impl Clock for Any {
        fn now_ns() -> u64 {
            0
        }
    }

    impl<S: super::Scope> Futex<S> for Any {
        fn wait(_: &AtomicU32, _: u32, _: Option<u64>) -> Waited {
            Waited::Woken
        }
        fn wake_one(_: &AtomicU32) {}
        fn wake_all(_: &AtomicU32) {}
        fn thread_id() -> NonZeroU32 {
            NonZeroU32::MIN
        }
    }

    // SAFETY: never called.
    unsafe impl Owners for Any {
        type Node = [u64; 4];
        type Caller = ();
        const LIVENESS_SLICE_NS: Option<u64> = None;
        const UNUSED: [u64; 4] = [0; 4];
        fn caller() -> Result<(), NoOwner> {
            Ok(())
        }
        fn id((): ()) -> u32 {
            1
        }
        fn begin((): (), _: &[u64; 4], _: Permit) {}
        fn link((): (), _: &[u64; 4], _: Permit) {}
        fn unlink((): (), _: &[u64; 4], _: Permit) {}
        fn end((): (), _: Permit) {}
        fn is_alive(_: u32) -> bool {
            true
        }
    }

    assert!(size_of::<RawPrivate<Any>>() == 4);
    assert!(size_of::<Mutex<u32, Private, Any>>() == 8);
    assert!(size_of::<Event<Shared, Any>>() == 4);
    assert!(size_of::<Semaphore<Shared, Any>>() == 4);
    assert!(size_of::<Condvar<Shared, Any>>() == 8);
    assert!(size_of::<Barrier<Shared, Any>>() == 8);
    assert!(size_of::<AutoResetEvent<Shared, Any>>() == 4);
    assert!(size_of::<Once<Private, Any>>() == 12);
    assert!(size_of::<Once<Shared, Any>>() == 48);
    assert!(size_of::<RawRwPrivate<Any>>() == 12);
    assert!(size_of::<RawShared<Any>>() == 40);
    assert!(RawShared::<Any>::WORD_AT == 0 && RawShared::<Any>::NODE_AT == 8);
    assert!(size_of::<RawRwShared<Any>>() == 1024);
    assert!(align_of::<RawRwShared<Any>>() == 64);
};
