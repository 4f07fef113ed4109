//! Why a lock or a signal was not had.

use core::fmt;

use super::owners::NoOwner;

/// Why a lock was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another holds it, and the call was not to wait.
    Busy,
    /// Another held it until the deadline.
    TimedOut,
    /// The calling thread holds it already and would wait for itself.
    Reentrant,
    /// An owner died, and the next one gave the lock up without
    /// `make_consistent`: the data is lost until it is made anew.
    NotRecoverable,
    /// It was to be given up for a while by a thread that does not hold it.
    NotOwner,
    /// As many readers hold it as can be counted.
    TooManyReaders,
    /// The calling thread cannot own process-shared locks.
    NoOwner(NoOwner),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Busy => "another holds the lock",
            Self::TimedOut => "another held the lock until the deadline",
            Self::Reentrant => "this thread holds the lock already",
            Self::NotRecoverable => {
                "the lock's owner died and nobody made the data consistent: create it anew"
            }
            Self::NotOwner => return NotOwner.fmt(formatter),
            Self::TooManyReaders => "the lock has no room for another reader",
            Self::NoOwner(reason) => return reason.fmt(formatter),
        })
    }
}

impl core::error::Error for Refused {}

impl From<NoOwner> for Refused {
    fn from(reason: NoOwner) -> Self {
        Self::NoOwner(reason)
    }
}

/// Why a process-shared lock was not taken as usual.
pub enum LockError<G> {
    /// The lock is taken, but its last owner died while it held the lock: the
    /// data is as it left it. Repair it through the guard, then
    /// `make_consistent`; a guard dropped without makes the lock
    /// [`Refused::NotRecoverable`].
    OwnerDied(G),
    /// The lock is not taken.
    Refused(Refused),
}

impl<G> LockError<G> {
    /// Why the lock was not taken; `None` if it was.
    #[must_use]
    pub const fn refused(&self) -> Option<Refused> {
        match self {
            Self::OwnerDied(_) => None,
            Self::Refused(refused) => Some(*refused),
        }
    }
}

impl<G> From<Refused> for LockError<G> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => formatter.write_str("OwnerDied"),
            Self::Refused(refused) => refused.fmt(formatter),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => {
                formatter.write_str("the lock's owner died: repair the data, then make_consistent")
            }
            Self::Refused(refused) => refused.fmt(formatter),
        }
    }
}

impl<G> core::error::Error for LockError<G> {}

/// A lock was to be given up by a thread that does not hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOwner;

impl fmt::Display for NotOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this thread does not hold the lock")
    }
}

impl core::error::Error for NotOwner {}

/// A semaphore was posted although it stands at its largest count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

impl fmt::Display for Overflow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the semaphore stands at its largest count")
    }
}

impl core::error::Error for Overflow {}

/// What was waited for did not come until the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nothing came until the deadline")
    }
}

impl core::error::Error for TimedOut {}

impl From<TimedOut> for Refused {
    fn from(_: TimedOut) -> Self {
        Self::TimedOut
    }
}
