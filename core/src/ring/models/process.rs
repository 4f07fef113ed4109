//! Processes that a model starts and kills: each thread is the one that it chose to be.
#![expect(unsafe_code, reason = "processes whom the model knows")]

use std::{
    cell::Cell,
    collections::BTreeSet,
    ptr,
    sync::{Mutex as Plain, MutexGuard, PoisonError},
};

#[cfg(farend_loom)]
use loom::{lazy_static, thread_local};
#[cfg(farend_shuttle)]
use shuttle::{lazy_static, thread_local};

use super::{
    super::{Liveness, Owner},
    Modelled,
};
use crate::sync::{
    Futex, Shared,
    primitive::{AtomicU32, Ordering},
};

/// What the system knows. Its plain parts are never held across a step of the model.
struct World {
    dead: Plain<BTreeSet<u32>>,
    /// Addresses of words whose sleepers learn of deaths.
    watched: Plain<BTreeSet<usize>>,
    /// Whoever hears of a death sees what the dead process stored before.
    deaths: AtomicU32,
}

lazy_static! {
    static ref WORLD: World =
        World { dead: Plain::default(), watched: Plain::default(), deaths: AtomicU32::new(0) };
}

thread_local! {
    static PID: Cell<u32> = Cell::new(1);
}

fn plain<T>(lock: &Plain<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this thread another process.
pub(super) fn become_process(pid: u32) {
    PID.with(|own| own.set(pid));
}

/// Ends the process that this thread is, and wakes whoever watches over it.
pub(super) fn die() {
    let pid = PID.with(Cell::get);
    // Release: pairs with the Acquire in `is_alive`.
    WORLD.deaths.fetch_add(1, Ordering::Release);
    plain(&WORLD.dead).insert(pid);
    let words = plain(&WORLD.watched).clone();
    for word in words {
        // SAFETY: the words of models are never dropped.
        let word = unsafe { &*ptr::with_exposed_provenance::<AtomicU32>(word) };
        word.fetch_add(1, Ordering::Relaxed);
        <Modelled as Futex<Shared>>::wake_all(word);
    }
}

/// The processes of a model. They ring by a look, and learn at once who ends.
#[derive(Debug)]
pub(super) enum Process {}

// SAFETY: dead is who said so. Barriers are fences, as primitives say of models.
unsafe impl Liveness for Process {
    fn me() -> Owner {
        Owner::new(PID.with(Cell::get), 0)
    }

    fn is_alive(owner: Owner) -> bool {
        let is_dead = plain(&WORLD.dead).contains(&owner.pid());
        if is_dead {
            // A read-modify-write has the newest value.
            WORLD.deaths.fetch_add(0, Ordering::Acquire);
        }
        !is_dead
    }

    fn be_ordered() -> bool {
        true
    }

    fn order_others() -> bool {
        true
    }

    fn watched(
        mut owners: impl Iterator<Item = Owner>,
        word: &AtomicU32,
        sleep: impl FnOnce(bool),
    ) {
        let address = ptr::from_ref(word).expose_provenance();
        plain(&WORLD.watched).insert(address);
        let has_dead = owners.any(|owner| plain(&WORLD.dead).contains(&owner.pid()));
        if !has_dead {
            sleep(true);
        }
    }
}
