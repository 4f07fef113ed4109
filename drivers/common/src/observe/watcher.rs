//! One worker's eyes.

use std::hash::{BuildHasher, RandomState};

use farend_core::{
    Verdict,
    port::Observer,
    testers::{Sender, Set, Testers, WAYS},
};

use super::{Observed, Residence, Settings, TesterTable, residence::Waiting};
use crate::clock;

/// Looks on and tells what it learned; `()` does neither and costs nothing.
pub trait Watch: Observer {
    /// Leaves what was learned so far in place of what is there. Call where
    /// statistics are published, not per frame.
    fn report(&mut self, observed: &mut Observed);
}

impl Watch for () {
    fn report(&mut self, _observed: &mut Observed) {}
}

/// Does what the settings ask for. One worker owns one.
#[derive(Debug)]
pub struct Watcher {
    /// When the burst in hand came.
    received_ns: u64,
    residence: Option<(Residence, Waiting)>,
    testers: Option<TesterTable>,
    /// Who sent the frame in hand: a turned one does not tell any more.
    sender: Option<Sender>,
}

impl Watcher {
    /// Makes one that keeps what it learns to itself.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            received_ns: 0,
            residence: settings.residence.then(|| (Residence::default(), Waiting::new())),
            testers: tester_table(settings.testers.0.into()),
            sender: None,
        }
    }
}

/// Room for so many testers or some more; `None` for none.
fn tester_table(testers: usize) -> Option<TesterTable> {
    if testers == 0 {
        return None;
    }
    // Nobody outside can know it, so nobody can choose addresses that meet.
    let seed = RandomState::new().hash_one(0_u8);
    Some(Testers::new(vec![Set::default(); testers.div_ceil(WAYS)].into(), seed))
}

impl Observer for Watcher {
    #[inline]
    fn burst_received(&mut self, _frames: usize) {
        self.received_ns = clock::monotonic_ns();
    }

    #[inline]
    fn received(&mut self, octets: &[u8], _whole_octets: usize) {
        if self.testers.is_some() {
            self.sender = Sender::read(octets);
        }
    }

    #[inline]
    fn judged(&mut self, _octets: &[u8], whole_octets: usize, verdict: Verdict) {
        if let (Some(testers), Some(sender)) = (&mut self.testers, &self.sender) {
            testers.count(sender, verdict, whole_octets, self.received_ns);
        }
        if let (Some((_, waiting)), Verdict::Reflect(kind)) = (&mut self.residence, verdict) {
            waiting.push(kind, self.received_ns);
        }
    }

    #[inline]
    fn burst_transmitted(&mut self, packets: usize) {
        if let Some((residence, waiting)) = &mut self.residence {
            waiting.leave(packets as u64, clock::monotonic_ns(), residence);
        }
    }
}

impl Watch for Watcher {
    fn report(&mut self, observed: &mut Observed) {
        observed.residence = self.residence.as_ref().map(|(residence, _)| residence.clone());
        observed.testers.clone_from(&self.testers);
    }
}
