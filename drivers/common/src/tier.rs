//! A way to reflect, behind one small trait.
//!
//! A tier is opened with all privileges, may lose them, is started, and from
//! then on answers questions until it is stopped. One in user space is a worker
//! with a `run` loop; [`Threaded`](crate::threaded::Threaded) makes a tier of it.

use std::fmt;

use farend_core::Policy;

use crate::{failure::Failure, worker::WorkerStatistics};

/// What reflects on one interface, or on some addresses.
pub trait Tier {
    /// Begins to answer, if opening did not.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    fn start(&mut self) -> Result<(), TierError>;

    /// Gets ready to put another policy in force: all that can fail is done
    /// here, and nothing that answers frames changes. What is prepared is for
    /// the next [`replace_policy`](Self::replace_policy) with the same policy,
    /// or for [`abandon_policy`](Self::abandon_policy).
    ///
    /// # Errors
    ///
    /// Why that policy cannot be in force here.
    fn prepare_policy(&mut self, _policy: &Policy) -> Result<(), TierError> {
        Ok(())
    }

    /// Puts another policy in force without losing a frame.
    ///
    /// # Errors
    ///
    /// Why it cannot; the policy before stays in force.
    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError>;

    /// Gives up what was prepared.
    fn abandon_policy(&mut self) {}

    /// What it has done so far.
    ///
    /// # Errors
    ///
    /// The kernel does not give the counters.
    fn statistics(&mut self) -> Result<WorkerStatistics, TierError>;

    /// Why it stopped by itself, if it did.
    fn failure(&mut self) -> Option<TierError>;

    /// Looks after itself; called about once a second. Gives what a person
    /// should know, each thing once.
    fn look_after(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Answers what it holds, lets go of the interface, and gives the final
    /// counts.
    fn stop(&mut self) -> WorkerStatistics;
}

/// The tiers of a driver.
pub trait TierName: Copy + PartialEq + fmt::Debug + 'static {
    /// Those that are tried where none is named, best first.
    const LADDER: &'static [Self];

    /// The name in options, files and statistics.
    fn name(self) -> &'static str;
}

/// Why a tier does not work, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TierError {
    reason: String,
    advice: Option<String>,
}

impl TierError {
    /// A reason that nothing is to be done about here.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), advice: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl std::error::Error for TierError {}

/// Why there is no policy for a tier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PolicyRefusal {
    /// The tier does not go with the settings or with the target; another may.
    Unfit(String),
    /// Settings contradict one another.
    Contradiction(Failure),
}

impl From<PolicyRefusal> for Failure {
    fn from(refusal: PolicyRefusal) -> Self {
        match refusal {
            PolicyRefusal::Unfit(message) => Self::usage(message),
            PolicyRefusal::Contradiction(failure) => failure,
        }
    }
}
