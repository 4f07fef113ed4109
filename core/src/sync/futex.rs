//! What an algorithm needs of a system: a word to wait on, and a clock.

use core::num::NonZeroU32;

use super::primitive::AtomicU32;

/// A deadline that never comes.
pub const NEVER: u64 = u64::MAX;

/// Tells the time.
pub trait Clock {
    /// Nanoseconds since an arbitrary start, on a clock that never goes back.
    fn now_ns() -> u64;
}

/// Who can reach a word: threads of one process, or several processes.
///
/// Sealed: [`Private`] and [`Shared`] are the two.
pub trait Scope: sealed::Sealed + 'static {
    /// Whether several processes can reach the word.
    const IS_SHARED: bool;
}

/// The scope of words that one process alone can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Private {}

/// The scope of words in memory that several processes map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {}

impl Scope for Private {
    const IS_SHARED: bool = false;
}

impl Scope for Shared {
    const IS_SHARED: bool = true;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Private {}
    impl Sealed for super::Shared {}
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Woken, or for no reason, or by a signal, or the word differed.
    Woken,
    /// The deadline is past.
    TimedOut,
}

/// Whether a thread looks again for a while before it blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spin {
    /// Looks for about [`SPIN_NS`](super::SPIN_NS), because the other side often
    /// answers sooner than a system puts a thread to sleep and wakes it.
    Adaptive,
    /// Blocks at once.
    None,
}

/// Blocks threads on words: what an operating system calls futex, ulock or
/// wait-on-address.
///
/// A backend is a type without values, its functions are static: a lock holds no
/// backend and is no larger than its words. Decisions belong to the algorithms;
/// a backend converts and calls.
pub trait Futex<S: Scope>: Clock + 'static {
    /// Whether algorithms spin before they call [`wait`](Self::wait).
    const SPIN: Spin = Spin::Adaptive;

    /// Blocks while `*word == expected`, at most until `deadline_ns` of
    /// [`Clock::now_ns`]. `None` and [`NEVER`] are no deadline.
    ///
    /// Comparing and falling asleep are one step against a wake. May return
    /// [`Waited::Woken`] for no reason; never returns [`Waited::TimedOut`] before
    /// the deadline.
    fn wait(word: &AtomicU32, expected: u32, deadline_ns: Option<u64>) -> Waited;

    /// Wakes one thread that waits on `word`, if there is one.
    ///
    /// The word may be gone already when this is called, because another thread
    /// saw what was stored before: nothing but its address is used.
    fn wake_one(word: &AtomicU32);

    /// Wakes all threads that wait on `word`.
    fn wake_all(word: &AtomicU32);

    /// Who the calling thread is: an id from 1 to [`THREAD_ID_MAX`], unlike that
    /// of any other living thread of the process.
    ///
    /// A private mutex keeps it in its word, where 0 is nobody, so that a thread that
    /// locks twice is told so. Called at each lock: must be cheap.
    fn thread_id() -> NonZeroU32;
}

/// Largest value of [`Futex::thread_id`].
pub const THREAD_ID_MAX: u32 = 0x3FFF_FFFE;
