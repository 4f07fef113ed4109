//! What was done, over all workers and interfaces, and how it is told.
//!
//! Every outcome goes by the core's stable name in every form. The JSON lines
//! are described in `docs/statistics.md`.

mod csv;
pub(crate) mod describe;
mod json;
mod page;
mod rates;
mod reporter;
pub mod schema;
mod text;

use std::time::Duration;

use farend_control::{statistics::StatisticsLine, status::PolicyStatus};
use farend_core::{Class, Policy};

pub use page::{CountersPage, PAGE_INTERVAL};
pub use rates::rates_of;
pub use reporter::Reporter;
pub(crate) use reporter::unix_ms;

use crate::{
    named::{merge_named, named_since},
    observe::CopyStatistics,
    settings::Settings,
    worker::WorkerStatistics,
};

/// What one interface has done up to a moment.
#[derive(Clone, Debug, Default)]
pub struct InterfaceStatistics {
    /// Name of the interface, or the addresses served.
    pub interface: String,
    /// Name of the tier.
    pub tier: &'static str,
    /// The time that the counts are of; zero for that of the snapshot.
    pub elapsed: Duration,
    /// Outcomes and losses, over all workers.
    pub worker: WorkerStatistics,
    /// Frames that the interface itself lost, by stable name, since the start.
    pub interface_drops: Vec<(&'static str, u64)>,
}

impl InterfaceStatistics {
    /// What was done since `earlier`, of the same interface.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            interface: self.interface.clone(),
            tier: self.tier,
            elapsed: self.elapsed.saturating_sub(earlier.elapsed),
            worker: self.worker.since(&earlier.worker),
            interface_drops: named_since(&self.interface_drops, &earlier.interface_drops),
        }
    }

    /// Frames lost by the workers or for them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.worker.losses.iter().fold(0, |sum, (_, frames)| sum.wrapping_add(*frames))
    }

    /// Outcomes of one class that were met, by name.
    fn met(&self, class: Class) -> Vec<(&'static str, u64)> {
        let outcomes = self.worker.counters.iter().filter(|(verdict, _)| verdict.class() == class);
        outcomes
            .filter(|(_, frames)| *frames != 0)
            .map(|(verdict, frames)| (verdict.name(), frames))
            .collect()
    }
}

/// A line with counts, rates over the time of `interval`.
pub(crate) fn line_of(event: &str, now: &Snapshot, interval: &Snapshot) -> StatisticsLine {
    json::statistics_line(event, unix_ms(), now, interval)
}

/// What a policy answers, for clients.
pub(crate) fn policy_status(policy: &Policy, has_mac: bool) -> PolicyStatus {
    json::policy_status(policy, has_mac)
}

/// All interfaces at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Since the first interface reflected.
    pub elapsed: Duration,
    /// One for each interface, in the order in which they were given.
    pub interfaces: Vec<InterfaceStatistics>,
    /// What became of frames that were copied elsewhere, since the start.
    pub copies: CopyStatistics,
}

impl Snapshot {
    /// The sum over the interfaces, named `total`.
    #[must_use]
    pub fn total(&self) -> InterfaceStatistics {
        let mut total =
            InterfaceStatistics { interface: "total".to_owned(), ..InterfaceStatistics::default() };
        for one in &self.interfaces {
            total.tier = match total.tier {
                "" => one.tier,
                tier if tier == one.tier => tier,
                _ => "several",
            };
            // Numbers of queues mean nothing over several interfaces.
            let queues = Vec::new();
            total.worker.merge(&WorkerStatistics { queues, ..one.worker.clone() });
            merge_named(&mut total.interface_drops, &one.interface_drops);
        }
        total
    }

    /// Forgets all but these interfaces.
    pub fn retain(&mut self, only: &[String]) {
        self.interfaces.retain(|one| only.contains(&one.interface));
    }

    /// What was done since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let interfaces = self.interfaces.iter().map(|now| {
            let before = earlier.interfaces.iter().find(|one| one.interface == now.interface);
            before.map_or_else(|| now.clone(), |before| now.since(before))
        });
        Self {
            elapsed: self.elapsed.saturating_sub(earlier.elapsed),
            interfaces: interfaces.collect(),
            copies: self.copies,
        }
    }
}

/// What reflects, told once when it does.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Name of the program.
    pub program: &'static str,
    /// Each interface with its tier and its policy.
    pub interfaces: Vec<ReadyInterface>,
    /// The cap of each CPU or worker in frames a second, if there is one.
    pub max_rate_frames_per_s: Option<u64>,
    /// Capabilities still held, by name; `None` where the system has none.
    pub capabilities: Option<Vec<&'static str>>,
}

/// One interface that reflects.
#[derive(Clone, Debug)]
pub struct ReadyInterface {
    /// Name of the interface, or the addresses served.
    pub interface: String,
    /// Name of the tier.
    pub tier: &'static str,
    /// What it answers.
    pub policy: Policy,
    /// What was said of it.
    pub settings: Settings,
    /// Whether the tier has MAC addresses at all.
    pub has_mac: bool,
    /// Whether it turns frames round: another driver's policy says nothing.
    pub is_reflector: bool,
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Verdict};

    use super::*;

    fn one(interface: &str, frames: u32, losses: &[(&'static str, u64)]) -> InterfaceStatistics {
        let mut one = InterfaceStatistics {
            interface: interface.to_owned(),
            tier: "xdp",
            ..InterfaceStatistics::default()
        };
        for _ in 0..frames {
            one.worker.counters.count(Verdict::Reflect(Kind::Probeot), 60);
        }
        one.worker.losses = losses.to_vec();
        one
    }

    #[test]
    fn the_total_is_the_sum_of_the_interfaces() {
        let snapshot = Snapshot {
            elapsed: Duration::from_secs(1),
            interfaces: vec![one("a", 2, &[("x", 1)]), one("b", 3, &[("y", 1), ("x", 2)])],
            ..Snapshot::default()
        };
        let total = snapshot.total();
        assert_eq!(total.worker.counters.reflected(), 5);
        assert_eq!(total.worker.losses, [("x", 3), ("y", 1)]);
        assert_eq!(total.lost(), 4);
        assert_eq!(total.tier, "xdp");
    }

    #[test]
    fn an_interval_is_what_came_since_the_last_one() {
        let earlier = Snapshot {
            elapsed: Duration::from_secs(1),
            interfaces: vec![one("a", 2, &[("x", 1)])],
            ..Snapshot::default()
        };
        let now = Snapshot {
            elapsed: Duration::from_secs(3),
            interfaces: vec![one("a", 7, &[("x", 4)]), one("b", 1, &[])],
            ..Snapshot::default()
        };
        let interval = now.since(&earlier);
        assert_eq!(interval.elapsed, Duration::from_secs(2));
        assert_eq!(interval.interfaces[0].worker.counters.reflected(), 5);
        assert_eq!(interval.interfaces[0].worker.losses, [("x", 3)]);
        assert_eq!(interval.interfaces[1].worker.counters.reflected(), 1);
    }
}
