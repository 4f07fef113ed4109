//! `farend_shield`: keeps from the host stack what a tap before it answers,
//! and nothing else.

use farend_core::{Class, Reason, Verdict};
use farend_lab::{is_skipped_without_root, kernel::OBJECT};
use farend_truth::corpus::Entry;

use crate::{
    check_corpus, check_octets,
    program::{Program, RunError},
};

/// `TC_ACT_UNSPEC`, -1: whoever comes after the program decides.
const TC_ACT_UNSPEC: u32 = u32::MAX;
const TC_ACT_SHOT: u32 = 2;

/// A page without the room before and behind: `BPF_PROG_TEST_RUN` refuses
/// longer ones here.
const FRAME_OCTETS_MAX: usize = 3_000;

/// It also refuses frames that end inside a header it looks at itself.
fn is_refused(entry: &Entry) -> bool {
    let is_cut_off = matches!(
        entry.verdict,
        Verdict::Refuse(Reason::EthernetTruncated | Reason::Ipv4Truncated | Reason::Ipv6Truncated)
    );
    // The Ethernet header must not be all.
    is_cut_off || entry.octets.len() <= 14 || entry.octets.len() > FRAME_OCTETS_MAX
}

/// Runs the program on a frame, and says what is wrong.
fn check(program: &mut Program, entry: &Entry) -> Result<(), RunError> {
    if is_refused(entry) {
        return Err(RunError::Refused);
    }
    // The rate cap is the tap's own: what it does not answer must not load the
    // host either.
    let wanted = match entry.verdict.class() {
        Class::Reflected | Class::Dropped => TC_ACT_SHOT,
        Class::Answered | Class::Passed | Class::Malformed => TC_ACT_UNSPEC,
    };
    let run = program.run(&entry.octets)?;
    if run.action != wanted {
        return Err(format!("action {}, not {wanted}", run.action).into());
    }
    check_octets(&run.octets, &entry.octets)
}

#[test]
fn the_shield_drops_what_a_reflector_answers_and_nothing_else() {
    if is_skipped_without_root() {
        return;
    }
    check_corpus(OBJECT, "farend_shield", &[], is_refused, check);
}
