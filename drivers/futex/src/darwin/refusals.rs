//! What the kernel refused, for whoever looks after the program.

use core::fmt;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::outcome::errno;

static COUNT: AtomicU32 = AtomicU32::new(0);
static LAST_ERRNO: AtomicI32 = AtomicI32::new(0);

/// Calls that the kernel refused since the program began.
///
/// Locks stay right all the same: a thread that could not sleep on its word
/// sleeps a millisecond and looks again. But they are slow then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals {
    /// How many, at least; stops at `u32::MAX`.
    pub count: u32,
    /// Why the last one was, as Darwin numbers errors.
    pub last_errno: i32,
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, last_errno } = self;
        write!(formatter, "the kernel refused to block or wake threads {count} times, ")?;
        match *last_errno {
            errno::EDOM => formatter.write_str(
                "last because another program waits on the same word by another call: \
                 build all of them with the same backend",
            ),
            other => write!(formatter, "last with error {other}: locks wait by polling"),
        }
    }
}

/// What the kernel refused, or `None` if nothing, as it should be.
#[must_use]
pub fn refusals() -> Option<Refusals> {
    let count = COUNT.load(Ordering::Relaxed);
    let last_errno = LAST_ERRNO.load(Ordering::Relaxed);
    (count > 0).then_some(Refusals { count, last_errno })
}

/// Remembers one.
pub(crate) fn remember(errno: i32) {
    LAST_ERRNO.store(errno, Ordering::Relaxed);
    // Two at once at the very end may leave one out.
    let count = COUNT.load(Ordering::Relaxed);
    if count < u32::MAX {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_counted_and_explained() {
        assert_eq!(refusals(), None);
        remember(errno::EINVAL);
        remember(errno::EDOM);
        let refusals = refusals().unwrap();
        assert_eq!(refusals, Refusals { count: 2, last_errno: errno::EDOM });
        assert!(refusals.to_string().contains("same backend"), "{refusals}");
        let other = Refusals { count: 1, last_errno: 22 };
        assert!(other.to_string().ends_with("error 22: locks wait by polling"), "{other}");
    }
}
