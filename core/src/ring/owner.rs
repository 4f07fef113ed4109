//! Who has a part of a ring, and whether they still live.
#![expect(unsafe_code, reason = "a promise about processes, on which lent memory rests")]

use core::fmt;

use super::Error;
use crate::sync::primitive::{AtomicU32, AtomicU64, Ordering};

/// A process, in one word: its id and the end of its start time, so that a later
/// process with the same id is another owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner(u64);

impl Owner {
    /// Nobody, ever.
    pub const NOBODY: Self = Self(0);

    /// Nobody any more: the last owner gave its part back.
    pub const LEFT: Self = Self(1 << 32);

    /// The process `pid` (not 0) that was started at `start`, in any unit that
    /// all processes of the system agree on.
    #[must_use]
    pub fn new(pid: u32, start: u32) -> Self {
        Self((u64::from(start) << 32) | u64::from(pid))
    }

    /// The process id; 0 of nobody.
    #[must_use]
    pub fn pid(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// The start time that [`new`](Self::new) was given.
    #[must_use]
    pub fn start(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(0)
    }

    /// Whether this is a process, alive or dead.
    #[must_use]
    pub fn is_process(self) -> bool {
        self.pid() != 0
    }

    /// The word that stands for this owner in a ring.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.0
    }

    /// The owner that a ring's word stands for.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Owner {{ pid: {}, start: {} }}", self.pid(), self.start())
    }
}

/// Knows processes. A type without values, as the backends of
/// [`Futex`](crate::sync::Futex) are.
///
/// # Safety
/// A ring lends its memory to one owner of each part at a time, and goes by this
/// trait. [`be_ordered`](Self::be_ordered) says "yes" only if the barrier of every
/// `order_others` that says "yes" reaches this process. [`me`](Self::me) is a process ([`Owner::is_process`]) and no other that
/// lives; [`is_alive`](Self::is_alive) says "no" only of an owner that touches the
/// ring no more.
pub unsafe trait Liveness: 'static {
    /// The calling process.
    fn me() -> Owner;

    /// Whether a process lives. Says "yes" when in doubt: what a living process
    /// has must not be taken away.
    fn is_alive(owner: Owner) -> bool;

    /// Lets the barriers of others ([`order_others`](Self::order_others)) reach the
    /// calling process from now on; whether they do. Then this process wakes peers
    /// without ordering its own accesses, which is much cheaper.
    #[must_use]
    fn be_ordered() -> bool {
        false
    }

    /// Runs a full barrier in all threads of all processes that are
    /// [ordered](Self::be_ordered): each of their accesses comes before or after it.
    /// Whether that was done, or nobody can be ordered. If not, whoever waits sleeps for
    /// a slice at a time.
    #[must_use]
    fn order_others() -> bool {
        false
    }

    /// Calls `sleep`, which sleeps while `word` stays as it is. If one of `owners` ends
    /// meanwhile, or has ended before, `word` is changed and who sleeps on it is woken;
    /// `sleep` is told whether that holds for all of them. May return without having
    /// called it, if one of them has ended.
    fn watched(owners: impl Iterator<Item = Owner>, word: &AtomicU32, sleep: impl FnOnce(bool)) {
        let _nobody_watches = (owners, word);
        sleep(false);
    }
}

/// For rings that do not leave their process: whoever asks lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameProcess {}

// SAFETY: there is one owner, and it never dies.
unsafe impl Liveness for SameProcess {
    fn me() -> Owner {
        Owner::new(1, 0)
    }

    fn is_alive(_owner: Owner) -> bool {
        true
    }
}

/// A word that says who has a part of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'m>(pub(super) &'m AtomicU64);

impl Claim<'_> {
    /// Takes the part for the calling process: one compare-and-swap, so nobody
    /// unknown ever has it. What a dead process had is free.
    pub(super) fn take<L: Liveness>(self) -> Result<(), Error> {
        let found = self.owner();
        if found.is_process() && L::is_alive(found) {
            return Err(Error::Taken(found));
        }
        self.replace(found, L::me()).map_err(Error::Taken)
    }

    /// Whether the calling process has the part: not so in a forked child of the
    /// process that took it.
    pub(super) fn is_own<L: Liveness>(self) -> bool {
        self.owner() == L::me()
    }

    /// As [`is_own`](Self::is_own).
    ///
    /// # Errors
    /// [`Error::Taken`] by the process that has the part instead.
    pub(super) fn check_own<L: Liveness>(self) -> Result<(), Error> {
        let owner = self.owner();
        if owner == L::me() { Ok(()) } else { Err(Error::Taken(owner)) }
    }

    /// Gives the part back, unless it was taken away meanwhile.
    pub(super) fn leave<L: Liveness>(self) {
        let _taken_away = self.replace(L::me(), Owner::LEFT);
    }

    /// Replaces one owner by another; gives the one found if it was a third.
    pub(super) fn replace(self, old: Owner, new: Owner) -> Result<(), Owner> {
        // AcqRel: what the last owner wrote has happened before.
        self.0
            .compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(Owner)
    }

    /// Who has the part.
    pub(super) fn owner(self) -> Owner {
        Owner(self.0.load(Ordering::Acquire))
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    use super::*;

    enum OnlyTheSecondLives {}

    // SAFETY: no ring is made with it.
    unsafe impl Liveness for OnlyTheSecondLives {
        fn me() -> Owner {
            Owner::new(2, 7)
        }

        fn is_alive(owner: Owner) -> bool {
            owner == Self::me()
        }
    }

    #[test]
    fn a_living_owner_keeps_its_part_and_a_dead_one_loses_it() {
        let word = AtomicU64::new(0);
        let claim = Claim(&word);
        assert_eq!(claim.take::<SameProcess>(), Ok(()));
        assert_eq!(claim.take::<SameProcess>(), Err(Error::Taken(Owner::new(1, 0))));
        assert_eq!(claim.take::<OnlyTheSecondLives>(), Ok(()));
        assert_eq!(claim.take::<OnlyTheSecondLives>(), Err(Error::Taken(Owner::new(2, 7))));
    }

    #[test]
    fn only_the_owner_gives_a_part_back() {
        let word = AtomicU64::new(Owner::new(2, 7).to_word());
        Claim(&word).leave::<SameProcess>();
        assert_eq!(Claim(&word).owner(), Owner::new(2, 7));
        Claim(&word).leave::<OnlyTheSecondLives>();
        assert_eq!(Claim(&word).owner(), Owner::LEFT);
        assert!(!Owner::LEFT.is_process() && !Owner::NOBODY.is_process());
    }

    #[test]
    fn who_runs_no_barrier_does_not_say_so() {
        // Others may ring its bells by a look alone.
        assert!(!OnlyTheSecondLives::be_ordered() && !OnlyTheSecondLives::order_others());
        assert!(!SameProcess::be_ordered() && !SameProcess::order_others());
    }

    #[test]
    fn the_same_pid_with_another_start_is_another_owner() {
        assert_ne!(Owner::new(2, 7), Owner::new(2, 8));
        assert_eq!(Owner::new(2, 7).pid(), 2);
        assert_eq!(Owner::new(2, 7).start(), 7);
    }
}
