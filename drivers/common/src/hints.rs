//! What to change when frames arrive and are not answered.
//!
//! A counter that grows tells little to somebody who waits for answers. Each
//! hint names the option that would let the frames through, at most once a
//! minute.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use farend_core::{Counters, Reason, Verdict};

use crate::statistics::Snapshot;

/// Time before the same hint is given again.
const INTERVAL: Duration = Duration::from_mins(1);

/// Frames refused for one reason, with none answered, that are no accident.
const FRAMES_MIN: u64 = 8;

/// A hint on one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// Name of the interface.
    pub interface: String,
    /// What happens and what to do about it.
    pub message: String,
}

/// Remembers what was hinted at.
#[derive(Debug, Default)]
pub struct Hints {
    told: HashMap<(String, Reason), Instant>,
    before: HashMap<String, Counters>,
}

/// When a reason is worth a hint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// As soon as it happens: only test traffic gets this far.
    Ever,
    /// When it happens to most frames and nothing is answered: it is also what
    /// foreign traffic meets.
    NothingAnswered,
}

/// The reasons in the order in which frames are checked, latest first: the one
/// that the most promising frames met is told first.
const RULES: [(Reason, When, &str); 9] = [
    (
        Reason::LoopRisk,
        When::Ever,
        "that could be another reflector's answers (their source port is one that reflectors or \
         other services answer from, or the mode keeps ports); if the sender is a tester, name it: \
         --tester-oui XX:XX:XX or --allow ADDRESS (its own, no network's), and let it send from a \
         high port",
    ),
    (
        Reason::SourceNotAllowed,
        When::Ever,
        "from addresses outside --allow; if the sender is a tester, add its address",
    ),
    (Reason::RateCap, When::Ever, "over --max-rate, which were dropped; raise it if that is wrong"),
    (
        Reason::Signature,
        When::NothingAnswered,
        "without a signature that is answered; see --signatures and --pattern",
    ),
    (Reason::UdpPort, When::NothingAnswered, "to another UDP port; see --port"),
    (
        Reason::Fragment,
        When::NothingAnswered,
        "in fragments, which no reflector can answer; let the tester send smaller packets",
    ),
    (
        Reason::Vlan,
        When::NothingAnswered,
        "without a VLAN tag, or with another id than is answered; see --vlan",
    ),
    (Reason::SourceOui, When::NothingAnswered, "from another OUI; see --oui"),
    (
        Reason::ForeignDestinationMac,
        When::NothingAnswered,
        "for other MAC addresses than this interface's; let the tester send to that one, or \
         see --any-destination",
    ),
];

impl Hints {
    /// Looks at the counts since the last look, and gives what is worth
    /// saying at `now`: one hint for each interface at most. Of several the
    /// one that was not told for the longest time, so that none that goes on
    /// hides the others.
    pub fn look(&mut self, snapshot: &Snapshot, now: Instant) -> Vec<Hint> {
        let mut hints = Vec::new();
        for one in &snapshot.interfaces {
            let counters = one.worker.counters;
            let before = self.before.insert(one.interface.clone(), counters);
            let lately = counters.since(&before.unwrap_or_default());
            let due = worth_telling(&lately)
                .map(|(reason, frames, advice)| {
                    let key = (one.interface.clone(), reason);
                    (self.told.get(&key).copied(), key, frames, advice)
                })
                .filter(|(told, ..)| told.is_none_or(|at| now.duration_since(at) >= INTERVAL))
                // Never comes before ever, and of equals the first is taken.
                .min_by_key(|(told, ..)| *told);
            let Some((_, key, frames, advice)) = due else { continue };
            let plural = if frames == 1 { "" } else { "s" };
            let message = format!("{}: {frames} frame{plural} {advice}", key.1.name());
            self.told.insert(key, now);
            hints.push(Hint { interface: one.interface.clone(), message });
        }
        hints
    }
}

/// What is worth a hint, with the frames that met it, the most promising first.
fn worth_telling(lately: &Counters) -> impl Iterator<Item = (Reason, u64, &'static str)> {
    let is_answered = lately.reflected() > 0;
    let seen = lately.iter().fold(0, |sum: u64, (_, frames)| sum.wrapping_add(frames));
    RULES.iter().filter_map(move |(reason, when, advice)| {
        let frames = lately.of(Verdict::Refuse(*reason));
        let is_worth_it = match when {
            When::Ever => frames > 0,
            When::NothingAnswered => !is_answered && frames >= FRAMES_MIN && frames >= seen / 2,
        };
        is_worth_it.then_some((*reason, frames, *advice))
    })
}

#[cfg(test)]
mod tests {
    use farend_core::Kind;

    use super::*;
    use crate::statistics::InterfaceStatistics;

    fn snapshot(counted: &[(Verdict, u32)]) -> Snapshot {
        let mut one = InterfaceStatistics { interface: "eth1".to_owned(), ..Default::default() };
        for (verdict, frames) in counted {
            for _ in 0..*frames {
                one.worker.counters.count(*verdict, 60);
            }
        }
        Snapshot { elapsed: Duration::from_secs(1), interfaces: vec![one], ..Snapshot::default() }
    }

    #[test]
    fn a_loop_risk_names_the_options_that_let_the_tester_through() {
        let mut hints = Hints::default();
        let seen = snapshot(&[(Verdict::Refuse(Reason::LoopRisk), 3)]);
        let hint = hints.look(&seen, Instant::now());
        assert!(hint[0].message.starts_with("loop_risk: 3 frames"), "{hint:?}");
        assert!(hint[0].message.contains("--tester-oui") && hint[0].message.contains("--allow"));
    }

    #[test]
    fn the_same_hint_waits_a_minute_and_needs_new_frames() {
        let mut hints = Hints::default();
        let start = Instant::now();
        let refused = Verdict::Refuse(Reason::LoopRisk);
        assert_eq!(hints.look(&snapshot(&[(refused, 1)]), start).len(), 1);
        assert_eq!(hints.look(&snapshot(&[(refused, 2)]), start + INTERVAL / 2).len(), 0);
        assert_eq!(hints.look(&snapshot(&[(refused, 2)]), start + INTERVAL).len(), 0);
        assert_eq!(hints.look(&snapshot(&[(refused, 3)]), start + INTERVAL).len(), 1);
    }

    #[test]
    fn a_reason_that_goes_on_hides_no_other() {
        let mut hints = Hints::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seen = |frames| {
            let reasons = [Reason::LoopRisk, Reason::RateCap, Reason::SourceNotAllowed];
            snapshot(&reasons.map(|reason| (Verdict::Refuse(reason), frames)))
        };
        let told = |hints: Vec<Hint>| -> Vec<String> {
            hints.iter().map(|hint| hint.message.split(':').next().unwrap_or("").into()).collect()
        };
        assert_eq!(told(hints.look(&seen(1), at(0))), ["loop_risk"]);
        assert_eq!(told(hints.look(&seen(2), at(10))), ["source_not_allowed"]);
        assert_eq!(told(hints.look(&seen(3), at(20))), ["rate_cap"]);
        assert_eq!(told(hints.look(&seen(4), at(30))), Vec::<String>::new());
        assert_eq!(told(hints.look(&seen(5), at(60))), ["loop_risk"]);
        // The one that waited longest, not the first again.
        assert_eq!(told(hints.look(&seen(6), at(130))), ["source_not_allowed"]);
        assert_eq!(told(hints.look(&seen(7), at(140))), ["rate_cap"]);
        assert_eq!(told(hints.look(&seen(8), at(150))), ["loop_risk"]);
    }

    #[test]
    fn foreign_traffic_beside_answers_is_no_hint() {
        let mut hints = Hints::default();
        let foreign = (Verdict::Refuse(Reason::ForeignDestinationMac), 1_000);
        let answered = (Verdict::Reflect(Kind::Probeot), 1);
        assert_eq!(hints.look(&snapshot(&[foreign, answered]), Instant::now()), []);
        let mut hints = Hints::default();
        assert_eq!(hints.look(&snapshot(&[foreign]), Instant::now()).len(), 1);
    }
}
