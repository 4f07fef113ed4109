//! The calling thread's slot.

use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use farend_core::sync::NoOwner;

use super::{
    life::System,
    memory::{self, Registry},
};

/// How often this process was made by a fork since it began to count. A child has
/// its parent's memory, ids of threads included, but is another owner.
static FORKS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The thread's id, and the count of forks it is of. 0 is none.
    static OWN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
    /// Gives the slot back when the thread ends.
    static LEAVE: Leave = const { Leave };
}

struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        let (id, forks) = OWN.replace((0, 0));
        if id != 0
            && forks == FORKS.load(Ordering::Relaxed)
            && let Some(registry) = memory::joined()
        {
            registry.table().release(id);
        }
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
    let forks = FORKS.load(Ordering::Relaxed);
    let id = registry.table().claim(System.own(), &System).ok_or(NoOwner::Full)?;
    OWN.set((id, forks));
    // A thread that is ending already keeps the slot until its process does.
    let _is_ending = LEAVE.try_with(|_| ());
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

fn watch_forks() -> Result<(), NoOwner> {
    static IS_WATCHED: OnceLock<bool> = OnceLock::new();
    let is_watched = *IS_WATCHED.get_or_init(|| memory::call_in_children(count_fork));
    if is_watched { Ok(()) } else { Err(NoOwner::Unsupported) }
}

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
