//! What the kernel answers to a wait or a wake on a word.

/// Darwin's own error numbers, which are not Linux's.
pub(crate) mod errno {
    pub(crate) const ENOENT: i32 = 2;
    pub(crate) const EINTR: i32 = 4;
    pub(crate) const ENOMEM: i32 = 12;
    pub(crate) const EFAULT: i32 = 14;
    pub(crate) const EINVAL: i32 = 22;
    pub(crate) const EDOM: i32 = 33;
    pub(crate) const ETIMEDOUT: i32 = 60;
}

/// What to do after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Woken, or the word differed, or the wake was done.
    Done,
    /// The time of this call is over, which may be less than was asked for.
    TimedOut,
    /// A signal came: call again.
    Interrupted,
    /// The word's page is not in memory, and the kernel cannot fetch it there:
    /// touch it and call again.
    NotResident,
    /// The kernel was short of memory: call again.
    Scarce,
    /// The call is wrong, and will stay so.
    Refused,
}

/// Sorts an answer: not negative, or an error number with the sign changed, as
/// `ULF_NO_ERRNO` makes it.
///
/// # References
/// xnu `bsd/kern/sys_ulock.c`: `sys_ulock_wait2`, `sys_ulock_wake`.
pub(crate) const fn of_answer(answer: i32) -> Outcome {
    if answer >= 0 {
        return Outcome::Done;
    }
    match answer.wrapping_neg() {
        // Nobody waited for the wake.
        errno::ENOENT => Outcome::Done,
        errno::ETIMEDOUT => Outcome::TimedOut,
        errno::EINTR => Outcome::Interrupted,
        errno::EFAULT => Outcome::NotResident,
        errno::ENOMEM => Outcome::Scarce,
        // Among them EDOM: somebody waits on this word by another call or at
        // another size.
        _ => Outcome::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_one_outcome() {
        for answer in [0, 1, 7, i32::MAX, -errno::ENOENT] {
            assert_eq!(of_answer(answer), Outcome::Done);
        }
        assert_eq!(of_answer(-errno::ETIMEDOUT), Outcome::TimedOut);
        assert_eq!(of_answer(-errno::EINTR), Outcome::Interrupted);
        assert_eq!(of_answer(-errno::EFAULT), Outcome::NotResident);
        assert_eq!(of_answer(-errno::ENOMEM), Outcome::Scarce);
        assert_eq!(of_answer(-errno::EDOM), Outcome::Refused);
        assert_eq!(of_answer(-errno::EINVAL), Outcome::Refused);
        // Linux's number for a time-out is not Darwin's.
        assert_eq!(of_answer(-110), Outcome::Refused);
        assert_eq!(of_answer(i32::MIN), Outcome::Refused);
    }
}
