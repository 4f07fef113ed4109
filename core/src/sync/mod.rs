//! Locks and signals that block, without an operating system in them.
//!
//! An algorithm is written once, over [`Futex`]: a word that can be waited on.
//! What blocks, which clock counts and who is dead is a backend's to know, and
//! backends are outside this crate. A backend is a type, not a value: locks hold
//! none and stay as small as their words.
//!
//! The scope stands in the type: [`Private`] for threads of one process,
//! [`Shared`] for memory that several processes map. In both, all-zero memory
//! is the valid unlocked state, so memory fresh from the system needs no
//! further step.
//!
//! Each call that waits comes in four forms: `x` waits for ever, `try_x` not at
//! all, `x_for` for a [`Duration`](core::time::Duration), `x_until` until a [`Deadline`]
//! of the backend's clock. A call never gives up early.
//!
//! `docs/sync.md` has the state tables.

mod auto_reset;
mod barrier;
mod condvar;
mod deadline;
mod error;
mod event;
pub mod futex;
mod layout;
#[cfg(all(feature = "lock_api", not(any(farend_loom, farend_shuttle))))]
mod lock_api;
#[cfg(any(farend_loom, farend_shuttle))]
pub mod model;
mod mutex;
mod once;
pub mod owners;
mod patience;
pub mod primitive;
mod rwlock;
mod seeded;
mod semaphore;

pub use auto_reset::AutoResetEvent;
pub use barrier::Barrier;
pub use condvar::Condvar;
pub use deadline::Deadline;
pub use error::{LockError, NotOwner, Overflow, Refused, TimedOut};
pub use event::Event;
pub use futex::{Clock, Futex, NEVER, Private, Scope, Shared, Spin, THREAD_ID_MAX, Waited};
pub use layout::SharedLayout;
pub use mutex::{
    MappedMutexGuard, Mutex, MutexGuard, MutexScope, RawMutex, RawPrivate, RawShared, Taken, Unlock,
};
pub use once::Once;
pub use owners::{NoOwner, OWNER_DIED, OWNER_ID_MASK, Owners, Permit, WAITERS};
pub use patience::SPIN_NS;
pub use rwlock::{
    MappedReadGuard, MappedWriteGuard, RawRwPrivate, RawRwShared, ReadGuard, RwLock, RwScope,
    RwUnlock, Ticket, WriteGuard,
};
pub use semaphore::Semaphore;
