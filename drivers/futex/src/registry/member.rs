//! The calling thread's slot.

use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use farend_core::sync::{Clock, NoOwner};

use super::{
    life::System,
    memory::{self, Registry},
};
use crate::{ending, looks::Looks};

/// How often this process was made by a fork since it began to count. A child has
/// its parent's memory, ids of threads included, but is another owner.
static FORKS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The thread's id, and the count of forks it is of. 0 is none.
    static OWN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    /// How many locks the thread holds by that id.
    static HELD: Cell<u32> = const { Cell::new(0) };
    /// What this thread knows of others.
    static LOOKS: Looks = const { Looks::new() };
}

/// The calling thread has taken a lock.
#[inline]
pub(super) fn holds_one_more() {
    HELD.set(HELD.get().wrapping_add(1));
}

/// The calling thread is giving a lock up.
#[inline]
pub(super) fn holds_one_less() {
    HELD.set(HELD.get().wrapping_sub(1));
}

/// Gives the slot back, once nothing of the calling thread can use a lock any more. If it
/// still holds one, its guard was leaked, and other threads may have what was borrowed from
/// that: the owner lives on until the process ends.
pub(crate) fn leave() {
    let (id, forks) = OWN.replace((0, 0));
    let is_holding = HELD.replace(0) != 0;
    if id != 0
        && !is_holding
        && forks == FORKS.load(Ordering::Relaxed)
        && let Some(registry) = memory::joined()
    {
        registry.table().release(id);
    }
}

/// The id of the calling thread, which gets a slot at the first call.
#[inline]
pub(super) fn id() -> Result<u32, NoOwner> {
    let (id, forks) = OWN.get();
    if id != 0 && forks == FORKS.load(Ordering::Relaxed) { Ok(id) } else { first_id() }
}

#[cold]
fn first_id() -> Result<u32, NoOwner> {
    let registry = registry().ok_or(NoOwner::NotJoined)?;
    watch_forks()?;
    // A thread that is ending already keeps the slot until its process does.
    if !ending::call_leave() {
        return Err(NoOwner::Unsupported);
    }
    let forks = FORKS.load(Ordering::Relaxed);
    let id = registry.table().claim(System.own(), &System).ok_or(NoOwner::Full)?;
    OWN.set((id, forks));
    // In the child of a fork, those of the parent are not its own.
    HELD.set(0);
    Ok(id)
}

/// The registry that was joined, else the user's own.
pub(super) fn registry() -> Option<&'static Registry> {
    memory::joined().or_else(|| {
        // Another thread may have joined one in between; either will do.
        let _joined = memory::join_default();
        memory::joined()
    })
}

/// Whether the owner of an id lives.
pub(super) fn is_alive(id: u32) -> bool {
    memory::joined().is_none_or(|registry| registry.table().is_alive(id, &System))
}

/// Whether the owner of an id is known to be dead. The table is asked each time, the
/// system seldom.
pub(super) fn is_known_dead<C: Clock>(id: u32) -> bool {
    let Some(registry) = memory::joined() else { return false };
    if registry.table().has_left(id) {
        return true;
    }
    let is_alive = |id| registry.table().is_alive(id, &System);
    LOOKS.with(|looks| looks.is_dead(id, C::now_ns(), is_alive))
}

fn watch_forks() -> Result<(), NoOwner> {
    static IS_WATCHED: OnceLock<bool> = OnceLock::new();
    let is_watched = *IS_WATCHED.get_or_init(|| memory::call_in_children(count_fork));
    if is_watched { Ok(()) } else { Err(NoOwner::Unsupported) }
}

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
