//! The kernel program against user space: the same verdict, the fitting XDP
//! action and counter, and the same octets, by `BPF_PROG_TEST_RUN`.
#![cfg(target_os = "linux")]

mod program;
mod redirect;
mod reflect;
mod shield;

/// Random policies, each loaded once, and random frames for each of them.
const POLICIES: usize = 40;
const FRAMES_PER_POLICY: usize = 150;

use farend_lab::{is_skipped_without_root, kernel::OBJECT};
use farend_truth::{
    agreement,
    corpus::{self, Entry, by_policy},
    generator, oracle,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::program::{Globals, Program, RunError};

/// Fewer would not be the corpus.
const ENTRIES_MIN: usize = 400;

/// Frames that `BPF_PROG_TEST_RUN` refuses, at most: it takes none below 14 octets.
const REFUSED_OCTETS_MAX: usize = 13;

/// Checks a program on each frame of the corpus, loaded with the frame's policy.
/// Each is run, but for those that no machine can run.
fn check_corpus(
    object: &str,
    name: &'static str,
    globals: &Globals,
    is_refused: impl Fn(&Entry) -> bool,
    check: impl Fn(&mut Program, &Entry) -> Result<(), RunError>,
) {
    let object = program::object(object).unwrap_or_else(|error| panic!("{error}"));
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let by_policy = by_policy(&entries);
    let mut faults = Vec::new();
    assert!(entries.len() >= ENTRIES_MIN, "{} frames are not the corpus", entries.len());
    let (mut run, mut refused) = (0, 0);
    for (policy, entries) in &by_policy {
        let mut program = match Program::load(&object, name, &entries[0].policy, globals) {
            Ok(program) => program,
            Err(error) => {
                faults.push(format!("policy `{policy}` does not load: {error}"));
                continue;
            }
        };
        for entry in entries {
            match check(&mut program, entry) {
                Ok(()) => run += 1,
                Err(RunError::Refused) if is_refused(entry) => refused += 1,
                Err(RunError::Refused) => faults.push(format!("{}: refused", entry.name)),
                Err(RunError::Failed(error)) => faults.push(format!("{}: {error}", entry.name)),
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!("{name}: {run} frames under {} policies", by_policy.len());
    assert_eq!(run + refused, entries.len(), "{name}: frames of the corpus");
    if refused > 0 {
        // Not a skip: no machine can run them.
        println!("{refused} frames not run: BPF_PROG_TEST_RUN does not take them");
    }
}

/// Whether `BPF_PROG_TEST_RUN` gives a frame to no XDP program.
fn is_too_short(entry: &Entry) -> bool {
    entry.octets.len() <= REFUSED_OCTETS_MAX
}

/// Checks what a program left of a frame.
fn check_octets(octets: &[u8], wanted: &[u8]) -> Result<(), RunError> {
    if octets == wanted {
        return Ok(());
    }
    let at = agreement::first_difference(octets, wanted);
    Err(format!("other octets than wanted from octet {at} on").into())
}

#[test]
fn every_frame_of_the_corpus_gets_in_the_kernel_what_it_gets_in_user_space() {
    if is_skipped_without_root() {
        return;
    }
    check_corpus(OBJECT, reflect::PROGRAM, &[], is_too_short, |program, entry| {
        let outcome = reflect::run(program, &entry.octets, &entry.options)?;
        if outcome.verdict != entry.verdict {
            let (got, wanted) = (outcome.verdict, entry.verdict);
            return Err(format!("{got:?}, but the file says {wanted:?}").into());
        }
        let wanted = agreement::reflect_slice(&entry.octets, &entry.policy);
        check_octets(&outcome.octets, &wanted.octets)
    });
}

#[test]
fn a_policy_without_a_rate_cap_answers_as_often_as_asked() {
    if is_skipped_without_root() {
        return;
    }
    let object = program::object(OBJECT).unwrap_or_else(|error| panic!("{error}"));
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let entry = entries.iter().find(|entry| entry.name == "signature-probeot").unwrap();
    let mut program = Program::load(&object, reflect::PROGRAM, &entry.policy, &[])
        .unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..100 {
        let Ok(outcome) = reflect::run(&mut program, &entry.octets, &entry.options) else {
            panic!("the frame was not run")
        };
        assert_eq!(outcome, oracle::reflect(&entry.octets, &entry.options));
    }
}

#[test]
fn random_frames_get_in_the_kernel_what_they_get_in_user_space() {
    if is_skipped_without_root() {
        return;
    }
    let object = program::object(OBJECT).unwrap_or_else(|error| panic!("{error}"));
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &seed()),
    );
    let (mut run, mut answered) = (0_usize, 0);
    for _ in 0..POLICIES {
        let Ok(options) = generator::policies().new_tree(&mut runner) else { continue };
        let options = options.current();
        let policy = options.build().unwrap_or_else(|error| panic!("{error}"));
        let mut program = Program::load(&object, reflect::PROGRAM, &policy, &[])
            .unwrap_or_else(|error| panic!("policy `{options}` does not load: {error}"));
        for _ in 0..FRAMES_PER_POLICY {
            let Ok(frame) = generator::frames().new_tree(&mut runner) else { continue };
            let frame = frame.current();
            let truth = agreement::check(&frame, &options, &policy)
                .unwrap_or_else(|disagreement| panic!("{disagreement}"));
            match reflect::run(&mut program, &frame, &options) {
                Err(RunError::Refused) => {}
                Err(RunError::Failed(error)) => {
                    panic!("{error}: {}", agreement::as_corpus_file(&frame, &options, &policy))
                }
                Ok(outcome) => {
                    assert_eq!(
                        outcome.verdict,
                        truth.verdict,
                        "{}",
                        agreement::as_corpus_file(&frame, &options, &policy)
                    );
                    assert!(
                        outcome.octets == truth.octets,
                        "other octets in the kernel: {}",
                        agreement::as_corpus_file(&frame, &options, &policy)
                    );
                    run += 1;
                    answered += u32::from(outcome.verdict.is_sent());
                }
            }
        }
    }
    println!("{run} random frames, {answered} of them answered");
    assert!(run > POLICIES * FRAMES_PER_POLICY / 2, "only {run} random frames were run");
    assert!(answered > 100, "only {answered} of {run} random frames were answered");
}

/// Another one for every run; `FAREND_SEED` repeats a run.
fn seed() -> [u8; 32] {
    let text = std::env::var("FAREND_SEED").unwrap_or_else(|_| std::process::id().to_string());
    println!("FAREND_SEED={text}");
    let mut seed = [0; 32];
    for (seed, octet) in seed.iter_mut().zip(text.bytes()) {
        *seed = octet;
    }
    seed
}
