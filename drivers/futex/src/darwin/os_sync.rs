//! `os_sync_wait_on_address` and its family: public, from macOS 14.4.

use super::{
    time::Timebase,
    wait::{Kernel, Limit},
};

/// `OS_CLOCK_MACH_ABSOLUTE_TIME`, the only clock that is taken.
pub(crate) const CLOCK_MACH_ABSOLUTE_TIME: u32 = 32;
/// `OS_SYNC_WAIT_ON_ADDRESS_SHARED` and `OS_SYNC_WAKE_BY_ADDRESS_SHARED`.
const SHARED: u32 = 1;

/// The flags of every call about a word of that scope: wait and wake must agree.
pub(crate) const fn flags(is_shared: bool) -> u32 {
    if is_shared { SHARED } else { 0 }
}

/// The calls, one to one.
pub(crate) trait Calls {
    /// `mach_absolute_time`.
    fn ticks(&mut self) -> u64;
    /// `mach_timebase_info`.
    fn timebase(&mut self) -> Timebase;
    /// `os_sync_wait_on_address`.
    fn wait(&mut self) -> i32;
    /// `os_sync_wait_on_address_with_deadline`.
    fn wait_with_deadline(&mut self, ticks: u64) -> i32;
    /// Reads the word: is it as expected?
    fn look(&mut self) -> bool;
    /// Sleeps.
    fn nap(&mut self, ns: u64);
    /// Remembers a refusal.
    fn refused(&mut self, errno: i32);
}

/// What the family is to a wait.
#[derive(Debug)]
pub(crate) struct OsSyncKernel<C>(pub(crate) C);

impl<C: Calls> Kernel for OsSyncKernel<C> {
    fn now_ns(&mut self) -> u64 {
        let ticks = self.0.ticks();
        self.0.timebase().elapsed_ns(ticks)
    }

    fn block(&mut self, limit: Option<Limit>) -> i32 {
        match limit {
            None => self.0.wait(),
            // The call with a timeout would do, but for the time between reading
            // the clock and the call. A deadline of 0 would be refused; this one
            // is after now.
            Some(limit) => {
                let ticks = self.0.timebase().first_tick_at(limit.deadline_ns);
                self.0.wait_with_deadline(ticks)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_clock_are_those_of_the_header() {
        assert_eq!([flags(false), flags(true)], [0, 1]);
        assert_eq!(CLOCK_MACH_ABSOLUTE_TIME, 32);
    }
}
