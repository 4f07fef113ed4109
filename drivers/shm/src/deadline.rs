//! Until when to wait.

/// A time at which a call gives up waiting, on this system's clock.
pub type Deadline = farend_core::sync::Deadline<farend_futex::Default>;
