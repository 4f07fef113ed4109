//! Small ids for the threads of a process.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU32, Ordering},
};

use farend_core::sync::THREAD_ID_MAX;

thread_local! {
    static ID: Cell<u32> = const { Cell::new(0) };
}

/// This thread's id in the process, from 1; given at the first call.
#[inline]
pub(crate) fn id() -> u32 {
    let id = ID.with(Cell::get);
    if id == 0 { first_id() } else { id }
}

/// Counts threads. After a thousand million threads ids come round again: two
/// living threads could then have the same one, and one of them would be told
/// that it locks twice.
#[cold]
fn first_id() -> u32 {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    let id = THREADS.fetch_add(1, Ordering::Relaxed) % THREAD_ID_MAX + 1;
    ID.with(|cell| cell.set(id));
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
        assert_ne!(here, 0);
    }
}
