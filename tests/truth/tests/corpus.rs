//! Every frame of the corpus, over a slice, over raw pointers and through the
//! oracle.

use std::collections::BTreeSet;

use farend_core::{Kind, Reason, Verdict};
use farend_truth::{agreement, corpus, oracle};

/// Fewer would leave boundaries out.
const ENTRIES_MIN: usize = 450;

#[test]
fn every_frame_has_its_verdict_and_all_reflectors_agree() {
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let mut faults = Vec::new();
    for entry in &entries {
        let name = &entry.name;
        match agreement::check(&entry.octets, &entry.options, &entry.policy) {
            Err(disagreement) => faults.push(format!("{name}: {disagreement}")),
            Ok(outcome) if outcome.verdict != entry.verdict => {
                let (got, wanted) = (outcome.verdict, entry.verdict);
                faults.push(format!("{name}: {got:?}, but the file says {wanted:?}"));
            }
            Ok(outcome) => {
                // What is not answered is left as it is.
                let wanted = entry.answer.as_ref().unwrap_or(&entry.octets);
                if *wanted != outcome.octets {
                    faults.push(format!("{name}: not the answer of the file"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!("{} frames", entries.len());
}

#[test]
fn frame_has_an_expected_answer_if_and_only_if_it_is_answered() {
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let wrong: Vec<_> = entries
        .iter()
        .filter(|entry| entry.verdict.is_sent() != entry.answer.is_some())
        .map(|entry| format!("{}.frame", entry.name))
        .collect();
    assert!(wrong.is_empty(), "`answer` is missing, or is too much, in {wrong:?}");
}

#[test]
fn the_corpus_has_every_outcome() {
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    assert!(entries.len() >= ENTRIES_MIN, "{} entries", entries.len());
    let seen: BTreeSet<u8> = entries.iter().map(|entry| entry.verdict.code()).collect();
    let kinds = Kind::ALL.iter().map(|kind| Verdict::Reflect(*kind));
    let reasons = Reason::ALL.iter().map(|reason| Verdict::Refuse(*reason));
    let missing: Vec<_> = kinds
        .chain(reasons)
        .filter(|verdict| !seen.contains(&verdict.code()))
        .map(Verdict::name)
        .collect();
    assert!(missing.is_empty(), "no frame for {missing:?}");
}

#[test]
fn no_two_entries_are_the_same_frame_under_the_same_policy() {
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    for (index, entry) in entries.iter().enumerate() {
        for other in &entries[index + 1..] {
            assert!(
                entry.octets != other.octets || entry.options != other.options,
                "{} and {} are the same frame under the same policy",
                entry.name,
                other.name
            );
        }
    }
}

#[test]
fn the_answers_checksums_are_right_unless_the_file_is_about_wrong_ones() {
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    for entry in &entries {
        let Ok(dissection) = oracle::dissect(&entry.octets, &entry.options) else { continue };
        let answer = oracle::reflect(&entry.octets, &entry.options).octets;
        // A datagram whose length was made odd keeps the checksum of the whole.
        let is_about_sums = ["checksum-wrong", "everything-off", "udp-length", "udp-shorter"]
            .iter()
            .any(|part| entry.name.contains(part));
        if !is_about_sums {
            assert!(agreement::has_sound_sums(&answer, &dissection), "{}", entry.name);
        }
    }
}
