//! What Linux brings to the runtime. Elsewhere it has plain sockets alone.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, BorrowedFd};

use farend_core::Policy;
use farend_driver::{
    arguments::Program,
    failure::Failure,
    observe::ObserverFactory,
    runtime::Platform,
    tier::{PolicyRefusal, Tier, TierError},
};
#[cfg(target_os = "linux")]
use farend_driver::{
    event::Finding,
    privileges::Capability,
    runtime::{Change, Keep},
};

use crate::{
    arguments::{PROGRAM, XdpOptions},
    plan::{self, Plan},
    target::Target,
    tier::{self, TierChoice},
};
#[cfg(target_os = "linux")]
use crate::{
    interface::Rtnetlink,
    monitor::{self, Monitor},
    tier::xdp::CAPABILITIES,
};

/// Serves network interfaces of Linux.
#[derive(Debug)]
pub struct Xdp {
    #[cfg(target_os = "linux")]
    monitor: Monitor,
}

impl Platform for Xdp {
    type Options = XdpOptions;
    type Tier = TierChoice;
    type Target = Target;

    const PROGRAM: Program = PROGRAM;

    #[cfg(target_os = "linux")]
    const OPENING: &'static [Capability] = &[
        // Programs and links.
        Capability::NET_ADMIN,
        Capability::BPF,
        Capability::PERFMON,
        Capability::NET_RAW,
        Capability::NET_BIND_SERVICE,
        // Frame memory of AF_XDP beyond the limit of locked memory.
        Capability::IPC_LOCK,
        // To name a program of somebody else and find its bpf link.
        Capability::SYS_ADMIN,
    ];

    #[cfg(target_os = "linux")]
    fn start() -> io::Result<Self> {
        Ok(Self { monitor: Monitor::start()? })
    }

    #[cfg(not(target_os = "linux"))]
    fn start() -> io::Result<Self> {
        Ok(Self {})
    }

    fn tier(plan: &Plan) -> Option<TierChoice> {
        Some(plan.own.tier).filter(|tier| *tier != TierChoice::Auto)
    }

    fn check(plan: &Plan) -> Result<(), Failure> {
        plan::check(plan)
    }

    fn find(&mut self, plan: &Plan) -> Result<Vec<Target>, Failure> {
        Target::find_all(&plan.targets, plan.own.tier)
    }

    fn check_target(&self, plan: &Plan, target: &Target) -> Result<(), Failure> {
        tier::check_af_xdp(plan, target)
    }

    fn policy(
        &self,
        plan: &Plan,
        target: &Target,
        tier: TierChoice,
    ) -> Result<Policy, PolicyRefusal> {
        tier::policy(plan, target, tier)
    }

    fn unfit(&self, plan: &Plan, target: &Target, tier: TierChoice) -> Option<TierError> {
        tier::unfit(plan, target, tier)
    }

    fn rehearse(
        &self,
        plan: &Plan,
        target: &Target,
        tier: TierChoice,
        policy: &Policy,
    ) -> Result<(), TierError> {
        tier::rehearse(plan, target, tier, policy)
    }

    fn open(
        &mut self,
        plan: &Plan,
        target: &Target,
        tier: TierChoice,
        policy: &Policy,
        observers: &ObserverFactory,
    ) -> Result<Box<dyn Tier>, TierError> {
        tier::open(plan, target, observers, tier, policy)
    }

    #[cfg(target_os = "linux")]
    fn findings(&self, plan: &Plan, target: &Target, tier: TierChoice) -> Vec<Finding> {
        let Some(interface) = target.interface() else { return Vec::new() };
        crate::doctor::examine(interface, tier, &plan.settings)
    }

    #[cfg(target_os = "linux")]
    fn forecast(&self, plan: &Plan, target: &Target, tier: TierChoice) -> Vec<String> {
        tier::forecast(plan, target, tier)
    }

    fn has_mac(tier: TierChoice) -> bool {
        tier != TierChoice::Udp
    }

    #[cfg(target_os = "linux")]
    fn serving(tiers: &[TierChoice], keep: Keep) -> Vec<Capability> {
        let mut kept = Vec::new();
        // A reload loads another program.
        if tiers.iter().any(|tier| *tier != TierChoice::Udp) {
            kept.extend(CAPABILITIES);
        }
        // Queues that an interface gets later need sockets and memory; so does
        // a tier that is opened again.
        let is_reopened = keep == Keep::Restart && tiers.contains(&TierChoice::AfPacket);
        if tiers.contains(&TierChoice::AfXdp) || is_reopened {
            kept.extend([Capability::NET_RAW, Capability::IPC_LOCK]);
        }
        if keep == Keep::Restart && tiers.contains(&TierChoice::Udp) {
            kept.push(Capability::NET_BIND_SERVICE);
        }
        kept
    }

    #[cfg(target_os = "linux")]
    fn drops(&mut self, target: &Target) -> Option<Vec<(&'static str, u64)>> {
        let interface = target.interface()?;
        let now = Rtnetlink::open().and_then(|mut it| it.by_index(interface.index)).ok()??;
        Some(now.drops.since(&interface.drops))
    }

    #[cfg(target_os = "linux")]
    fn waker(&self) -> Option<BorrowedFd<'_>> {
        Some(self.monitor.as_fd())
    }

    #[cfg(target_os = "linux")]
    fn changes(&mut self, served: &[&Target]) -> io::Result<Vec<(usize, Change<Target>)>> {
        let mut states: Vec<_> = served.iter().map(|target| target.interface().cloned()).collect();
        let indices: Vec<_> = states.iter().flatten().map(|one| one.index).collect();
        let mut changes = Vec::new();
        for (index, now) in self.monitor.changed(&indices)? {
            let is_it = |one: &Option<crate::interface::Interface>| {
                one.as_ref().is_some_and(|one| one.index == index)
            };
            let Some(place) = states.iter().position(is_it) else { continue };
            let now = match now {
                Ok(now) => now,
                Err(gone) => {
                    changes.push((place, Change::Gone(gone.reason().to_owned())));
                    continue;
                }
            };
            if let Some(before) = states[place].replace(now.clone()) {
                changes.push((place, monitor::change(&before, now)));
            }
        }
        Ok(changes)
    }
}
