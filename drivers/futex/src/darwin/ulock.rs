//! `__ulock_wait2` and its family: private to Apple, from macOS 10.12.
//!
//! # References
//! xnu `bsd/sys/ulock.h`, `bsd/kern/sys_ulock.c`.

use core::num::NonZeroU64;

use super::{
    outcome::errno,
    wait::{Kernel, Limit},
};

/// Compares 32 bits, within one process.
const UL_COMPARE_AND_WAIT: u32 = 1;
/// Compares 32 bits in memory that processes share; macOS 10.15.
const UL_COMPARE_AND_WAIT_SHARED: u32 = 3;
/// Wakes all instead of one.
const ULF_WAKE_ALL: u32 = 0x0000_0100;
/// Answers the negated error number instead of setting `errno`.
const ULF_NO_ERRNO: u32 = 0x0100_0000;

/// The operation of every call about a word of that scope: wait and wake must
/// agree.
pub(crate) const fn operation(is_shared: bool) -> u32 {
    let operation = if is_shared { UL_COMPARE_AND_WAIT_SHARED } else { UL_COMPARE_AND_WAIT };
    operation | ULF_NO_ERRNO
}

/// The operation of a wake.
pub(crate) const fn wake_operation(is_shared: bool, is_all: bool) -> u32 {
    operation(is_shared) | if is_all { ULF_WAKE_ALL } else { 0 }
}

/// Whether the answer to a wake of a word that nobody waits on means that the
/// kernel knows the operation.
pub(crate) const fn is_known(answer: i32) -> bool {
    answer != -errno::EINVAL
}

/// The calls, one to one. A timeout of 0 would mean "for ever" and is therefore
/// written `None` down to here.
pub(crate) trait Calls {
    /// Nanoseconds on the clock of the deadlines.
    fn now_ns(&mut self) -> u64;
    /// Whether the kernel has `__ulock_wait2`: macOS 11.
    fn has_wait2(&mut self) -> bool;
    /// `__ulock_wait2`.
    fn wait2(&mut self, timeout_ns: u64) -> i32;
    /// `__ulock_wait`.
    fn wait(&mut self, timeout_us: u32) -> i32;
    /// Reads the word: is it as expected?
    fn look(&mut self) -> bool;
    /// Sleeps.
    fn nap(&mut self, ns: u64);
    /// Remembers a refusal.
    fn refused(&mut self, errno: i32);
}

/// What the family is to a wait.
#[derive(Debug)]
pub(crate) struct UlockKernel<C>(pub(crate) C);

impl<C: Calls> Kernel for UlockKernel<C> {
    fn now_ns(&mut self) -> u64 {
        self.0.now_ns()
    }

    fn block(&mut self, limit: Option<Limit>) -> i32 {
        let remaining_ns = limit.map(|limit| limit.remaining_ns);
        if self.0.has_wait2() {
            self.0.wait2(remaining_ns.map_or(FOR_EVER_NS, NonZeroU64::get))
        } else {
            self.0.wait(remaining_ns.map_or(FOR_EVER_US, timeout_us))
        }
    }

    fn look(&mut self) -> bool {
        self.0.look()
    }

    fn nap(&mut self, ns: u64) {
        self.0.nap(ns);
    }

    fn refused(&mut self, errno: i32) {
        self.0.refused(errno);
    }
}

const FOR_EVER_NS: u64 = 0;
const FOR_EVER_US: u32 = 0;

/// Microseconds, rounded up and so never 0; at most what 32 bits hold, which is
/// 71.6 minutes. Whoever wants to wait longer calls again.
fn timeout_us(remaining_ns: NonZeroU64) -> u32 {
    u32::try_from(remaining_ns.get().div_ceil(1_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_rounded_up_and_never_for_ever() {
        let us = |ns| timeout_us(NonZeroU64::new(ns).unwrap());
        assert_eq!([us(1), us(999), us(1_000), us(1_001)], [1, 1, 1, 2]);
        assert_eq!(us(u64::from(u32::MAX) * 1_000), u32::MAX);
        assert_eq!(us(u64::from(u32::MAX) * 1_000 + 1), u32::MAX);
        assert_eq!(us(u64::MAX), u32::MAX);
    }

    #[test]
    fn operations_are_those_of_the_kernel() {
        assert_eq!(operation(false), 0x0100_0001);
        assert_eq!(operation(true), 0x0100_0003);
        assert_eq!(wake_operation(false, false), 0x0100_0001);
        assert_eq!(wake_operation(true, true), 0x0100_0103);
    }

    #[test]
    fn a_kernel_before_10_15_does_not_know_the_shared_operation() {
        assert!(is_known(0));
        assert!(is_known(-errno::ENOENT));
        assert!(!is_known(-errno::EINVAL));
    }
}
