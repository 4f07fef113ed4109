//! What became of the frames, one counter for each outcome.

use crate::{
    Verdict,
    reflect::verdict::{CODES, Class, Code},
};

/// Frames by outcome, and octets of the reflected ones.
///
/// `repr(C)` and all-zero at the start: the kernel program keeps one for each
/// CPU in a map and user space reads it as it is. Sums wrap, after 2^64 frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Counters {
    /// Frames, by [`Verdict::code`].
    pub frames: [u64; CODES],
    /// Octets of reflected frames, Ethernet header in, FCS out.
    pub reflected_octets: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// Nothing counted.
    #[must_use]
    pub const fn new() -> Self {
        Self { frames: [0; CODES], reflected_octets: 0 }
    }

    /// Counts one frame of this length: Ethernet header in, FCS out.
    #[inline(always)]
    pub fn count(&mut self, verdict: Verdict, octets: usize) {
        self.count_code(verdict.into(), octets);
    }

    /// As [`count`](Self::count).
    #[inline(always)]
    pub const fn count_code(&mut self, code: Code, octets: usize) {
        // The mask keeps the index in bounds for the compiler and for the
        // kernel's verifier; every code is below it.
        const { assert!(CODES.is_power_of_two()) };
        let slot = &mut self.frames[code.get() as usize & (CODES - 1)];
        *slot = slot.wrapping_add(1);
        if code.is_reflect() {
            self.reflected_octets = self.reflected_octets.wrapping_add(octets as u64);
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.frames.iter_mut().zip(&other.frames) {
            *mine = mine.wrapping_add(*theirs);
        }
        self.reflected_octets = self.reflected_octets.wrapping_add(other.reflected_octets);
    }

    /// What was counted since `earlier`, of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = *self;
        for (mine, theirs) in difference.frames.iter_mut().zip(&earlier.frames) {
            *mine = mine.wrapping_sub(*theirs);
        }
        difference.reflected_octets = self.reflected_octets.wrapping_sub(earlier.reflected_octets);
        difference
    }

    /// Frames with this outcome.
    #[must_use]
    pub const fn of(&self, verdict: Verdict) -> u64 {
        self.frames[verdict.code() as usize & (CODES - 1)]
    }

    /// Each outcome and its frames, zeros too, in the order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> {
        self.frames
            .iter()
            .zip(0_u8..)
            .filter_map(|(frames, code)| Some((Verdict::from_code(code)?, *frames)))
    }

    /// Frames sent back.
    #[must_use]
    pub fn reflected(&self) -> u64 {
        self.sum(Class::Reflected)
    }

    /// Frames that a service answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.sum(Class::Answered)
    }

    /// Sound frames that were not ours to answer.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.sum(Class::Passed)
    }

    /// Frames of ours that were not answered.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.sum(Class::Dropped)
    }

    /// Broken frames.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.sum(Class::Malformed)
    }

    /// Frames of one class.
    #[must_use]
    pub fn sum(&self, class: Class) -> u64 {
        self.iter()
            .filter(|(verdict, _)| verdict.class() == class)
            .fold(0, |sum, (_, frames)| sum.wrapping_add(frames))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Reason};

    #[test]
    fn every_outcome_is_counted_in_its_own_sum() {
        let mut counters = Counters::new();
        counters.count(Verdict::Reflect(Kind::Any), 60);
        counters.count(Verdict::Reflect(Kind::Probeot), 1514);
        counters.count(Verdict::Refuse(Reason::UdpPort), 60);
        counters.count(Verdict::Refuse(Reason::RateCap), 60);
        counters.count(Verdict::Refuse(Reason::UdpLength), 60);
        assert_eq!(counters.reflected(), 2);
        assert_eq!(counters.reflected_octets, 1574);
        assert_eq!(counters.passed(), 1);
        assert_eq!(counters.dropped(), 1);
        assert_eq!(counters.malformed(), 1);
        assert_eq!(counters.of(Verdict::Refuse(Reason::UdpPort)), 1);
    }

    #[test]
    fn merging_adds_and_since_takes_away_again() {
        let mut one = Counters::new();
        one.count(Verdict::Reflect(Kind::Any), 60);
        let mut two = one;
        two.count(Verdict::Refuse(Reason::Vlan), 60);
        let mut sum = one;
        sum.merge(&two);
        assert_eq!(sum.reflected(), 2);
        assert_eq!(sum.since(&one), two);
    }
}
