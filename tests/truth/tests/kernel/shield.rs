//! `farend_shield`: keeps from the host stack what a tap before it answers,
//! and nothing else.

use aya::{
    Ebpf, EbpfLoader,
    programs::{SchedClassifier, TestRun, TestRunOptions},
};
use farend_core::{Malformed, Policy, Verdict};
use farend_truth::{
    agreement,
    corpus::{self, Entry, by_policy},
};

use crate::{can_load, program};

const PROGRAM: &str = "farend_shield";

const TC_ACT_OK: u32 = 0;
const TC_ACT_SHOT: u32 = 2;

/// A page without the room before and behind: `BPF_PROG_TEST_RUN` refuses
/// longer ones here.
const FRAME_OCTETS_MAX: usize = 3_000;

/// It also refuses frames that end inside a header it looks at itself.
fn is_refused(entry: &Entry) -> bool {
    let is_cut_off = matches!(
        entry.verdict,
        Verdict::Malformed(
            Malformed::EthernetTruncated | Malformed::Ipv4Truncated | Malformed::Ipv6Truncated
        )
    );
    // The Ethernet header must not be all.
    is_cut_off || entry.octets.len() <= 14 || entry.octets.len() > FRAME_OCTETS_MAX
}

fn load(object: &[u8], policy: &Policy) -> Result<Ebpf, String> {
    let mut ebpf = EbpfLoader::new()
        .override_global("POLICY", policy.as_octets(), true)
        .load(object)
        .map_err(|error| program::said(&error))?;
    let shield: &mut SchedClassifier = ebpf
        .program_mut(PROGRAM)
        .ok_or("the object has no such program")?
        .try_into()
        .map_err(|error| program::said(&error))?;
    shield.load().map_err(|error| program::said(&error))?;
    Ok(ebpf)
}

/// The action, and the frame afterwards.
fn run(ebpf: &Ebpf, frame: &[u8]) -> Result<(u32, Vec<u8>), String> {
    let shield: &SchedClassifier = ebpf
        .program(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or("the program is gone")?;
    let mut octets = vec![0; frame.len() + 64];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut octets),
        ..TestRunOptions::default()
    };
    let run = shield.test_run(options).map_err(|error| program::said(&error))?;
    octets.truncate(run.data_size_out as usize);
    Ok((run.return_value, octets))
}

#[test]
fn the_shield_drops_what_a_reflector_answers_and_nothing_else() {
    if !can_load("the corpus through the shield") {
        return;
    }
    let object = program::object().unwrap_or_else(|error| panic!("{error}"));
    let entries = corpus::load().unwrap_or_else(|error| panic!("{error}"));
    let mut faults = Vec::new();
    let (mut dropped, mut passed, mut not_run) = (0, 0, 0);
    for (policy, entries) in by_policy(&entries) {
        let ebpf = load(&object, &entries[0].policy)
            .unwrap_or_else(|error| panic!("policy `{policy}` does not load: {error}"));
        for entry in entries {
            if is_refused(entry) {
                not_run += 1;
                continue;
            }
            // The rate cap is the tap's own: what it does not answer must not
            // load the host either.
            let wanted = match entry.verdict {
                Verdict::Reflect(_) | Verdict::Drop(_) => TC_ACT_SHOT,
                Verdict::Pass(_) | Verdict::Malformed(_) => TC_ACT_OK,
            };
            match run(&ebpf, &entry.octets) {
                Err(error) => faults.push(format!("{}: {error}", entry.name)),
                Ok((action, _)) if action != wanted => {
                    faults.push(format!("{}: action {action}, not {wanted}", entry.name));
                }
                Ok((_, octets)) if octets != entry.octets => {
                    let at = agreement::first_difference(&octets, &entry.octets);
                    faults.push(format!("{}: touched, from octet {at} on", entry.name));
                }
                Ok((TC_ACT_SHOT, _)) => dropped += 1,
                Ok(_) => passed += 1,
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    println!("the shield dropped {dropped} frames and passed {passed}");
    println!("{not_run} frames not run: BPF_PROG_TEST_RUN does not take them");
}
