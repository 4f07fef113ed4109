//! Who owns process-shared locks, where the system itself cannot tell of an
//! owner's death.
//!
//! A registry is a table in shared memory with a slot for each thread that takes
//! such locks. The slot says which process it is of: its id and when it started,
//! so that another process that is given the same id later is not mistaken for it.
//! The number of the slot and a generation, which changes with each owner of the
//! slot, are the id that stands in a lock's word.
//!
//! A waiter that has slept for [`SLICE_NS`] looks into the slot of the id that it
//! waits for. If the slot was given back (the thread ended), or is another
//! generation's, or its process is gone, the owner is dead. A thread that ends with a lock
//! in hand, because its guard was leaked, leaves its slot to its process: what was borrowed
//! from the guard may be in use in another thread.
//!
//! All that share a lock must have joined the same registry. Who does not join one
//! joins that of the user, [`join_default`], when taking the first lock.
//!
//! # Limits
//! - A process that calls `exec` with locks in hand keeps them until it ends.
//! - Processes in different pid namespaces cannot look for each other, and so
//!   think each other alive.
//! - If the registry's name is removed while it is used, whoever joins later joins
//!   another one, and takes living owners for dead.
//! - Whoever can write the registry can break every lock: it is its user's alone.
//! - A lock that is held by a dead owner and that nobody touches while a million
//!   later owners pass through the same slot seems held by a living one.

#![expect(unsafe_code, reason = "a promise about owners, kept by the table")]

mod life;
mod member;
mod memory;
mod slots;
#[cfg(test)]
mod tests;

use core::{fmt, marker::PhantomData, num::NonZeroU32};

use farend_core::sync::{
    Clock, Futex, NoOwner, Owners, Permit, Private, Scope, Shared, Spin, Waited,
    primitive::AtomicU32,
};

pub(crate) use self::member::leave;
pub use self::memory::{JoinError, RESERVED_NAMES, join, join_default};
use crate::{Backend, Unavailable};

/// How long a waiter sleeps before it looks whether the owner lives.
pub const SLICE_NS: u64 = 10_000_000;

/// The backend `F`, with owners who stand in a registry.
pub struct Registered<F> {
    backend: PhantomData<fn() -> F>,
    never: core::convert::Infallible,
}

impl<F> fmt::Debug for Registered<F> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend: _, never } = self;
        match *never {}
    }
}

impl<F: Clock> Clock for Registered<F> {
    #[inline]
    fn now_ns() -> u64 {
        F::now_ns()
    }
}

impl<S: Scope, F: Futex<S>> Futex<S> for Registered<F> {
    const SPIN: Spin = F::SPIN;

    #[inline]
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        F::wait(word, expected, deadline_ns)
    }

    #[inline]
    fn wake_one(word: &AtomicU32) {
        F::wake_one(word);
    }

    #[inline]
    fn wake_all(word: &AtomicU32) {
        F::wake_all(word);
    }

    #[inline]
    fn thread_id() -> NonZeroU32 {
        F::thread_id()
    }
}

// SAFETY: an id is a slot that is the thread's alone, with its generation; a slot is
// another's, or its process gone, once the process has ended, or the thread without a lock
// in hand.
unsafe impl<F: Futex<Shared>> Owners for Registered<F> {
    type Node = ();
    type Caller = u32;

    const LIVENESS_SLICE_NS: Option<u64> = Some(SLICE_NS);
    const UNUSED: () = ();

    #[inline]
    fn caller() -> Result<u32, NoOwner> {
        member::id()
    }

    #[inline]
    fn id(caller: u32) -> u32 {
        caller
    }

    #[inline]
    fn begin(_: u32, (): &(), _: Permit) {}

    #[inline]
    fn link(_: u32, (): &(), _: Permit) {
        member::holds_one_more();
    }

    #[inline]
    fn unlink(_: u32, (): &(), _: Permit) {
        member::holds_one_less();
    }

    #[inline]
    fn end(_: u32, _: Permit) {}

    fn realm() -> Result<u64, NoOwner> {
        member::registry().map(|registry| registry.table().identity()).ok_or(NoOwner::NotJoined)
    }

    fn is_alive(id: u32) -> bool {
        member::is_alive(id)
    }

    fn is_known_dead(id: u32) -> bool {
        member::is_known_dead::<F>(id)
    }
}

impl<F: Backend<Private>> Backend<Private> for Registered<F> {
    fn check() -> Result<(), Unavailable> {
        F::check()
    }
}

impl<F: Backend<Shared>> Backend<Shared> for Registered<F> {
    fn check() -> Result<(), Unavailable> {
        F::check()?;
        member::registry().map(|_| ()).ok_or(Unavailable::Registry)
    }
}
