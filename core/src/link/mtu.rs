//! Which frames a path takes: probing as in RFC 8899, by echo requests with
//! padding.
//!
//! Sizes are those of whole outer packets: IP and UDP headers, the frame's
//! header, payload and tag.

/// The size that every path is taken to carry: IPv6's least (RFC 8200 section
/// 5). A link over less must be told so.
pub const BASE_OCTETS: u16 = 1_280;

/// Probes of one size that must be lost before the size is (RFC 8899 section
/// 5.1.2, `MAX_PROBES`).
const PROBES_MAX: u8 = 3;

/// How near to the true size a search ends.
const PRECISION_OCTETS: u16 = 8;

/// A search for the largest size that passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathMtu {
    /// The largest size that is in use.
    current: u16,
    /// The largest size that is thought of: that of the interface.
    ceiling: u16,
    /// No larger size passes; `ceiling + 1` if none is known to fail.
    failed: u16,
    /// The size asked about.
    probe: u16,
    lost: u8,
}

/// What a probe's fate has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing.
    Same,
    /// Larger frames may be sent.
    Raised,
    /// Only smaller frames pass: a black hole was found.
    Lowered,
}

impl PathMtu {
    /// Begins with the size of the interface, which is to be confirmed.
    #[must_use]
    pub const fn new(ceiling: u16) -> Self {
        let ceiling = if ceiling < BASE_OCTETS { BASE_OCTETS } else { ceiling };
        Self {
            current: ceiling,
            ceiling,
            failed: ceiling.saturating_add(1),
            probe: ceiling,
            lost: 0,
        }
    }

    /// The size in use.
    #[must_use]
    pub const fn octets(&self) -> u16 {
        self.current
    }

    /// The size of the next probe. It is never one that is known to fail.
    #[must_use]
    pub const fn probe_octets(&self) -> u16 {
        self.probe
    }

    /// Whether there is more to be found than a confirmation.
    #[must_use]
    pub const fn is_searching(&self) -> bool {
        self.probe > self.current
    }

    /// A probe of this size was answered.
    pub const fn confirmed(&mut self, octets: u16) -> Outcome {
        if octets != self.probe {
            return Outcome::Same;
        }
        self.lost = 0;
        let outcome = if octets > self.current { Outcome::Raised } else { Outcome::Same };
        if octets > self.current {
            self.current = octets;
        }
        self.probe = self.next_probe();
        outcome
    }

    /// A probe of this size was not answered in time, although small frames
    /// pass.
    pub const fn unanswered(&mut self, octets: u16) -> Outcome {
        if octets != self.probe {
            return Outcome::Same;
        }
        self.lost = self.lost.saturating_add(1);
        if self.lost < PROBES_MAX {
            return Outcome::Same;
        }
        self.refused(octets)
    }

    /// The host itself refuses a packet of this size (`EMSGSIZE`).
    pub const fn refused(&mut self, octets: u16) -> Outcome {
        if octets < self.failed && octets > BASE_OCTETS {
            self.failed = octets;
        }
        self.lost = 0;
        let is_lowered = self.current >= self.failed;
        if is_lowered {
            // At once to what surely passes; the search goes up from there.
            self.current = BASE_OCTETS;
        }
        self.probe = self.next_probe();
        if is_lowered { Outcome::Lowered } else { Outcome::Same }
    }

    /// Forgets what failed, so that a path that has grown is found (RFC 8899
    /// section 5.1.1, `PMTU_RAISE_TIMER`).
    pub const fn try_larger(&mut self) {
        self.failed = self.ceiling.saturating_add(1);
        self.lost = 0;
        self.probe = self.next_probe();
    }

    /// Half way between what passes and what fails, first the ceiling itself.
    const fn next_probe(&self) -> u16 {
        if self.failed > self.ceiling {
            return self.ceiling;
        }
        let distance = self.failed.saturating_sub(self.current);
        if distance <= PRECISION_OCTETS {
            return self.current;
        }
        self.current.saturating_add(distance / 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Probes a path of this size until nothing changes; counts the probes.
    fn probe(mtu: &mut PathMtu, path: u16) -> u32 {
        let mut probes = 0;
        loop {
            let (before, size) = (*mtu, mtu.probe_octets());
            probes += 1;
            if size <= path {
                mtu.confirmed(size)
            } else {
                mtu.unanswered(size)
            };
            if *mtu == before {
                return probes;
            }
        }
    }

    proptest! {
        #[test]
        fn search_ends_just_below_the_path(ceiling in 1_280_u16..9_200, path in 1_280_u16..9_300) {
            let mut mtu = PathMtu::new(ceiling);
            let probes = probe(&mut mtu, path);
            prop_assert!(mtu.octets() <= path && mtu.octets() <= ceiling);
            prop_assert!(path.min(ceiling) - mtu.octets() <= PRECISION_OCTETS);
            prop_assert!(probes < 60, "{probes} probes");
        }

        #[test]
        fn path_that_changes_is_followed(first in 1_280_u16..1_600, second in 1_280_u16..1_600) {
            let mut mtu = PathMtu::new(1_500);
            probe(&mut mtu, first);
            probe(&mut mtu, second);
            prop_assert!(mtu.octets() <= second);
            mtu.try_larger();
            probe(&mut mtu, second);
            prop_assert!(second.min(1_500) - mtu.octets() <= PRECISION_OCTETS);
        }
    }

    #[test]
    fn three_lost_probes_are_a_black_hole_and_two_are_not() {
        let mut mtu = PathMtu::new(1_500);
        assert_eq!(mtu.unanswered(1_500), Outcome::Same);
        assert_eq!(mtu.unanswered(1_500), Outcome::Same);
        assert_eq!(mtu.octets(), 1_500);
        assert_eq!(mtu.unanswered(1_500), Outcome::Lowered);
        assert_eq!(mtu.octets(), BASE_OCTETS);
    }

    #[test]
    fn answers_between_losses_keep_the_size() {
        let mut mtu = PathMtu::new(1_500);
        for _ in 0..10 {
            mtu.unanswered(1_500);
            mtu.unanswered(1_500);
            assert_eq!(mtu.confirmed(1_500), Outcome::Same);
        }
        assert_eq!(mtu.octets(), 1_500);
    }

    #[test]
    fn refused_by_the_host_is_lowered_at_once() {
        let mut mtu = PathMtu::new(9_000);
        assert_eq!(mtu.refused(9_000), Outcome::Lowered);
        assert_eq!(mtu.octets(), BASE_OCTETS);
        assert!(mtu.is_searching());
    }
}
