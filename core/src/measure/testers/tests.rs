//! The table against a map that forgets nothing.

extern crate std;

use std::{collections::HashMap, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{Kind, MacAddress, Reason};

fn sender(number: u8) -> Sender {
    Sender { mac: MacAddress([2, 0, 0, 0, 0, number]), address: [192, 0, 2, number].into() }
}

fn table(sets: usize) -> Testers<Vec<Set>> {
    Testers::new(vec![Set::default(); sets], 7)
}

/// A frame: who, with which verdict, of how many octets.
fn frames() -> impl Strategy<Value = Vec<(u8, Verdict, usize)>> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Reflect(Kind::Probeot)),
        1 => Just(Verdict::Refuse(Reason::RateCap)),
        1 => Just(Verdict::Refuse(Reason::UdpPort)),
        1 => Just(Verdict::Refuse(Reason::UdpLength)),
    ];
    prop::collection::vec((0..24_u8, verdict, 14..1514_usize), 0..300)
}

/// The slow truth: everybody's tally, and when each was seen last.
#[derive(Default)]
struct Oracle {
    known: HashMap<Sender, (Tally, u64)>,
    evicted: Evicted,
}

impl Oracle {
    fn count(&mut self, sender: Sender, verdict: Verdict, octets: usize, now_ns: u64, room: usize) {
        if !matches!(verdict.class(), Class::Reflected | Class::Dropped) {
            return;
        }
        if !self.known.contains_key(&sender) && self.known.len() == room {
            let oldest = *self.known.iter().min_by_key(|(_, (_, seen))| seen).unwrap().0;
            let (tally, _) = self.known.remove(&oldest).unwrap();
            self.evicted.testers += 1;
            self.evicted.tally.merge(&tally);
        }
        let (tally, seen) = self.known.entry(sender).or_default();
        assert!(tally.count(verdict, octets));
        *seen = now_ns;
    }
}

fn known(testers: &Testers<Vec<Set>>) -> HashMap<Sender, (Tally, u64)> {
    let known: Vec<_> = testers.iter().collect();
    let map: HashMap<_, _> =
        known.iter().map(|one| (one.sender, (one.tally, one.last_seen_ns))).collect();
    assert_eq!(map.len(), known.len(), "a tester stands in two places");
    map
}

/// Everything that was counted, told apart or not.
fn whole(testers: &Testers<Vec<Set>>) -> Tally {
    let mut whole = testers.evicted().tally;
    testers.iter().for_each(|tester| whole.merge(&tester.tally));
    whole
}

proptest! {
    #[test]
    fn one_set_evicts_exactly_the_longest_silent(frames in frames()) {
        let (mut testers, mut oracle) = (table(1), Oracle::default());
        for (now_ns, (number, verdict, octets)) in (1..).zip(frames) {
            testers.count(&sender(number), verdict, octets, now_ns);
            oracle.count(sender(number), verdict, octets, now_ns, WAYS);
            prop_assert_eq!(known(&testers), oracle.known.clone());
            prop_assert_eq!(*testers.evicted(), oracle.evicted);
        }
    }

    #[test]
    fn nothing_is_forgotten_in_any_number_of_sets(sets in 0..5_usize, frames in frames()) {
        let (mut testers, mut oracle) = (table(sets), Oracle::default());
        for (now_ns, (number, verdict, octets)) in (1..).zip(frames) {
            testers.count(&sender(number), verdict, octets, now_ns);
            oracle.count(sender(number), verdict, octets, now_ns, usize::MAX);
        }
        let mut expected = Tally::default();
        oracle.known.values().for_each(|(tally, _)| expected.merge(tally));
        prop_assert_eq!(whole(&testers), expected);
        if testers.evicted().testers == 0 {
            prop_assert_eq!(known(&testers), oracle.known);
        }
    }

    #[test]
    fn merged_workers_have_what_one_would_have(frames in frames(), sets in 1..40_usize) {
        let mut workers = [table(sets), table(sets)];
        let mut oracle = Oracle::default();
        for (now_ns, (number, verdict, octets)) in (1..).zip(frames) {
            workers[usize::from(number % 3 == 0)].count(&sender(number), verdict, octets, now_ns);
            oracle.count(sender(number), verdict, octets, now_ns, usize::MAX);
        }
        let [mut merged, other] = workers;
        let evictions = merged.evicted().testers + other.evicted().testers;
        merged.merge(&other);
        prop_assert!(merged.evicted().testers >= evictions);
        let mut expected = Tally::default();
        oracle.known.values().for_each(|(tally, _)| expected.merge(tally));
        prop_assert_eq!(whole(&merged), expected);
        if merged.evicted().testers == 0 {
            prop_assert_eq!(known(&merged), oracle.known);
        }
    }
}

#[test]
fn merging_leaves_out_the_longest_silent_of_both() {
    let (mut old, mut new) = (table(1), table(1));
    for number in 0..8 {
        old.count(&sender(number), Verdict::Reflect(Kind::Any), 60, 10 + u64::from(number));
        new.count(&sender(100 + number), Verdict::Reflect(Kind::Any), 60, 100 + u64::from(number));
    }
    let (mut one, mut two) = (old.clone(), new.clone());
    one.merge(&new);
    two.merge(&old);
    assert_eq!(known(&one), known(&new));
    assert_eq!(known(&two), known(&new));
    assert_eq!((one.evicted().testers, two.evicted().testers), (8, 8));
}

#[test]
fn senders_spread_over_the_sets() {
    let mut testers = table(64);
    for number in 0..=u8::MAX {
        testers.count(&sender(number), Verdict::Reflect(Kind::Any), 60, 1);
    }
    // Half full: few of them meet nine in one set.
    assert!(testers.evicted().testers < 8, "{}", testers.evicted().testers);
    assert_eq!(testers.capacity(), 512);
}
