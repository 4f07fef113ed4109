//! One target being served.

use std::time::Instant;

use farend_core::Policy;

use super::{Platform, Target};
use crate::{
    event::Finding,
    observe::ObserverFactory,
    plan::Plan,
    statistics::{InterfaceStatistics, ReadyInterface},
    tier::{Tier, TierError, TierName},
    worker::WorkerStatistics,
};

/// An open tier and what it was opened with.
pub(super) struct Opened<T> {
    /// Which one it is.
    pub(super) name: T,
    /// What it answers.
    pub(super) policy: Policy,
    /// The tier itself.
    pub(super) tier: Box<dyn Tier>,
}

/// A target, the tier that serves it and what it has done.
pub(super) struct Session<P: Platform> {
    /// The name it had at the start, which statistics keep.
    name: String,
    target: P::Target,
    observers: ObserverFactory,
    choice: P::Tier,
    policy: Policy,
    /// `None` while it is stopped.
    tier: Option<Box<dyn Tier>>,
    has_ended: bool,
    /// What was found when it was looked at last.
    found: Vec<Finding>,
    /// What tiers that were stopped have done.
    before: WorkerStatistics,
    last: InterfaceStatistics,
    /// When it stops by itself.
    until: Option<Instant>,
}

impl<P: Platform> Session<P> {
    /// Takes an open tier.
    pub(super) fn new(
        target: P::Target,
        observers: ObserverFactory,
        opened: Opened<P::Tier>,
    ) -> Self {
        let name = target.name().to_owned();
        let last = InterfaceStatistics {
            interface: name.clone(),
            tier: opened.name.name(),
            ..InterfaceStatistics::default()
        };
        Self {
            name,
            target,
            observers,
            choice: opened.name,
            policy: opened.policy,
            tier: Some(opened.tier),
            has_ended: false,
            found: Vec::new(),
            before: WorkerStatistics::default(),
            last,
            until: None,
        }
    }

    /// What the user calls it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is served.
    pub(super) const fn target(&self) -> &P::Target {
        &self.target
    }

    /// What its workers look with.
    pub(super) const fn observers(&self) -> &ObserverFactory {
        &self.observers
    }

    /// By which tier.
    pub(super) const fn choice(&self) -> P::Tier {
        self.choice
    }

    /// What it answers.
    pub(super) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether it answers now.
    pub(super) const fn is_open(&self) -> bool {
        self.tier.is_some()
    }

    /// Whether it will never answer again.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// When it stops by itself.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Lets it stop by itself, or not.
    pub(super) const fn stop_at(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    /// What would make a test fail, when it was looked at last.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.found
    }

    /// Begins to answer.
    pub(super) fn start(&mut self) -> Result<(), TierError> {
        self.tier.as_mut().map_or(Ok(()), |tier| tier.start())
    }

    /// Answers again, by another open tier.
    pub(super) fn restart(&mut self, opened: Opened<P::Tier>) -> Result<(), TierError> {
        let mut tier = opened.tier;
        tier.start()?;
        self.choice = opened.name;
        self.policy = opened.policy;
        self.last.tier = opened.name.name();
        self.tier = Some(tier);
        Ok(())
    }

    /// Takes what is found now; gives what was not found before.
    pub(super) fn new_findings(&mut self, found: Vec<Finding>) -> Vec<Finding> {
        let new = found.iter().filter(|one| !self.found.contains(one)).cloned().collect();
        self.found = found;
        new
    }

    /// What to say when it answers.
    pub(super) fn ready(&self, plan: &Plan<P>) -> ReadyInterface {
        ReadyInterface {
            interface: self.name.clone(),
            tier: self.choice.name(),
            policy: self.policy.clone(),
            settings: plan.settings.clone(),
            has_mac: P::has_mac(self.choice),
            is_reflector: P::IS_REFLECTOR,
        }
    }

    /// Gets ready for a policy, be it the same: the target may have changed
    /// meanwhile, as by an address that came.
    pub(super) fn prepare(&mut self, policy: &Policy) -> Result<(), TierError> {
        self.tier.as_mut().map_or(Ok(()), |tier| tier.prepare_policy(policy))
    }

    /// Gives up what was prepared.
    pub(super) fn abandon(&mut self) {
        if let Some(tier) = &mut self.tier {
            tier.abandon_policy();
        }
    }

    /// Puts a policy in force that was prepared.
    pub(super) fn commit(&mut self, policy: Policy) -> Result<(), TierError> {
        if let Some(tier) = &mut self.tier {
            tier.replace_policy(&policy)?;
        }
        self.policy = policy;
        Ok(())
    }

    /// What it has done so far; the last that is known, while it is stopped.
    pub(super) fn statistics(&mut self, platform: &mut P) -> InterfaceStatistics {
        if let Some(tier) = &mut self.tier {
            if let Ok(worker) = tier.statistics() {
                self.last.worker = self.before.clone();
                self.last.worker.merge(&worker);
            }
            self.read_drops(platform);
        }
        self.last.clone()
    }

    /// Why it stopped by itself, if it did.
    pub(super) fn failure(&mut self) -> Option<TierError> {
        self.tier.as_mut().and_then(|tier| tier.failure())
    }

    /// Lets the tier look after itself; gives what a person should know.
    pub(super) fn look_after(&mut self) -> Vec<String> {
        self.tier.as_mut().map_or_else(Vec::new, |tier| tier.look_after())
    }

    /// Answers what it holds and lets go of the target.
    pub(super) fn stop(&mut self, platform: &mut P) {
        if let Some(mut tier) = self.tier.take() {
            self.before.merge(&tier.stop());
            self.last.worker = self.before.clone();
            self.read_drops(platform);
        }
    }

    /// Stops for good.
    pub(super) fn end(&mut self, platform: &mut P) {
        self.has_ended = true;
        self.stop(platform);
    }

    fn read_drops(&mut self, platform: &mut P) {
        if let Some(drops) = platform.drops(&self.target) {
            self.last.interface_drops = drops;
        }
    }

    /// Takes over what has become of the target.
    pub(super) fn update_target(&mut self, now: P::Target) {
        self.target = now;
    }
}
