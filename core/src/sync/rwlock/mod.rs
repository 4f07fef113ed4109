//! Many readers or one writer.

mod guard;
mod mapped;
mod private;
mod shared;

use core::fmt;

pub use guard::{ReadGuard, RwLock, WriteGuard};
pub use mapped::{MappedReadGuard, MappedWriteGuard};
pub use private::RawRwPrivate;
pub use shared::RawRwShared;

use super::{
    futex::{Futex, Private, Scope, Shared},
    owners::Owners,
};

/// A scope in which the backend `F` makes reader-writer locks. [`Private`] and
/// [`Shared`] are the two.
pub trait RwScope<F>: Scope {
    /// The lock.
    type Raw: RwUnlock + fmt::Debug + Send + Sync;
}

impl<F: Futex<Private>> RwScope<F> for Private {
    type Raw = RawRwPrivate<F>;
}

impl<F: Owners> RwScope<F> for Shared {
    type Raw = RawRwShared<F>;
}

/// Where a reader stands in the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u8);

/// Where each reader of a private lock stands.
pub(super) const PRIVATE_TICKET: Ticket = Ticket(0);

/// A reader-writer lock that can be given up.
pub trait RwUnlock {
    /// Gives up what a reader took.
    fn unlock_read(&self, ticket: Ticket);

    /// Gives up what a writer took.
    fn unlock_write(&self);
}
