//! Whether standard output was closed when the process was started.
//!
//! Rust's library opens `/dev/null` in its place before `main`, and nothing tells that
//! from a `/dev/null` that somebody chose. So it is looked at earlier: by a constructor,
//! which the loader calls before it.
#![expect(unsafe_code, reason = "a function that the loader calls before main")]

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed.
pub(super) fn was_closed() -> bool {
    // Read here too, so that whoever links this function links the constructor.
    std::hint::black_box(&CONSTRUCTOR);
    // Relaxed: it was written before there was a second thread.
    WAS_CLOSED.load(Ordering::Relaxed)
}

// SAFETY: the section holds pointers to functions of this type, which the loader calls one
// after the other; this one needs nothing that is not there yet: it makes a system call
// and stores an integer.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static CONSTRUCTOR: extern "C" fn() = look;

extern "C" fn look() {
    let is_closed =
        rustix::io::fcntl_getfd(rustix::stdio::stdout()) == Err(rustix::io::Errno::BADF);
    WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}
