//! What was learned by looking on.

use farend_core::testers::{Set, Testers};

use super::Residence;

/// Counts of testers in memory of the heap.
pub type TesterTable = Testers<Box<[Set]>>;

/// What one worker, or several, have learned. Empty where nothing was asked.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// How long frames stayed here.
    pub residence: Option<Residence>,
    /// Who sent them.
    pub testers: Option<TesterTable>,
}

impl Observed {
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
