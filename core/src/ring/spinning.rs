//! How long a side looks before it sleeps.
//!
//! Two sides that answer each other can fall into step asleep: to wake one takes
//! longer than the other spins, so the other sleeps too by the time that the answer
//! comes, and so on for ever, although each answer by itself comes fast. A side
//! that has slept therefore spins for longer once, until its peer must be awake;
//! then both meet awake again. If that does not help, the traffic is slow, and to
//! spin for it would be waste: each further try waits for twice as many sleeps.

use crate::sync::SPIN_NS;

/// How long a side spins that wants to meet its peer awake: more than systems take
/// to wake a sleeping thread on another processor, 20 to 40 us in virtual machines.
pub(super) const LONG_SPIN_NS: u64 = 64_000;

/// Most sleeps between two long spins: then they cost less than the sleeps do.
const SLEEPS_BETWEEN_MAX: u32 = 1_023;

/// Messages in a row that came without a sleep, after which the last step asleep
/// is forgotten.
const AWAKE_ENOUGH: u32 = 64;

/// What a side remembers of its waits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spinning {
    is_long_next: bool,
    /// Sleeps until a long spin is due.
    sleeps_to_go: u32,
    /// Sleeps between the last long spin and the next one.
    sleeps_between: u32,
    /// Waits in a row that ended without a sleep.
    awake: u32,
}

impl Spinning {
    /// How long to spin in the wait that begins.
    pub(super) fn spin_ns(&mut self) -> u64 {
        if core::mem::take(&mut self.is_long_next) { LONG_SPIN_NS } else { SPIN_NS }
    }

    /// A wait ended while it spun.
    #[inline(always)]
    pub(super) fn met(&mut self) {
        self.awake = self.awake.saturating_add(1);
        if self.awake == AWAKE_ENOUGH {
            self.sleeps_to_go = 0;
            self.sleeps_between = 0;
        }
    }

    /// A wait came to a sleep.
    pub(super) fn slept(&mut self) {
        self.awake = 0;
        if let Some(sleeps_to_go) = self.sleeps_to_go.checked_sub(1) {
            self.sleeps_to_go = sleeps_to_go;
            return;
        }
        self.is_long_next = true;
        let doubled = self.sleeps_between.saturating_mul(2).saturating_add(1);
        self.sleeps_between = doubled.min(SLEEPS_BETWEEN_MAX);
        self.sleeps_to_go = self.sleeps_between;
    }
}

#[cfg(all(test, not(any(farend_loom, farend_shuttle))))]
mod tests {
    use super::*;

    fn long_spins(spinning: &mut Spinning, sleeps: u32) -> u32 {
        let mut count = 0;
        for _ in 0..sleeps {
            count += u32::from(spinning.spin_ns() == LONG_SPIN_NS);
            spinning.slept();
        }
        count
    }

    #[test]
    fn a_side_that_slept_spins_for_long_once() {
        let mut spinning = Spinning::default();
        assert_eq!(spinning.spin_ns(), SPIN_NS);
        spinning.slept();
        assert_eq!(spinning.spin_ns(), LONG_SPIN_NS);
        assert_eq!(spinning.spin_ns(), SPIN_NS);
    }

    #[test]
    fn traffic_that_stays_slow_is_spun_for_ever_less_often() {
        let mut spinning = Spinning::default();
        assert!(long_spins(&mut spinning, 1_000) <= 10);
        long_spins(&mut spinning, 10_000);
        assert!(long_spins(&mut spinning, 100_000) <= 100_000 / SLEEPS_BETWEEN_MAX + 1);
    }

    #[test]
    fn a_stretch_awake_makes_the_next_sleep_count_as_the_first() {
        let mut spinning = Spinning::default();
        long_spins(&mut spinning, 10_000);
        for _ in 0..AWAKE_ENOUGH {
            spinning.met();
        }
        spinning.spin_ns();
        spinning.slept();
        assert_eq!(spinning.spin_ns(), LONG_SPIN_NS);
    }
}
