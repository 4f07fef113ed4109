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
//! `docs/sync.md` has the state tables.

pub mod futex;
pub mod owners;
pub mod primitive;

pub use futex::{Clock, Futex, NEVER, Private, Scope, Shared, Spin, THREAD_ID_MAX, Waited};
pub use owners::{NoOwner, OWNER_DIED, OWNER_ID_MASK, Owners, Permit, WAITERS};

/// How long a thread spins before it blocks.
pub const SPIN_NS: u64 = 2_000;
