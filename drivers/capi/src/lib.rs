//! Locks, shared memory and rings for C and C++: `include/farend_sync.h`.
//!
//! Each function returns a status: [`FAREND_OK`] or what went wrong. A null pointer, a name
//! that is not UTF-8 and a structure of another size are errors. Times are nanoseconds from
//! now; [`FAREND_FOREVER`] waits as long as it takes, 0 does not wait.
//!
//! What is opened belongs to the caller, who closes it once and uses it no more then. All
//! else may be called by any thread at any time, but for a sender and a receiver, which are
//! one thread's at a time.
#![deny(unsafe_code)]

mod border;
mod locks;
mod rings;
mod segment;
mod status;

pub use border::FAREND_FOREVER;
pub use locks::{
    Condvar, Mutex, Semaphore, farend_condvar_close, farend_condvar_notify_all,
    farend_condvar_notify_one, farend_condvar_open, farend_condvar_wait, farend_mutex_close,
    farend_mutex_lock, farend_mutex_make_consistent, farend_mutex_open, farend_mutex_unlock,
    farend_semaphore_acquire, farend_semaphore_close, farend_semaphore_count,
    farend_semaphore_open, farend_semaphore_post,
};
pub use rings::{
    Receiver, RingOptions, Sender, farend_channel_receiver, farend_channel_sender,
    farend_queue_receiver, farend_queue_sender, farend_receiver_close, farend_receiver_receive,
    farend_ring_options_default, farend_route_receiver, farend_route_sender, farend_sender_close,
    farend_sender_send, farend_sender_wait_receivers,
};
pub use segment::{
    Segment, farend_segment_base, farend_segment_close, farend_segment_octets, farend_segment_open,
    farend_unlink,
};
pub use status::*;
