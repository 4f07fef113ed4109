//! Small ids for the threads of a process.

use std::{
    cell::Cell,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use farend_core::sync::THREAD_ID_MAX;

thread_local! {
    static ID: Cell<Option<NonZeroU32>> = const { Cell::new(None) };
}

/// This thread's id in the process, from 1; given at the first call.
#[inline]
pub(crate) fn id() -> NonZeroU32 {
    match ID.with(Cell::get) {
        Some(id) => id,
        None => first_id(),
    }
}

/// Counts threads. After a thousand million threads ids come round again: two
/// living threads could then have the same one, and one of them would be told
/// that it locks twice.
#[cold]
fn first_id() -> NonZeroU32 {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    let others = THREADS.fetch_add(1, Ordering::Relaxed) % THREAD_ID_MAX;
    let id = NonZeroU32::MIN.saturating_add(others);
    ID.with(|cell| cell.set(Some(id)));
    id
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn each_thread_has_its_own_id_and_keeps_it() {
        let here = id();
        let there = std::thread::spawn(|| (id(), id())).join().unwrap();
        assert_eq!(id(), here);
        assert_eq!(there.0, there.1);
        assert_ne!(there.0, here);
    }
}
