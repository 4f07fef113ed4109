//! Threads that are killed, and who learns of it.
#![expect(unsafe_code, reason = "owners whom the model knows")]

use std::{
    boxed::Box,
    cell::Cell,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
};

#[cfg(farend_loom)]
use loom::thread_local;
#[cfg(farend_shuttle)]
use shuttle::thread_local;

use super::{
    super::{
        RawShared,
        futex::{Clock, Futex, Shared, Spin, Waited},
        owners::{NoOwner, OWNER_DIED, OWNER_ID_MASK, Owners, Permit, WAITERS},
        primitive::{AtomicU32, Ordering},
    },
    kernel::{KERNEL, Modelled, pass_slice, plain},
};

thread_local! {
    /// Steps until this thread is killed; 0 is never.
    static FATE: Cell<u32> = Cell::new(0);
}

/// What unwinds a thread that is killed.
struct Killed;

/// A point at which a thread can be killed.
pub fn step() {
    let is_over = FATE.with(|fate| {
        let left = fate.get();
        fate.set(left.saturating_sub(1));
        left == 1
    });
    if is_over {
        resume_unwind(Box::new(Killed));
    }
}

/// Runs `body` and kills the thread at its `steps`th step, of which there is one
/// around each hook and each call of the system. Returns whether that happened.
/// Between two steps an algorithm changes at most one thing that others act upon, so
/// no death is another than one of these. Nothing that `body` holds may be dropped
/// with effect.
pub fn killed_at(steps: u32, body: impl FnOnce()) -> bool {
    FATE.with(|fate| fate.set(steps));
    let result = catch_unwind(AssertUnwindSafe(body));
    FATE.with(|fate| fate.set(0));
    match result {
        Ok(()) => false,
        Err(payload) if payload.is::<Killed>() => true,
        Err(payload) => resume_unwind(payload),
    }
}

/// Owners whom the system cleans up after, as Linux does.
#[derive(Debug)]
pub enum Robust {}

/// Owners whose waiters look whether they live.
#[derive(Debug)]
pub enum Watched {}

/// Any octet will do: a node is known by its address.
pub type Node = u64;

macro_rules! owners {
    ($name:ident, $slice_ns:expr) => {
        impl Clock for $name {
            fn now_ns() -> u64 {
                Modelled::now_ns()
            }
        }

        impl Futex<Shared> for $name {
            const SPIN: Spin = Spin::None;

            fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited {
                step();
                let waited = <Modelled as Futex<Shared>>::wait(word, expected, deadline_ns);
                step();
                waited
            }

            fn wake_one(word: &AtomicU32) {
                step();
                <Modelled as Futex<Shared>>::wake_one(word);
            }

            fn wake_all(word: &AtomicU32) {
                step();
                <Modelled as Futex<Shared>>::wake_all(word);
            }

            fn thread_id() -> NonZeroU32 {
                <Modelled as Futex<Shared>>::thread_id()
            }
        }

        // SAFETY: threads are counted, and dead are those that the model killed.
        unsafe impl Owners for $name {
            type Node = Node;
            type Caller = u32;

            const LIVENESS_SLICE_NS: Option<u64> = $slice_ns;
            const UNUSED: Node = 0;

            fn caller() -> Result<u32, NoOwner> {
                Ok(Self::thread_id().get())
            }

            fn id(caller: u32) -> u32 {
                caller
            }

            fn begin(caller: u32, node: &Node, _permit: Permit) {
                step();
                plain(&KERNEL.pending).insert(caller, ptr::from_ref(node).addr());
            }

            fn link(caller: u32, node: &Node, _permit: Permit) {
                step();
                plain(&KERNEL.held).insert((caller, ptr::from_ref(node).addr()));
            }

            fn unlink(caller: u32, node: &Node, _permit: Permit) {
                step();
                plain(&KERNEL.held).remove(&(caller, ptr::from_ref(node).addr()));
                step();
            }

            fn end(caller: u32, _permit: Permit) {
                step();
                plain(&KERNEL.pending).remove(&caller);
            }

            fn is_alive(id: u32) -> bool {
                let looks = Self::LIVENESS_SLICE_NS.is_some();
                let those = if looks { &KERNEL.dead } else { &KERNEL.missed };
                let is_dead = plain(those).contains(&id);
                if is_dead {
                    see_deaths();
                }
                !is_dead
            }

            fn is_known_dead(id: u32) -> bool {
                Self::LIVENESS_SLICE_NS.is_some() && !Self::is_alive(id)
            }
        }
    };
}

owners!(Robust, None);
// A slice ends when a model lets it pass.
owners!(Watched, Some(1));

/// Does what becomes of one lock when the calling thread has been killed: the
/// kernel's work or, for [`Watched`], a note of its death. Then lets a slice pass.
pub fn clean_up<F: Owners<Node = Node>>(lock: &RawShared<F>) {
    release_dead(lock);
    pass_slice();
}

/// Does what becomes of the calling thread when its death is missed by the system that
/// cleans up: nothing, but that it is gone. Then lets a slice pass.
pub fn go_unnoticed() {
    let me = <Modelled as Futex<Shared>>::thread_id().get();
    KERNEL.barrier.fetch_add(1, Ordering::Release);
    plain(&KERNEL.missed).insert(me);
    pass_slice();
}

/// Whoever learns of a death from the system sees what the dead one stored.
fn see_deaths() {
    // A read-modify-write has the newest value.
    KERNEL.barrier.fetch_add(0, Ordering::Acquire);
}

fn release_dead<F: Owners<Node = Node>>(lock: &RawShared<F>) {
    let me = <Modelled as Futex<Shared>>::thread_id().get();
    KERNEL.barrier.fetch_add(1, Ordering::Release);
    plain(&KERNEL.dead).insert(me);
    if F::LIVENESS_SLICE_NS.is_some() {
        return;
    }
    let (word, node) = lock.parts();
    let node = ptr::from_ref(node).addr();
    let is_pending = plain(&KERNEL.pending).get(&me) == Some(&node);
    let is_held = plain(&KERNEL.held).remove(&(me, node));
    if !is_pending && !is_held {
        return;
    }
    let mut seen = word.load(Ordering::SeqCst);
    while seen & OWNER_ID_MASK == me {
        let dead = (seen & WAITERS) | OWNER_DIED;
        match word.compare_exchange(seen, dead, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => {
                if seen & WAITERS != 0 {
                    <Modelled as Futex<Shared>>::wake_one(word);
                }
                return;
            }
            Err(now) => seen = now,
        }
    }
    // Between giving a lock up and waking, or woken and not yet the owner.
    if is_pending && seen & OWNER_ID_MASK == 0 {
        <Modelled as Futex<Shared>>::wake_one(word);
    }
}
