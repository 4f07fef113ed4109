//! An event that one waiter takes.

use core::{fmt, time::Duration};

use super::{
    deadline::Deadline,
    error::{Refused, TimedOut},
    futex::{Futex, Scope},
    primitive::const_unless_modelled,
    semaphore::Semaphore,
};

/// Something that has happened, until one waiter has taken note of it: setting it lets one
/// waiter go, now or later, however often it is set before.
///
/// What a thread did before [`set`](Self::set) is seen by whoever it lets go.
///
/// Four bytes; all-zero is an event that is not set. In the shared scope, a process that
/// dies after it took the event has it taken along; one that dies before, or while it sets
/// the event, delays the others by 0.1 s at most.
#[repr(transparent)]
pub struct AutoResetEvent<S, F> {
    /// Of no unit or one.
    unit: Semaphore<S, F>,
}

impl<S: Scope, F: Futex<S>> AutoResetEvent<S, F> {
    const_unless_modelled! {
        /// Makes an event that is not set.
        pub fn new() -> Self {
            Self { unit: Semaphore::empty() }
        }
    }

    /// Whether the event is set at this moment.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.unit.count() != 0
    }

    /// Sets the event and lets one waiter go, or the next one to come.
    pub fn set(&self) {
        self.unit.post_once();
    }

    /// Takes the event back. Returns whether it was set.
    pub fn reset(&self) -> bool {
        self.try_wait().is_ok()
    }

    /// Takes the event if it is set.
    ///
    /// # Errors
    /// [`Refused::Busy`] if it is not.
    #[inline]
    pub fn try_wait(&self) -> Result<(), Refused> {
        self.unit.try_acquire()
    }

    /// Waits until the event is set, and takes it.
    #[inline]
    pub fn wait(&self) {
        self.unit.acquire();
    }

    /// Waits until the event is set, at most for `timeout`, and takes it.
    ///
    /// # Errors
    /// [`TimedOut`] if it was not set in this time.
    #[inline]
    pub fn wait_for(&self, timeout: Duration) -> Result<(), TimedOut> {
        self.unit.acquire_for(timeout)
    }

    /// Waits until the event is set, at most until `deadline`, and takes it.
    ///
    /// # Errors
    /// [`TimedOut`] if it was not set by then.
    #[inline]
    pub fn wait_until(&self, deadline: Deadline<F>) -> Result<(), TimedOut> {
        self.unit.acquire_until(deadline)
    }
}

impl<S: Scope, F: Futex<S>> Default for AutoResetEvent<S, F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, F> fmt::Debug for AutoResetEvent<S, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AutoResetEvent").field(&self.unit).finish()
    }
}
