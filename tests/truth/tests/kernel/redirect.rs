//! `farend_redirect`: hands to user space what a reflector answers, and nothing
//! else.
//!
//! No socket stands behind the map here, so that each frame comes back as
//! `XDP_PASS`; what the program decided shows in its counters. With sockets it
//! runs in the `AF_XDP` tier's own tests.

use farend_core::{
    Class,
    reflect::refused::{FRAME_OCTETS_MAX, RefusedFrame},
};
use farend_lab::{
    is_skipped_without_root,
    kernel::{REDIRECT_OBJECT, XDP_PASS},
};
use farend_truth::corpus::Entry;

use crate::{
    check_corpus, check_octets, is_too_short,
    program::{Program, RunError},
    reflect::State,
};

/// Frames given to a socket, frames that no socket took.
type HandedOver = [u64; 2];

/// Runs the program on a frame, and says what is wrong.
fn check(program: &mut Program, entry: &Entry) -> Result<(), RunError> {
    let run = program.run(&entry.octets)?;
    let [redirected, unclaimed]: HandedOver = program.take("REDIRECTED")?;
    let state: State = program.take("STATE")?;
    if run.action != XDP_PASS {
        return Err(format!("action {} without any socket", run.action).into());
    }
    check_octets(&run.octets, &entry.octets)?;
    // The rate cap is user space's own.
    let is_answered = matches!(entry.verdict.class(), Class::Reflected | Class::Dropped);
    if (redirected, unclaimed) != (0, u64::from(is_answered)) {
        return Err(format!("{redirected} redirected, {unclaimed} unclaimed").into());
    }
    let mut wanted: State = [0; _];
    if !is_answered {
        wanted[usize::from(entry.verdict.code())] = 1;
    }
    if state == wanted { Ok(()) } else { Err(format!("counted {state:?}").into()) }
}

#[test]
fn user_space_is_given_what_a_reflector_answers_and_nothing_else() {
    if is_skipped_without_root() {
        return;
    }
    check_corpus(REDIRECT_OBJECT, "farend_redirect", &[], is_too_short, check);
}

/// Runs the program on a frame with copies on, and says what is wrong.
fn check_copy(program: &mut Program, entry: &Entry) -> Result<(), RunError> {
    let run = program.run(&entry.octets)?;
    check_octets(&run.octets, &entry.octets)?;
    let is_answered = matches!(entry.verdict.class(), Class::Reflected | Class::Dropped);
    let record = match program.take_record("REFUSED")? {
        None if is_answered => return Ok(()),
        None => return Err("no copy".to_owned().into()),
        Some(_) if is_answered => return Err("copied though answered".to_owned().into()),
        Some(record) => record,
    };
    let copy = RefusedFrame::parse(&record).ok_or("a broken copy".to_owned())?;
    if (copy.verdict, copy.whole_octets as usize) != (entry.verdict, entry.octets.len()) {
        return Err(format!("copied as {:?}, {} octets", copy.verdict, copy.whole_octets).into());
    }
    check_octets(copy.octets, &entry.octets[..entry.octets.len().min(FRAME_OCTETS_MAX as usize)])
}

#[test]
fn refused_frames_alone_are_copied_octet_for_octet() {
    if is_skipped_without_root() {
        return;
    }
    let globals = [("REFUSED_EVERY", 1), ("REFUSED_OCTETS_MAX", FRAME_OCTETS_MAX)];
    check_corpus(REDIRECT_OBJECT, "farend_redirect", &globals, is_too_short, check_copy);
}
