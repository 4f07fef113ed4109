//! The program `farend-udp`: what any system can do.

use std::io;

use farend_core::Policy;
use farend_driver::{
    arguments::Program,
    clock,
    failure::Failure,
    observe::ObserverFactory,
    plan::Plan,
    privileges::Capability,
    runtime::{self, Keep, Platform},
    tier::{PolicyRefusal, Tier, TierError, TierName},
};

use crate::{Addresses, tier};

/// Serves addresses of this host.
#[derive(Debug)]
pub struct Udp;

/// Its only tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sockets;

impl TierName for Sockets {
    const LADDER: &'static [Self] = &[Self];

    fn name(self) -> &'static str {
        tier::NAME
    }
}

/// Addresses, and what the user calls them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    name: String,
    addresses: Addresses,
}

impl runtime::Target for Target {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Platform for Udp {
    type Options = ();
    type Tier = Sockets;
    type Target = Target;

    const PROGRAM: Program = Program {
        name: "farend-udp",
        version: env!("CARGO_PKG_VERSION"),
        about: "Sends test datagrams back from plain UDP sockets: the far end of a network test",
        targets_help: "Interfaces or addresses of this host to listen on; none for all of them",
        examples: "\
  farend-udp                                  answer probes on port 3842, no root
  farend-udp 192.0.2.1 --port 7               one address, another port
  farend-udp en0 --stats json                 the addresses of an interface",
        refuses: tier::REFUSED,
    };
    const OPENING: &'static [Capability] = &[
        Capability::NET_BIND_SERVICE,
        // Receive buffers beyond the system's limit.
        Capability::NET_ADMIN,
    ];

    fn start() -> io::Result<Self> {
        Ok(Self)
    }

    fn tier(_plan: &Plan<Self>) -> Option<Sockets> {
        Some(Sockets)
    }

    fn check(plan: &Plan<Self>) -> Result<(), Failure> {
        tier::settings(&plan.settings, false).map(drop).map_err(Failure::usage)
    }

    fn find(&mut self, plan: &Plan<Self>) -> Result<Vec<Target>, Failure> {
        if plan.targets.is_empty() {
            let name = "all addresses".to_owned();
            return Ok(vec![Target { name, addresses: Addresses::All }]);
        }
        let targets = plan.targets.iter().map(|name| {
            let addresses = Addresses::of(name);
            addresses.now().map_err(Failure::run_time)?;
            Ok(Target { name: name.clone(), addresses })
        });
        targets.collect()
    }

    fn policy(
        &self,
        plan: &Plan<Self>,
        target: &Target,
        _tier: Sockets,
    ) -> Result<Policy, PolicyRefusal> {
        let settings = tier::settings(&plan.settings, target.addresses.has_loopback());
        let policy = settings.map_err(PolicyRefusal::Unfit)?.policy(None, clock::TICKS_PER_SECOND);
        policy.map_err(|error| PolicyRefusal::Contradiction(plan.contradiction(&error)))
    }

    fn rehearse(
        &self,
        _plan: &Plan<Self>,
        target: &Target,
        _tier: Sockets,
        policy: &Policy,
    ) -> Result<(), TierError> {
        tier::rehearse(&target.addresses, policy)
    }

    fn open(
        &mut self,
        _plan: &Plan<Self>,
        target: &Target,
        _tier: Sockets,
        policy: &Policy,
        _observers: &ObserverFactory,
    ) -> Result<Box<dyn Tier>, TierError> {
        tier::open(&target.addresses, policy)
    }

    fn has_mac(_tier: Sockets) -> bool {
        false
    }

    fn serving(_tiers: &[Sockets], keep: Keep) -> Vec<Capability> {
        match keep {
            Keep::Reload => Vec::new(),
            // The same port again, be it below 1024.
            Keep::Restart => vec![Capability::NET_BIND_SERVICE],
        }
    }
}
