//! Any backend, counting what it is asked.
#![expect(unsafe_code, reason = "a promise about owners, passed on")]

use std::{cell::Cell, marker::PhantomData, num::NonZeroU32};

use farend_core::sync::{
    Clock, Futex, NoOwner, Owners, Permit, Scope, Spin, Waited, primitive::AtomicU32,
};

/// The backend `F`, counting the calls of each thread.
#[derive(Debug)]
pub enum Counting<F> {
    /// Never made.
    #[doc(hidden)]
    Never(core::convert::Infallible, PhantomData<fn() -> F>),
}

/// How often the calling thread has asked the system, of all [`Counting`] backends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// Calls of [`Futex::wait`].
    pub waits: u64,
    /// Calls of [`Futex::wake_one`] and [`Futex::wake_all`].
    pub wakes: u64,
}

thread_local! {
    static CALLS: Cell<Calls> = const { Cell::new(Calls { waits: 0, wakes: 0 }) };
}

impl Calls {
    /// What this thread has called so far.
    #[must_use]
    pub fn so_far() -> Self {
        CALLS.with(Cell::get)
    }

    /// What was called since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            waits: self.waits.wrapping_sub(earlier.waits),
            wakes: self.wakes.wrapping_sub(earlier.wakes),
        }
    }

    fn add(waits: u64, wakes: u64) {
        CALLS.with(|cell| {
            let calls = cell.get();
            cell.set(Self {
                waits: calls.waits.wrapping_add(waits),
                wakes: calls.wakes.wrapping_add(wakes),
            });
        });
    }
}

impl<F: Clock> Clock for Counting<F> {
    fn now_ns() -> u64 {
        F::now_ns()
    }
}

impl<S: Scope, F: Futex<S>> Futex<S> for Counting<F> {
    const SPIN: Spin = F::SPIN;

    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
        Calls::add(1, 0);
        F::wait(word, expected, deadline_ns)
    }

    fn wake_one(word: &AtomicU32) {
        Calls::add(0, 1);
        F::wake_one(word);
    }

    fn wake_all(word: &AtomicU32) {
        Calls::add(0, 1);
        F::wake_all(word);
    }

    fn thread_id() -> NonZeroU32 {
        F::thread_id()
    }
}

// SAFETY: each call is the same call of `F`.
unsafe impl<F: Owners> Owners for Counting<F> {
    type Node = F::Node;
    type Caller = F::Caller;

    const LIVENESS_SLICE_NS: Option<u64> = F::LIVENESS_SLICE_NS;
    const UNUSED: F::Node = F::UNUSED;

    fn caller() -> Result<F::Caller, NoOwner> {
        F::caller()
    }

    fn id(caller: F::Caller) -> u32 {
        F::id(caller)
    }

    fn has_room(caller: F::Caller) -> Result<(), NoOwner> {
        F::has_room(caller)
    }

    fn begin(caller: F::Caller, node: &F::Node, permit: Permit) {
        F::begin(caller, node, permit);
    }

    fn link(caller: F::Caller, node: &F::Node, permit: Permit) {
        F::link(caller, node, permit);
    }

    fn unlink(caller: F::Caller, node: &F::Node, permit: Permit) {
        F::unlink(caller, node, permit);
    }

    fn end(caller: F::Caller, permit: Permit) {
        F::end(caller, permit);
    }

    fn is_alive(id: u32) -> bool {
        F::is_alive(id)
    }

    fn is_known_dead(id: u32) -> bool {
        F::is_known_dead(id)
    }

    fn recovered(word: &AtomicU32, id: u32) {
        F::recovered(word, id);
    }
}
