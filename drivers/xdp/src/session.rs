//! One target being served.

use farend_core::Policy;
use farend_driver::statistics::{InterfaceStatistics, ReadyInterface};

#[cfg(target_os = "linux")]
use crate::interface::{Drops, Interface, Rtnetlink};
use crate::{
    target::Target,
    tier::{Opened, Tier, TierChoice, TierError},
};

/// A target, the tier that serves it and what it has done.
pub(crate) struct Session {
    /// The name it had at the start, which statistics keep.
    name: String,
    target: Target,
    choice: TierChoice,
    policy: Policy,
    /// `None` once it has ended.
    tier: Option<Box<dyn Tier>>,
    last: InterfaceStatistics,
    #[cfg(target_os = "linux")]
    drops_before: Drops,
}

impl Session {
    /// Takes an open tier.
    #[must_use]
    pub(crate) fn new(target: Target, opened: Opened) -> Self {
        let name = target.name().to_owned();
        let last = InterfaceStatistics {
            interface: name.clone(),
            tier: opened.choice.name(),
            ..InterfaceStatistics::default()
        };
        Self {
            name,
            #[cfg(target_os = "linux")]
            drops_before: match &target {
                Target::Interface(interface) => interface.drops,
                Target::Addresses { .. } => Drops::default(),
            },
            target,
            choice: opened.choice,
            policy: opened.policy,
            tier: Some(opened.tier),
            last,
        }
    }

    /// What the user calls it.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What is served.
    #[must_use]
    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// By which tier.
    #[must_use]
    pub(crate) const fn choice(&self) -> TierChoice {
        self.choice
    }

    /// Whether it still answers.
    #[must_use]
    pub(crate) const fn is_open(&self) -> bool {
        self.tier.is_some()
    }

    /// Begins to answer.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub(crate) fn start(&mut self) -> Result<(), TierError> {
        self.tier.as_mut().map_or(Ok(()), |tier| tier.start())
    }

    /// What to say when it answers.
    #[must_use]
    pub(crate) fn ready(&self) -> ReadyInterface {
        ReadyInterface {
            interface: self.name.clone(),
            tier: self.choice.name(),
            policy: self.policy.clone(),
            has_mac: self.choice != TierChoice::Udp,
        }
    }

    /// Puts another policy in force, if it is another.
    ///
    /// # Errors
    ///
    /// Why it cannot; the policy before stays in force.
    pub(crate) fn replace_policy(&mut self, policy: Policy) -> Result<(), TierError> {
        if policy == self.policy {
            return Ok(());
        }
        if let Some(tier) = &mut self.tier {
            tier.replace_policy(&policy)?;
        }
        self.policy = policy;
        Ok(())
    }

    /// What it has done so far; the last that is known, once it has ended.
    pub(crate) fn statistics(&mut self) -> InterfaceStatistics {
        if let Some(tier) = &mut self.tier {
            if let Ok(worker) = tier.statistics() {
                self.last.worker = worker;
            }
            self.read_drops();
        }
        self.last.clone()
    }

    /// Why it stopped by itself, if it did.
    pub(crate) fn failure(&mut self) -> Option<TierError> {
        self.tier.as_mut().and_then(|tier| tier.failure())
    }

    /// Lets the tier look after itself; gives what a person should know.
    pub(crate) fn look_after(&mut self) -> Vec<String> {
        self.tier.as_mut().map_or_else(Vec::new, |tier| tier.look_after())
    }

    /// Answers what it holds and lets go of the target.
    pub(crate) fn stop(&mut self) {
        if let Some(mut tier) = self.tier.take() {
            self.last.worker = tier.stop();
            self.read_drops();
        }
    }

    #[cfg(target_os = "linux")]
    fn read_drops(&mut self) {
        let Target::Interface(interface) = &self.target else { return };
        let now = Rtnetlink::open().and_then(|mut rtnetlink| rtnetlink.by_index(interface.index));
        if let Ok(Some(now)) = now {
            self.last.interface_drops = now.drops.since(&self.drops_before);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read_drops(&mut self) {}

    /// The interface, if it serves one.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub(crate) fn interface(&self) -> Option<&Interface> {
        match &self.target {
            Target::Interface(interface) => Some(interface),
            Target::Addresses { .. } => None,
        }
    }

    /// Takes over what has become of the interface.
    #[cfg(target_os = "linux")]
    pub(crate) fn update_interface(&mut self, now: Interface) {
        self.target = Target::Interface(Box::new(now));
    }
}
