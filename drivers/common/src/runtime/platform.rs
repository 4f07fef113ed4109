//! What a system brings to the runtime.

use std::{io, os::fd::BorrowedFd};

use farend_control::status::Link;
use farend_core::Policy;

use crate::{
    arguments::Program,
    event::{Code, Finding},
    failure::Failure,
    observe::ObserverFactory,
    options::Options,
    plan::Plan,
    privileges::Capability,
    tier::{PolicyRefusal, Tier, TierError, TierName},
};

/// How to find targets, open a tier on one, and hear what becomes of it.
pub trait Platform: Sized {
    /// Options that this driver alone has.
    type Options: Options;
    /// Its tiers.
    type Tier: TierName;
    /// What it serves.
    type Target: Target;

    /// What it says of itself.
    const PROGRAM: Program;
    /// Capabilities that opening may need, on systems that have them.
    const OPENING: &'static [Capability] = &[];

    /// Whether it turns frames round, so that options about matching and guards
    /// mean something.
    const IS_REFLECTOR: bool = true;

    /// Begins to listen for changes, so that none is missed from now on.
    ///
    /// # Errors
    ///
    /// The system does not let it.
    fn start() -> io::Result<Self>;

    /// The tier that the user names; `None` to take the best that works.
    fn tier(plan: &Plan<Self>) -> Option<Self::Tier>;

    /// Looks for contradictions between settings.
    ///
    /// # Errors
    ///
    /// The first of them.
    fn check(_plan: &Plan<Self>) -> Result<(), Failure> {
        Ok(())
    }

    /// Finds what the user has named.
    ///
    /// # Errors
    ///
    /// A name that is nothing that could be served.
    fn find(&mut self, plan: &Plan<Self>) -> Result<Vec<Self::Target>, Failure>;

    /// Looks for settings that this target cannot have.
    ///
    /// # Errors
    ///
    /// The first of them.
    fn check_target(&self, _plan: &Plan<Self>, _target: &Self::Target) -> Result<(), Failure> {
        Ok(())
    }

    /// Makes the policy of one target on one tier.
    ///
    /// # Errors
    ///
    /// Settings that contradict one another or the tier.
    fn policy(
        &self,
        plan: &Plan<Self>,
        target: &Self::Target,
        tier: Self::Tier,
    ) -> Result<Policy, PolicyRefusal>;

    /// Why a tier that would open is still not to be chosen where none is
    /// named.
    fn unfit(
        &self,
        _plan: &Plan<Self>,
        _target: &Self::Target,
        _tier: Self::Tier,
    ) -> Option<TierError> {
        None
    }

    /// Whether a tier would open, as far as that is to be known without
    /// touching the target.
    ///
    /// # Errors
    ///
    /// Why it would not.
    fn rehearse(
        &self,
        plan: &Plan<Self>,
        target: &Self::Target,
        tier: Self::Tier,
        policy: &Policy,
    ) -> Result<(), TierError>;

    /// Opens a tier on a target. It answers from its
    /// [`start`](Tier::start) on, at the latest.
    ///
    /// # Errors
    ///
    /// Why it does not work here, and what to do.
    fn open(
        &mut self,
        plan: &Plan<Self>,
        target: &Self::Target,
        tier: Self::Tier,
        policy: &Policy,
        observers: &ObserverFactory,
    ) -> Result<Box<dyn Tier>, TierError>;

    /// What would make a test on this target fail.
    fn findings(
        &self,
        _plan: &Plan<Self>,
        _target: &Self::Target,
        _tier: Self::Tier,
    ) -> Vec<Finding> {
        Vec::new()
    }

    /// What a person may want to know of a target before it is served, for
    /// `--check`; one line each.
    fn forecast(
        &self,
        _plan: &Plan<Self>,
        _target: &Self::Target,
        _tier: Self::Tier,
    ) -> Vec<String> {
        Vec::new()
    }

    /// Whether a tier has MAC addresses at all.
    fn has_mac(_tier: Self::Tier) -> bool {
        true
    }

    /// Capabilities that serving on these tiers needs.
    fn serving(_tiers: &[Self::Tier], _keep: Keep) -> Vec<Capability> {
        Vec::new()
    }

    /// Frames that the target itself has lost, by stable name, since it was
    /// found; `None` if that cannot be told now.
    fn drops(&mut self, _target: &Self::Target) -> Option<Vec<(&'static str, u64)>> {
        None
    }

    /// What becomes readable when a target changes.
    fn waker(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// What became of these targets since the last call, each by its place
    /// here. Never waits.
    ///
    /// # Errors
    ///
    /// The system does not tell any more.
    fn changes(
        &mut self,
        _served: &[&Self::Target],
    ) -> io::Result<Vec<(usize, Change<Self::Target>)>> {
        Ok(Vec::new())
    }
}

/// One thing to serve.
pub trait Target: Clone {
    /// What the user calls it.
    fn name(&self) -> &str;

    /// Index of the interface in the system; 0 if it is none.
    fn index(&self) -> u32 {
        0
    }

    /// The state of the interface; `None` if it is none.
    fn link(&self) -> Option<Link> {
        None
    }
}

/// What serving must still be able to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Reload.
    Reload,
    /// Reload, and stop and start again.
    Restart,
}

/// What became of a target.
#[derive(Clone, Debug)]
pub enum Change<T> {
    /// It is gone, for this reason.
    Gone(String),
    /// It is another now.
    Now {
        /// As it is.
        target: T,
        /// What to tell of it.
        told: Vec<(Code, String)>,
        /// Whether its policy is another; and what to tell once that is in
        /// force.
        policy: Option<String>,
    },
}
