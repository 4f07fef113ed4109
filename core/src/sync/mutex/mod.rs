//! Mutual exclusion.

mod guard;
mod mapped;
mod private;
mod shared;

use core::fmt;

pub use guard::{Mutex, MutexGuard};
pub use mapped::MappedMutexGuard;
pub use private::RawPrivate;
pub use shared::{RawShared, Taken};

use super::{
    error::NotOwner,
    futex::{Futex, Private, Scope, Shared},
    owners::{Owners, Permit},
};

/// The lock of a scope without data.
///
/// For whoever cannot use a guard: both `lock` and `unlock` check who calls.
pub type RawMutex<S, F> = <S as MutexScope<F>>::Raw;

/// A scope in which the backend `F` makes mutexes. [`Private`] and [`Shared`] are
/// the two.
pub trait MutexScope<F>: Scope {
    /// The lock.
    type Raw: Unlock + fmt::Debug + Send + Sync;
}

impl<F: Futex<Private>> MutexScope<F> for Private {
    type Raw = RawPrivate<F>;
}

impl<F: Owners> MutexScope<F> for Shared {
    type Raw = RawShared<F>;
}

/// A lock that can be given up.
pub trait Unlock {
    /// Gives the lock up, and wakes a thread that waits for it.
    ///
    /// # Errors
    /// [`NotOwner`] if the calling thread does not hold it; nothing is changed.
    fn unlock(&self) -> Result<(), NotOwner>;

    /// Gives the lock up for a guard, which cannot have left its thread: only guards
    /// have the permit.
    fn give_up(&self, permit: Permit);
}
