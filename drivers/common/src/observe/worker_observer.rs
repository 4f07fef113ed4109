//! The observer of one worker.

use std::hash::{BuildHasher, RandomState};

use farend_core::{
    Verdict,
    measure::testers::{Sender, Set, Testers, WAYS},
    port::Observer,
};

use super::{
    Measurements, Residence, Settings, TesterTable, copier::FrameCopier, residence::Waiting,
};
use crate::clock;

/// Looks on and tells what it learned; `()` does neither and costs nothing.
pub trait ReportingObserver: Observer {
    /// Leaves what was learned so far in place of what is there. Call where
    /// statistics are published, not per frame.
    fn report(&mut self, measured: &mut Measurements);
}

impl ReportingObserver for () {
    fn report(&mut self, _measured: &mut Measurements) {}
}

/// Does what the settings ask for. One worker owns one.
#[derive(Debug)]
pub struct WorkerObserver {
    /// When the burst in hand came.
    received_ns: u64,
    residence: Option<(Residence, Waiting)>,
    testers: Option<TesterTable>,
    /// Who sent the frame in hand: a turned one does not tell any more.
    sender: Option<Sender>,
    copier: Option<FrameCopier>,
}

impl WorkerObserver {
    pub(super) fn new(settings: &Settings, copier: Option<FrameCopier>) -> Self {
        Self {
            received_ns: 0,
            residence: settings.residence.then(|| (Residence::default(), Waiting::new())),
            testers: tester_table(settings.testers.0.into()),
            sender: None,
            copier,
        }
    }
}

/// Room for so many testers or some more; `None` for none.
fn tester_table(testers: usize) -> Option<TesterTable> {
    if testers == 0 {
        return None;
    }
    // Nobody outside can know it, so nobody can choose addresses that meet.
    let seed = RandomState::new().hash_one(0_u8);
    Some(Testers::new(vec![Set::default(); testers.div_ceil(WAYS)].into(), seed))
}

impl Observer for WorkerObserver {
    #[inline]
    fn burst_received(&mut self, _frames: usize) {
        self.received_ns = clock::monotonic_ns();
        if let Some(copier) = &mut self.copier {
            copier.burst_received();
        }
    }

    #[inline]
    fn received(&mut self, octets: &[u8], _whole_octets: usize) {
        if self.testers.is_some() {
            self.sender = Sender::read(octets);
        }
        if let Some(copier) = &mut self.copier {
            copier.received(octets);
        }
    }

    #[inline]
    fn judged(&mut self, octets: &[u8], whole_octets: usize, verdict: Verdict) {
        if let (Some(testers), Some(sender)) = (&mut self.testers, &self.sender) {
            testers.count(sender, verdict, whole_octets, self.received_ns);
        }
        if let (Some((_, waiting)), Verdict::Reflect(kind)) = (&mut self.residence, verdict) {
            waiting.push(kind, self.received_ns);
        }
        if let Some(copier) = &mut self.copier {
            copier.judged(octets, whole_octets, verdict);
        }
    }

    #[inline]
    fn burst_transmitted(&mut self, packets: usize) {
        if let Some((residence, waiting)) = &mut self.residence {
            waiting.leave(packets as u64, clock::monotonic_ns(), residence);
        }
        if let Some(copier) = &mut self.copier {
            copier.flush();
        }
    }
}

impl ReportingObserver for WorkerObserver {
    fn report(&mut self, measured: &mut Measurements) {
        match (&mut measured.residence, &self.residence) {
            (Some(to), Some((residence, _))) => to.clone_from(residence),
            (to, from) => *to = from.as_ref().map(|(residence, _)| residence.clone()),
        }
        measured.testers.clone_from(&self.testers);
        if let Some(copier) = &mut self.copier {
            copier.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use farend_core::{Kind, MacAddress, Mode, Policy, reflect};

    use super::*;
    use crate::values::TesterCount;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// A probe from tester `number`, to this port.
    fn probe(number: u8, port: u16) -> Vec<u8> {
        let mut frame = [OWN, [2, 0, 0, 0, 1, number]].concat();
        frame.extend([0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend([192, 0, 2, number, 192, 0, 2, 200]);
        let header = frame.get(14..34).unwrap();
        let words = header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
        let sum: u32 = words.sum();
        let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(50_000_u16.to_be_bytes());
        frame.extend(port.to_be_bytes());
        frame.extend([0, 26, 0, 0, 0, 0, 0, 0, 0]);
        frame.extend(b"PROBEOT");
        frame.resize(60, 0);
        frame
    }

    /// What a port's turn does with these frames, all in one burst.
    fn turn(
        observer: &mut WorkerObserver,
        policy: &Policy,
        frames: &mut [Vec<u8>],
    ) -> Vec<Verdict> {
        observer.burst_received(frames.len());
        let verdicts = frames.iter_mut().map(|frame| {
            let octets = frame.len();
            observer.received(frame, octets);
            let verdict = reflect(&mut frame[..], policy, &mut ());
            observer.judged(frame, octets, verdict);
            verdict
        });
        let verdicts: Vec<_> = verdicts.collect();
        observer.burst_transmitted(verdicts.iter().filter(|one| one.is_sent()).count());
        verdicts
    }

    fn policy(mode: Mode) -> Policy {
        let tester = farend_core::Oui([2, 0, 0]);
        let builder = Policy::builder().own_mac(MacAddress(OWN)).mode(mode);
        builder.tester_oui(tester).build().unwrap()
    }

    #[test]
    fn a_tester_is_the_sender_in_every_mode() {
        for mode in [Mode::Mac, Mode::MacIp, Mode::All] {
            let settings = Settings { testers: TesterCount(8), ..Settings::default() };
            let mut observer = WorkerObserver::new(&settings, None);
            let mut frames = [probe(1, 3842), probe(2, 3842), probe(1, 3842), probe(3, 53)];
            let verdicts = turn(&mut observer, &policy(mode), &mut frames);
            assert_eq!(verdicts[..3], [Verdict::Reflect(Kind::Probeot); 3]);
            let mut measured = Measurements::default();
            observer.report(&mut measured);
            let testers = measured.testers.unwrap();
            let mut counts: Vec<_> = testers
                .iter()
                .map(|one| (one.sender.address, one.tally.reflected_frames))
                .collect();
            counts.sort_unstable();
            let expected = [([192, 0, 2, 1], 2), ([192, 0, 2, 2], 1)];
            assert_eq!(counts, expected.map(|(address, n)| (IpAddr::from(address), n)));
            assert!(measured.residence.is_none());
        }
    }

    #[test]
    fn every_answer_has_a_residence_time_and_no_other_frame() {
        let settings = Settings { residence: true, ..Settings::default() };
        let mut observer = WorkerObserver::new(&settings, None);
        for _ in 0..10 {
            let mut frames = [probe(1, 3842), probe(1, 53), probe(1, 3842)];
            turn(&mut observer, &policy(Mode::All), &mut frames);
        }
        let mut measured = Measurements::default();
        observer.report(&mut measured);
        let residence = measured.residence.unwrap();
        let met: Vec<_> = residence.iter().map(|(kind, times)| (kind, times.count())).collect();
        assert_eq!(met, [(Kind::Probeot, 20)]);
        assert!(residence.total().max() < Some(1_000_000_000));
    }
}
