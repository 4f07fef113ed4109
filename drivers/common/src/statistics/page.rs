//! The counters page: the latest statistics in shared memory, for whoever
//! looks.
//!
//! A ring of few messages that overwrites; each message is one `statistics` or
//! `final` line, as `--stats json` has it. Readers are not waited for.

use std::time::Duration;

use farend_shm::{
    SegmentError, SlowReader,
    broadcast::{Options, Publisher, Ring},
};

use super::{Snapshot, json, reporter::unix_ms};
use crate::{
    observe::{Settings, segment_refused},
    values::SegmentName,
};

/// How old the page gets.
pub const PAGE_INTERVAL: Duration = Duration::from_millis(250);

/// Lines that are there at a time: the latest, and those that a reader may
/// still be copying.
const CAPACITY_LINES: u64 = 4;

/// Readers at a time.
const READERS_MAX: u32 = 32;

/// Octets of a line without interfaces, those of one interface, and those of a
/// tester: more than any that is written.
const LINE_OCTETS: u64 = 4 << 10;
const INTERFACE_OCTETS: u64 = 16 << 10;
const TESTER_OCTETS: u64 = 256;

/// Keeps the latest statistics where others find them.
#[derive(Debug)]
pub struct CountersPage {
    name: SegmentName,
    publisher: Publisher,
    previous: Snapshot,
    notice: fn(&str),
    is_broken: bool,
}

impl CountersPage {
    /// Makes the page if the settings ask for one, with room for so many
    /// interfaces. `notice` takes one line for the user, without its end.
    ///
    /// # Errors
    ///
    /// One line on why it cannot.
    pub fn start(
        settings: &Settings,
        interfaces: usize,
        notice: fn(&str),
    ) -> Result<Option<Self>, String> {
        let Some(name) = settings.counters_page.clone() else { return Ok(None) };
        // The total is one more.
        let tables = interfaces as u64 + 1;
        let testers = u64::from(settings.testers.0).next_multiple_of(8);
        let options = Options {
            capacity_messages: CAPACITY_LINES,
            message_octets_max: LINE_OCTETS + tables * (INTERFACE_OCTETS + testers * TESTER_OCTETS),
            subscribers_max: READERS_MAX,
            slow_reader: SlowReader::Overwrite,
        };
        let about = |error: &SegmentError| segment_refused("--counters-page", name.as_str(), error);
        let ring = Ring::create(name.as_str(), options).map_err(|error| about(&error))?;
        let publisher =
            ring.publisher().map_err(|error| format!("--counters-page {name}: {error}"))?;
        Ok(Some(Self { name, publisher, previous: Snapshot::default(), notice, is_broken: false }))
    }

    /// Puts counts since the start there, and rates since the last time.
    pub fn publish(&mut self, now: &Snapshot) {
        let interval = now.since(&self.previous);
        self.put(&json::statistics("statistics", unix_ms(), now, &interval));
        self.previous.clone_from(now);
    }

    /// Puts the last counts there, and the rates of the whole run.
    pub fn finale(&mut self, now: &Snapshot) {
        self.put(&json::statistics("final", unix_ms(), now, now));
    }

    fn put(&mut self, line: &str) {
        if let Err(error) = self.publisher.try_send(line.as_bytes())
            && !std::mem::replace(&mut self.is_broken, true)
        {
            (self.notice)(&format!("--counters-page {}: {error}", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use farend_core::measure::testers::{Sender, Set, Testers};
    use farend_core::{Kind, MacAddress, Verdict};
    use farend_shm::Deadline;

    use super::*;
    use crate::{statistics::InterfaceStatistics, values::TesterCount};

    fn settings(name: &str, testers: u16) -> Settings {
        Settings {
            counters_page: Some(format!("{name}-{}", std::process::id()).parse().unwrap()),
            testers: TesterCount(testers),
            ..Settings::default()
        }
    }

    #[test]
    fn a_reader_that_comes_late_sees_the_latest_line() {
        let settings = settings("page", 0);
        let mut page = CountersPage::start(&settings, 1, |_| {}).unwrap().unwrap();
        for elapsed_s in 1..=9 {
            let elapsed = Duration::from_secs(elapsed_s);
            page.publish(&Snapshot { elapsed, ..Snapshot::default() });
        }
        let name = settings.counters_page.as_ref().unwrap().as_str();
        let mut reader = Ring::attach(name).unwrap().subscriber().unwrap();
        assert_eq!(reader.rewind(1), 1);
        let mut buffer = vec![0; reader.message_octets_max()];
        let message = reader.receive(&mut buffer, Deadline::NOW).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&buffer[..message.octets]).unwrap();
        assert_eq!((&line["elapsed_s"], &line["interval_s"]), (&9.0.into(), &1.0.into()));
    }

    #[test]
    fn the_longest_line_fits() {
        let settings = settings("long", 64);
        let mut page = CountersPage::start(&settings, 2, |line| panic!("{line}")).unwrap().unwrap();
        let mut one = InterfaceStatistics { interface: "x".repeat(300), ..Default::default() };
        one.worker.counters.frames = [u64::MAX; farend_core::reflect::verdict::CODES];
        one.worker.counters.reflected_octets = u64::MAX;
        one.worker.losses = (0..20).map(|_| ("a_long_name_of_a_loss", u64::MAX)).collect();
        one.interface_drops.clone_from(&one.worker.losses);
        let mut testers = Testers::new(vec![Set::default(); 8].into_boxed_slice(), 0);
        for number in 0..500_u16 {
            let [high, low] = number.to_be_bytes();
            let address = std::net::Ipv6Addr::from([0xfd; 16]).to_bits() ^ u128::from(number);
            let sender = Sender {
                mac: MacAddress([2, 0, 0, 0, high, low]),
                address: std::net::Ipv6Addr::from_bits(address).into(),
            };
            testers.count(&sender, Verdict::Reflect(Kind::Any), usize::MAX / 2, 0);
        }
        one.worker.measured.testers = Some(testers);
        for kind in Kind::ALL {
            let residence = one.worker.measured.residence.get_or_insert_default();
            residence.record(*kind, u64::MAX, u64::MAX);
        }
        let other = InterfaceStatistics { interface: "y".repeat(300), ..one.clone() };
        page.publish(&Snapshot { interfaces: vec![one, other], ..Snapshot::default() });
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let settings = settings("twice", 0);
        let _page = CountersPage::start(&settings, 1, |_| {}).unwrap();
        let error = CountersPage::start(&settings, 1, |_| {}).unwrap_err();
        assert!(error.starts_with("--counters-page twice"), "{error}");
        assert!(CountersPage::start(&Settings::default(), 1, |_| {}).unwrap().is_none());
    }
}
