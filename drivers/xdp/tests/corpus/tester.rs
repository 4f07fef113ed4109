//! Sends the frames of one policy through a tier and compares what it counts
//! and what comes back.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    thread::sleep,
    time::{Duration, Instant},
};

use farend_core::{Counters, MacAddress, Policy, Verdict};
use farend_driver::{
    observe::ObserverFactory, runtime::Platform, tier::TierName, worker::WorkerStatistics,
};
use farend_truth::{agreement::first_difference, corpus::Entry, options::OWN_MAC};
use farend_xdp::{
    Target, Xdp,
    tier::{Tier, TierChoice},
};

use crate::{
    TESTER_MAC, options, socket,
    support::{
        PATIENCE,
        namespace::{Pair, inside, ip},
        raw::Raw,
    },
};

/// How long nothing may come after the last frame of a policy.
const SILENCE: Duration = Duration::from_millis(20);

/// Frames under way: fewer than the ring of a veth pair has room for.
const BATCH_FRAMES: usize = 64;

/// What must become of a frame.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It cannot be sent, and why.
    NotRun(&'static str),
    /// The tier does not get to see it, and why.
    Unseen(&'static str),
    /// It is counted, and answered or not.
    Seen {
        verdict: Verdict,
        /// Octets that may be counted, if it is answered.
        octets: RangeInclusive<usize>,
        /// What of the answer is compared.
        answer: Option<Vec<u8>>,
    },
    /// It is counted as answered, but its answer cannot be sent: a loss.
    Unanswerable { verdict: Verdict, octets: RangeInclusive<usize> },
}

/// A frame, and what must become of it.
pub(crate) struct Case<'corpus> {
    pub(crate) entry: &'corpus Entry,
    pub(crate) fate: Fate,
}

/// The near end of a wire, and what was found so far.
pub(crate) struct Tester<'pair> {
    pair: &'pair Pair,
    tier: TierChoice,
    raw: Raw,
    own_mac: [u8; 6],
    faults: Vec<String>,
    not_run: BTreeMap<String, usize>,
    answered: usize,
    unanswered: usize,
    unseen: BTreeMap<&'static str, usize>,
}

/// An open tier, and what it must have counted.
struct Running {
    tier: Box<dyn Tier>,
    wanted: Counters,
    /// By how many the octets may be fewer.
    fewer_octets: u64,
    losses: u64,
}

impl Running {
    fn want(&mut self, verdict: Verdict, octets: &RangeInclusive<usize>) {
        self.wanted.count(verdict, *octets.end());
        if verdict.is_sent() {
            self.fewer_octets += (octets.end() - octets.start()) as u64;
        }
    }

    fn is_as_wanted(&self, counters: &Counters) -> bool {
        let most = self.wanted.reflected_octets;
        let octets = most - self.fewer_octets..=most;
        counters.frames == self.wanted.frames && octets.contains(&counters.reflected_octets)
    }
}

impl<'pair> Tester<'pair> {
    pub(crate) fn new(pair: &'pair Pair, tier: TierChoice) -> Self {
        ip(&format!("-n {} link set near address {TESTER_MAC}", pair.near));
        let mut tester = Self {
            pair,
            tier,
            raw: inside(&pair.near, || Raw::open("near")),
            own_mac: OWN_MAC,
            faults: Vec::new(),
            not_run: BTreeMap::new(),
            answered: 0,
            unanswered: 0,
            unseen: BTreeMap::new(),
        };
        tester.take_mac(OWN_MAC);
        tester
    }

    /// Runs the cases of one policy.
    pub(crate) fn run(&mut self, policy: &str, cases: Vec<Case>) {
        let Some(mut running) = self.open(&cases) else { return };
        // What is not seen goes first: what it did anyway shows in the counts
        // of the others.
        let mut batches: BTreeMap<Option<u8>, Vec<Case>> = BTreeMap::new();
        for case in cases {
            match &case.fate {
                Fate::NotRun(reason) => self.count_not_run(reason, 1),
                Fate::Unseen(_) => batches.entry(None).or_default().push(case),
                Fate::Seen { verdict, .. } | Fate::Unanswerable { verdict, .. } => {
                    batches.entry(Some(verdict.code())).or_default().push(case);
                }
            }
        }
        for batch in batches.values().flat_map(|cases| cases.chunks(BATCH_FRAMES)) {
            self.exchange(&mut running, batch);
        }
        self.close(policy, running);
    }

    /// Opens the tier with the policy's options; `None` if plain sockets have not
    /// all of them, which the program must refuse then, and only then.
    fn open(&mut self, cases: &[Case]) -> Option<Running> {
        let entry = cases.first()?.entry;
        let needs_frames = match self.tier {
            TierChoice::Udp => options::needs_frames(&entry.options),
            _ => None,
        };
        let plan = match (options::plan(&entry.options, self.tier), needs_frames) {
            (Ok(plan), None) => plan,
            (Err(failure), Some(option)) if failure.to_string().contains(option) => {
                self.count_not_run(&failure.to_string(), cases.len());
                return None;
            }
            (Err(failure), _) => panic!("{}: {failure}", entry.name),
            (Ok(_), Some(option)) => panic!("{}: plain sockets took {option}", entry.name),
        };
        if self.own_mac != entry.options.own_mac {
            self.take_mac(entry.options.own_mac);
        }
        let target = Target::find_all(&plan.targets, self.tier).unwrap().remove(0);
        let mut xdp = Xdp::start().unwrap();
        let policy = xdp.policy(&plan, &target, self.tier).unwrap();
        let observers = ObserverFactory::default();
        let mut tier = xdp.open(&plan, &target, self.tier, &policy, &observers).unwrap();
        tier.start().unwrap();
        let wanted = self.policy(entry);
        if options::is_beyond_words(&entry.options) {
            tier.replace_policy(&wanted).unwrap();
        } else if self.tier != TierChoice::Udp {
            assert_eq!(policy, wanted, "the policy of the options of {}", entry.name);
        }
        Some(Running { tier, wanted: Counters::new(), fewer_octets: 0, losses: 0 })
    }

    /// Gives the far end the MAC address that the policy is for.
    fn take_mac(&mut self, own_mac: [u8; 6]) {
        self.own_mac = own_mac;
        ip(&format!("-n {} link set far address {}", self.pair.far, MacAddress(own_mac)));
        if self.tier == TierChoice::Udp {
            socket::give_addresses(self.pair);
        }
    }

    fn policy(&self, entry: &Entry) -> Policy {
        match self.tier {
            TierChoice::Udp => socket::options(entry).build().unwrap(),
            _ => entry.policy.clone(),
        }
    }

    /// Sends frames that must all come to the same, and waits for it.
    fn exchange(&mut self, running: &mut Running, batch: &[Case]) {
        let mut answers = Vec::new();
        for Case { entry, fate } in batch {
            if !self.raw.send(&entry.octets) {
                let refused = std::io::Error::last_os_error();
                self.faults.push(format!("{}: not sent: {refused}", entry.name));
                continue;
            }
            match fate {
                Fate::NotRun(_) => {}
                Fate::Unseen(reason) => *self.unseen.entry(reason).or_default() += 1,
                Fate::Unanswerable { verdict, octets } => {
                    running.want(*verdict, octets);
                    running.losses += 1;
                    self.unanswered += 1;
                }
                Fate::Seen { verdict, octets, answer } => {
                    running.want(*verdict, octets);
                    self.unanswered += usize::from(answer.is_none());
                    answers.extend(answer.as_ref().map(|answer| (&*entry.name, answer)));
                }
            }
        }
        self.answered += answers.len();
        self.await_answers(answers);
        self.await_counts(running, batch);
    }

    /// Takes what comes until all is there that must; then nothing may wait.
    fn await_answers(&mut self, mut wanted: Vec<(&str, &Vec<u8>)>) {
        let deadline = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            let limit = if wanted.is_empty() { Instant::now() } else { deadline };
            let Some(answer) = self.receive(limit) else { break };
            match wanted.iter().position(|(_, wanted)| **wanted == answer) {
                Some(at) => drop(wanted.swap_remove(at)),
                None => others.push(answer),
            }
        }
        for (name, wanted) in wanted {
            let like = others.iter().map(|other| first_difference(other, wanted)).max();
            let like = like.map_or_else(String::new, |octets| {
                format!("; of what came instead, {octets} octets are alike at most")
            });
            self.faults.push(format!("{name}: its answer did not come{like}"));
        }
        for other in others {
            self.faults.push(format!("this came back: {other:02x?}"));
        }
    }

    /// What is compared of the next frame that comes.
    fn receive(&self, deadline: Instant) -> Option<Vec<u8>> {
        loop {
            let frame = self.raw.receive(deadline.saturating_duration_since(Instant::now()))?;
            let answer = match self.tier {
                TierChoice::Udp => socket::answer_in(&frame),
                _ => Some(frame),
            };
            if answer.is_some() {
                return answer;
            }
        }
    }

    /// Waits until as many frames are counted as must be; then they must be
    /// counted as they must.
    fn await_counts(&mut self, running: &mut Running, batch: &[Case]) {
        let wanted = frames(&running.wanted);
        let deadline = Instant::now() + PATIENCE;
        let statistics = loop {
            let statistics = running.tier.statistics().unwrap();
            let is_there = frames(&statistics.counters) >= wanted;
            if is_there || Instant::now() >= deadline {
                break statistics;
            }
            sleep(Duration::from_millis(1));
        };
        if running.is_as_wanted(&statistics.counters) {
            return;
        }
        let names: Vec<_> = batch.iter().map(|case| &*case.entry.name).collect();
        let difference = difference(&statistics.counters, &running.wanted);
        self.faults.push(format!("{difference}, among {}", names.join(", ")));
        // Said once.
        running.wanted = statistics.counters;
        running.fewer_octets = 0;
    }

    /// Closes the tier: the last counts are the same, nothing was lost, and
    /// nothing more comes back.
    fn close(&mut self, policy: &str, mut running: Running) {
        let WorkerStatistics { counters, losses, .. } = running.tier.stop();
        if !running.is_as_wanted(&counters) {
            let difference = difference(&counters, &running.wanted);
            self.faults.push(format!("under `{policy}` at the end: {difference}"));
        }
        if losses.iter().map(|(_, frames)| frames).sum::<u64>() != running.losses {
            let wanted = running.losses;
            self.faults.push(format!("under `{policy}`: {wanted} losses wanted, but {losses:?}"));
        }
        while let Some(late) = self.receive(Instant::now() + SILENCE) {
            self.faults.push(format!("under `{policy}` this came back: {late:02x?}"));
        }
    }

    fn count_not_run(&mut self, reason: &str, frames: usize) {
        *self.not_run.entry(reason.to_owned()).or_default() += frames;
    }

    /// Says what was run and what was not, and fails if anything was wrong or not all
    /// of `frames` were accounted for.
    pub(crate) fn finish(self, frames: usize) {
        let name = self.tier.name();
        println!("{name}: {} frames answered, {} not", self.answered, self.unanswered);
        for (reason, frames) in &self.unseen {
            println!("{name}: {frames} frames sent, but not to be seen: {reason}");
        }
        for (reason, frames) in &self.not_run {
            // Not a skip: no machine can run them.
            println!("{name}: {frames} frames not run: {reason}");
        }
        let faults = &self.faults;
        assert!(faults.is_empty(), "{name}: {} faults:\n{}", faults.len(), faults.join("\n"));
        let sent = self.answered + self.unanswered + self.unseen.values().sum::<usize>();
        let not_run = self.not_run.values().sum::<usize>();
        assert_eq!(sent + not_run, frames, "{name}: frames of the corpus");
        assert!(self.answered * 5 >= frames, "{name}: only {} of {frames} answered", self.answered);
    }
}

/// All frames that were counted.
fn frames(counters: &Counters) -> u64 {
    counters.frames.iter().sum()
}

/// Where counts differ from what they must be.
fn difference(counted: &Counters, wanted: &Counters) -> String {
    let pairs = counted.iter().zip(wanted.iter());
    let differing = pairs.filter(|((_, counted), (_, wanted))| counted != wanted);
    let mut said: Vec<_> = differing
        .map(|((verdict, counted), (_, wanted))| {
            format!("{} counted {counted} times, not {wanted}", verdict.name())
        })
        .collect();
    let (counted, wanted) = (counted.reflected_octets, wanted.reflected_octets);
    if counted != wanted {
        said.push(format!("{counted} reflected octets counted, not {wanted}"));
    }
    said.join(", ")
}
