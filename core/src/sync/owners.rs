//! Whose a process-shared lock is, and what becomes of it if they die.
#![expect(unsafe_code, reason = "a promise about owners, on which every shared lock rests")]

use core::fmt;

use zerocopy::FromBytes;

use super::{
    futex::{Futex, Shared},
    primitive::AtomicU32,
};

/// Bit of a lock's word: somebody may sleep on it.
pub const WAITERS: u32 = 0x8000_0000;
/// Bit of a lock's word: an owner died and left the data as it was.
pub const OWNER_DIED: u32 = 0x4000_0000;
/// The bits of a lock's word that hold the owner's id; 0 is nobody.
pub const OWNER_ID_MASK: u32 = 0x3FFF_FFFF;

/// Why a thread cannot own process-shared locks now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoOwner {
    /// The system offers nothing by which others would learn of its death.
    Unsupported,
    /// The process has not joined a registry of owners.
    NotJoined,
    /// The registry has no free slot.
    Full,
    /// The thread holds as many locks as the system looks after when it ends.
    TooManyLocks,
    /// The process was forked into another namespace of process ids, where those of its
    /// locks' owners mean others.
    OtherNamespace,
}

impl fmt::Display for NoOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unsupported => {
                "this system cannot tell others of a lock owner's death: use a registry of owners"
            }
            Self::NotJoined => "the process has not joined a registry of lock owners: join one",
            Self::Full => "the registry of lock owners is full: end processes that use it",
            Self::TooManyLocks => {
                "the thread holds as many locks between processes as the system looks after"
            }
            Self::OtherNamespace => {
                "the process was forked into another pid namespace than its parent uses locks \
                 in: start a program there that maps them anew"
            }
        })
    }
}

impl core::error::Error for NoOwner {}

/// What only this crate's locks can make: proof that a hook of [`Owners`] is
/// called in its place, about a lock that stays where it is while it is held, or that a
/// lock is given up by its guard.
#[derive(Debug, Clone, Copy)]
pub struct Permit(());

impl Permit {
    /// Only for locks whose constructors demand that they stay in their place.
    pub(super) const GRANTED: Self = Self(());
}

/// Who owns process-shared locks, and how others learn of an owner's death.
///
/// The owner's id is in the lock's word itself and gets there by the one
/// compare-and-swap that takes the lock, so there is no moment in which a lock is
/// held by nobody known. Two kinds of backend fit:
///
/// - *The system cleans up* (Linux's robust list): [`LIVENESS_SLICE_NS`] is
///   `None`. When a thread dies, the system finds the locks it held by what
///   [`begin`], [`link`] and [`unlink`] left it, takes the id out of each word,
///   sets [`OWNER_DIED`] and wakes a waiter. Waiters ask [`is_alive`] seldom, for
///   deaths that the system missed.
/// - *Waiters look* (a registry of owners): nobody cleans up, so waiters wake
///   after each slice and ask [`is_alive`] about the id in the word. The hooks
///   do nothing. An id must not be given to another owner while a word may still
///   hold it: ids carry a generation.
///
/// The hooks are called in the order `begin`, `link`, `end` around taking a lock,
/// and `begin`, `unlink`, `end` around giving it up, always by the thread that
/// owns or is about to own the lock. If the lock is not taken after all, `link`
/// is left out.
///
/// [`LIVENESS_SLICE_NS`]: Self::LIVENESS_SLICE_NS
/// [`begin`]: Self::begin
/// [`link`]: Self::link
/// [`unlink`]: Self::unlink
/// [`is_alive`]: Self::is_alive
///
/// # Safety
/// That one owner at a time has what a lock guards rests on this trait:
/// - [`id`](Self::id) is in its range, and the same as that of no other thread that
///   lives and uses the same locks.
/// - [`is_alive`] says "no", and [`is_known_dead`](Self::is_known_dead) "yes", only of
///   an owner that touches the lock no more, and whose stores the caller then sees; so
///   does the system that takes an id out of a word.
/// - The hooks write to the node and to what is the backend's own, and to nothing
///   else. A node may be left as an owner that died had it.
pub unsafe trait Owners: Futex<Shared> {
    /// What the backend keeps in each lock for itself, written by the owner only.
    /// All-zero is its state in a lock that nobody holds.
    type Node: FromBytes + Send + Sync + 'static;

    /// What is to be known of the calling thread during one operation; fetched
    /// again for the next one, so that a fork in between is noticed.
    type Caller: Copy;

    /// How long a waiter sleeps before it asks whether the owner lives. `None`
    /// if the system wakes it when the owner dies: it asks each 0.1 s then.
    const LIVENESS_SLICE_NS: Option<u64>;

    /// An unused node, all-zero.
    const UNUSED: Self::Node;

    /// Makes the calling thread known, if it is not yet.
    ///
    /// # Errors
    /// [`NoOwner`] if its death could not be told to others.
    fn caller() -> Result<Self::Caller, NoOwner>;

    /// The id that stands in the words of locks that the caller owns: 1 to
    /// [`THREAD_ID_MAX`](super::THREAD_ID_MAX).
    fn id(caller: Self::Caller) -> u32;

    /// Whether the caller can own one more lock.
    ///
    /// # Errors
    /// [`NoOwner::TooManyLocks`] if others would not learn of its death then.
    fn has_room(_caller: Self::Caller) -> Result<(), NoOwner> {
        Ok(())
    }

    /// Says that the caller is about to take, or to give up, the lock of `node`.
    fn begin(caller: Self::Caller, node: &Self::Node, permit: Permit);

    /// Adds the lock of `node` to those that the caller holds.
    fn link(caller: Self::Caller, node: &Self::Node, permit: Permit);

    /// Removes the lock of `node` from those that the caller holds.
    fn unlink(caller: Self::Caller, node: &Self::Node, permit: Permit);

    /// Says that what [`begin`](Self::begin) announced is over.
    fn end(caller: Self::Caller, permit: Permit);

    /// Among which owners an id is unique, where that is not the system's to say: a number
    /// that all processes which share a lock must find the same. 0 if the ids are the
    /// system's own.
    ///
    /// # Errors
    /// [`NoOwner`] if the calling process has no part in any.
    fn realm() -> Result<u64, NoOwner> {
        Ok(0)
    }

    /// Whether the owner of this id lives. Asked only after a slice has passed.
    /// Says "yes" when in doubt: a living owner's lock must not be taken away.
    fn is_alive(id: u32) -> bool;

    /// Whether the owner of this id is known to be dead already, as far as that can be
    /// said at once. Asked by whoever does not wait or is about to, perhaps again and
    /// again: a backend that must ask the system for it does so seldom, and says "no"
    /// in between.
    #[must_use]
    fn is_known_dead(_id: u32) -> bool {
        false
    }

    /// Tells a registry that a waiter took `word` over from the dead owner `id`.
    fn recovered(_word: &AtomicU32, _id: u32) {}
}
