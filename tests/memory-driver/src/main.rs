//! A driver over wires in memory: all that a driver has to bring to the
//! runtime, and what it gets from it.
//!
//! Each target is the name of a wire. A tester at its near end sends probes,
//! the port at its far end turns them round.
#![deny(unsafe_code)]

use std::{io, process::ExitCode, thread, time::Duration};

use farend_core::{
    Counters, MacAddress, Policy, RateLimit,
    port::{
        Burst, Port,
        memory::{Wire, WireBusy},
    },
};
use farend_driver::{
    arguments::Program,
    clock::{TICKS_PER_SECOND, TickClock},
    observe::ObserverFactory,
    options,
    options::{Maybe, One},
    plan::Plan,
    runtime::{self, Platform},
    threaded::Threaded,
    tier::{PolicyRefusal, Tier, TierError, TierName},
    values::{Rate, SegmentName},
    worker::{PolicyReader, StatisticsCell, Stop, WorkerStatistics},
};

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];

options! {
    /// How wires in memory are used.
    pub struct WireOptions, WireChoices, WireSettings;
    include {}

    /// Probes a second on each wire
    pace("pace", "PPS", "1000", "Wires", Restart): One<Rate> = Rate(1_000);

    /// A wire that takes no other policy than its first
    stubborn("stubborn", "NAME", "none", "Wires", Live): Maybe<SegmentName> = None;
}

struct Memory;

#[derive(Clone, Copy, PartialEq, Debug)]
struct InMemory;

impl TierName for InMemory {
    const LADDER: &'static [Self] = &[Self];

    fn name(self) -> &'static str {
        "memory"
    }
}

#[derive(Clone)]
struct Name(String);

impl runtime::Target for Name {
    fn name(&self) -> &str {
        &self.0
    }
}

impl Platform for Memory {
    type Options = WireOptions;
    type Tier = InMemory;
    type Target = Name;

    const PROGRAM: Program = Program {
        name: "farend-memory-driver",
        version: env!("CARGO_PKG_VERSION"),
        about: "Turns round what a tester sends on wires in memory",
        targets_help: "Names of wires",
        examples: "farend-memory-driver mem0 mem1",
        refuses: &[],
    };

    fn start() -> io::Result<Self> {
        Ok(Self)
    }

    fn tier(_plan: &Plan<Self>) -> Option<InMemory> {
        None
    }

    fn find(&mut self, plan: &Plan<Self>) -> Result<Vec<Name>, farend_driver::failure::Failure> {
        Ok(plan.targets.iter().cloned().map(Name).collect())
    }

    fn policy(
        &self,
        plan: &Plan<Self>,
        _target: &Name,
        _tier: InMemory,
    ) -> Result<Policy, PolicyRefusal> {
        let policy = plan.settings.policy(Some(MacAddress(OWN)), TICKS_PER_SECOND);
        policy.map_err(|error| PolicyRefusal::Contradiction(plan.contradiction(&error)))
    }

    fn rehearse(
        &self,
        _plan: &Plan<Self>,
        _target: &Name,
        _tier: InMemory,
        _policy: &Policy,
    ) -> Result<(), TierError> {
        Ok(())
    }

    fn open(
        &mut self,
        plan: &Plan<Self>,
        target: &Name,
        _tier: InMemory,
        policy: &Policy,
        _observers: &ObserverFactory,
    ) -> Result<Box<dyn Tier>, TierError> {
        let pause = Duration::from_secs(1) / u32::try_from(plan.own.pace.0).unwrap_or(u32::MAX);
        let is_stubborn = plan.own.stubborn.as_ref().is_some_and(|it| it.to_string() == target.0);
        let tier = Threaded::new("memory", policy, move |policy, stop, statistics| {
            exchange(pause, policy, stop, statistics)
        });
        Ok(Box::new(tier.on_prepare(move |policy| match policy {
            Some(_) if is_stubborn => Err(TierError::new("takes no other policy")),
            _ => Ok(()),
        })))
    }
}

/// Sends probes from the near end and turns them round at the far end.
fn exchange(
    pause: Duration,
    policy: &mut PolicyReader,
    stop: &Stop,
    cell: &StatisticsCell,
) -> Result<(), WireBusy> {
    let wire = Box::new(Wire::<16, 256>::new());
    let [mut far, mut near] = wire.ports().expect("chunks of a power of two");
    let (clock, mut limit) = (TickClock::start(), RateLimit::default());
    let (mut counters, mut pending, mut burst) = (Counters::new(), Burst::new(), Burst::new());
    let mut back = 0;
    while !stop.is_requested() {
        near.reserve(&mut burst);
        if let Some(mut frame) = burst.pop_front() {
            if let Some(octets) = near.octets(&mut frame) {
                octets[..60].copy_from_slice(&probe());
            }
            frame.truncate(60);
            near.recycle(&mut burst);
            // There is room: it was emptied.
            let _ = burst.push(frame);
            near.transmit(&mut burst)?;
            near.recycle(&mut burst);
        }
        limit.now_tick = clock.now_tick();
        far.turn(policy.current(), &mut limit, &mut counters, &mut (), &mut pending)?;
        near.receive(&mut burst)?;
        back += burst.len() as u64;
        near.recycle(&mut burst);
        let sent = Some(back);
        cell.publish(|to| *to = WorkerStatistics { counters, sent, ..WorkerStatistics::default() });
        thread::sleep(pause);
    }
    Ok(())
}

/// An Ethernet frame with a PROBEOT datagram to port 3842.
fn probe() -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&OWN);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
    frame[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17]);
    frame[24..34].copy_from_slice(&[0xf6, 0xbb, 192, 0, 2, 2, 192, 0, 2, 1]);
    frame[34..42].copy_from_slice(&[0x9c, 0x40, 0x0f, 0x02, 0, 26, 0, 0]);
    frame[47..54].copy_from_slice(b"PROBEOT");
    frame
}

fn main() -> ExitCode {
    runtime::main::<Memory>()
}
