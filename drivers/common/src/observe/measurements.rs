//! What observers have measured.

pub use farend_control::statistics::Copies;
use farend_core::measure::testers::{Set, Tester, Testers};

use super::Residence;

/// Counts of testers in memory of the heap.
pub type TesterTable = Testers<Box<[Set]>>;

/// What one worker, or several, have learned. Empty where nothing was asked.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// How long frames stayed here.
    pub residence: Option<Residence>,
    /// Who sent them.
    pub testers: Option<TesterTable>,
}

impl Measurements {
    /// Adds what another has learned.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.residence, other.residence.as_ref(), Residence::merge);
        merge(&mut self.testers, other.testers.as_ref(), Testers::merge);
    }
}

fn merge<T: Clone>(mine: &mut Option<T>, theirs: Option<&T>, add: impl FnOnce(&mut T, &T)) {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => add(mine, theirs),
        (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
        (_, None) => {}
    }
}

/// The testers of a table, the busiest first.
pub(crate) fn busiest(table: &TesterTable) -> Vec<&Tester> {
    let mut testers: Vec<_> = table.iter().collect();
    testers.sort_by_key(|tester| {
        (std::cmp::Reverse(tester.tally.reflected_frames), tester.sender.address)
    });
    testers
}

/// What became of frames that were copied elsewhere, over all workers; `None`
/// where that was not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CopyStatistics {
    /// Into the sample file.
    pub sample: Option<Copies>,
    /// Into the tap.
    pub tap: Option<Copies>,
}
