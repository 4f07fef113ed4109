//! Calls a function when a thread has run its destructors.
//!
//! A thread's own data is dropped in an order that nobody can rely on, and any of it
//! may hold a lock until then. So the end of a thread is what comes after all of that:
//! a key of the C library whose destructor arms the key again for as many rounds as
//! the system goes through, and acts in the last one. Rust drops `thread_local!` data
//! before the first round, or in one of them.
//!
//! # References
//! `pthread_key_create(3)`; POSIX `PTHREAD_DESTRUCTOR_ITERATIONS`.
#![expect(unsafe_code, reason = "keys of the C library hold pointers")]

use std::{ffi::c_void, ptr, sync::OnceLock};

/// What POSIX demands at least, and what systems have.
const ROUNDS_MIN: usize = 4;

static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();

/// Has [`leave`] called when the calling thread ends. `false` if the system has no room
/// for that.
pub(crate) fn call_leave() -> bool {
    match *KEY.get_or_init(make_key) {
        Some(key) => arm(key, rounds()),
        None => false,
    }
}

fn make_key() -> Option<libc::pthread_key_t> {
    let mut key = 0;
    // SAFETY: writes one key; the destructor takes any value.
    let error = unsafe { libc::pthread_key_create(&raw mut key, Some(destroy)) };
    (error == 0).then_some(key)
}

/// Rounds of destructors that the system goes through at a thread's end.
fn rounds() -> usize {
    // SAFETY: asks for a number.
    let rounds = unsafe { libc::sysconf(libc::_SC_THREAD_DESTRUCTOR_ITERATIONS) };
    // -1: no limit is known.
    usize::try_from(rounds).map_or(ROUNDS_MIN, |rounds| rounds.max(1))
}

/// Sets the key of this thread, so that its destructor is called with that number.
fn arm(key: libc::pthread_key_t, rounds: usize) -> bool {
    // SAFETY: the key was made; its value is a number that is never followed.
    unsafe { libc::pthread_setspecific(key, ptr::without_provenance(rounds)) == 0 }
}

extern "C" fn destroy(value: *mut c_void) {
    let rounds_left = value.addr().saturating_sub(1);
    let key = KEY.get().copied().flatten();
    let is_armed = rounds_left > 0 && key.is_some_and(|key| arm(key, rounds_left));
    if !is_armed {
        leave();
    }
}

/// What becomes of the locks of a thread that is about to be gone.
fn leave() {
    crate::registry::leave();
    #[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
    crate::linux::leave();
}
