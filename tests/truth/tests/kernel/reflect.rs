//! `farend_reflect`: what it decided on a frame, by its action and counters.

use std::mem::{offset_of, size_of};

use farend_core::{
    Class, Counters, Verdict, reflect::cpu_state::CpuState, reflect::verdict::CODES,
};
use farend_lab::kernel::{XDP_DROP, XDP_PASS, XDP_TX};
use farend_truth::{
    options::PolicyOptions,
    oracle::{self, Outcome},
};

use crate::program::{Program, RunError};

pub(crate) const PROGRAM: &str = "farend_reflect";

/// One CPU's state as plain numbers.
pub(crate) type State = [u64; size_of::<CpuState>() / 8];

/// Counters stand first, frames by code, then the octets.
const OCTETS_WORD: usize = offset_of!(Counters, reflected_octets) / 8;
const _: () = assert!(offset_of!(CpuState, counters) == 0 && OCTETS_WORD == CODES);

/// Less than the first fragment of a frame that `BPF_PROG_TEST_RUN` splits: a
/// page without the room that the kernel keeps before and behind.
const FRAGMENT_OCTETS_MIN: usize = 3_072;

/// The bucket's two words: what is missing, and its last tick.
const BUCKET_WORD: usize = offset_of!(CpuState, bucket) / 8;
const _: () = assert!(size_of::<CpuState>() / 8 == BUCKET_WORD + 2);

/// Runs the program on a frame, with nothing counted before. The bucket is
/// full if these options leave the frame a permit, else empty.
pub(crate) fn run(
    program: &mut Program,
    frame: &[u8],
    options: &PolicyOptions,
) -> Result<Outcome, RunError> {
    let mut state: State = [0; size_of::<CpuState>() / 8];
    if !oracle::has_permit(options) {
        // All is missing, and the kernel's tick lies before the last one, so
        // that nothing is refilled however long the run takes.
        state[BUCKET_WORD..].copy_from_slice(&[u64::MAX, u64::MAX / 4]);
    }
    program.set("STATE", state)?;
    let run = program.run(frame)?;
    let state = program.take("STATE")?;
    let verdict = counted(&state, run.action, frame.len())?;
    Ok(Outcome { verdict, octets: run.octets })
}

/// The one verdict that was counted, which the action must fit.
fn counted(state: &State, action: u32, frame_octets: usize) -> Result<Verdict, String> {
    let counted: Vec<usize> = (0..CODES).filter(|code| state[*code] != 0).collect();
    let [code] = counted[..] else { return Err(format!("counted codes {counted:?}")) };
    if state[code] != 1 {
        return Err(format!("one frame was counted {} times", state[code]));
    }
    let verdict = u8::try_from(code)
        .ok()
        .and_then(Verdict::from_code)
        .ok_or_else(|| format!("counted code {code}, which is no verdict"))?;
    let (wanted_action, wanted_octets) = match verdict.class() {
        Class::Reflected => (XDP_TX, frame_octets as u64),
        Class::Dropped => (XDP_DROP, 0),
        Class::Answered | Class::Passed | Class::Malformed => (XDP_PASS, 0),
    };
    if action != wanted_action {
        return Err(format!("{verdict:?}, but XDP action {action}"));
    }
    let octets = state[OCTETS_WORD];
    // A frame in fragments whose packet ends in the first one is counted as
    // that one alone: `Window::len` says so, and asking for more would cost
    // every frame a call.
    let is_first_fragment =
        frame_octets > FRAGMENT_OCTETS_MIN && (FRAGMENT_OCTETS_MIN as u64..).contains(&octets);
    if octets != wanted_octets && !is_first_fragment {
        return Err(format!("{octets} octets counted, not {wanted_octets}"));
    }
    Ok(verdict)
}
