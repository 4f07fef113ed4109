//! `farend_reflect`, loaded with a policy and run on one frame at a time.

use std::{
    fs, io,
    mem::{offset_of, size_of},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{PerCpuArray, PerCpuValues},
    programs::{TestRun, TestRunOptions, Xdp},
    util::nr_cpus,
};
use farend_core::{Counters, Policy, Verdict, cpu_state::CpuState, verdict::CODES};
use farend_lab::kernel::{XDP_DROP, XDP_PASS, XDP_TX};
use farend_truth::oracle::Outcome;

const PROGRAM: &str = "farend_reflect";
const STATE: &str = "STATE";

/// One CPU's state as plain numbers.
type Words = [u64; size_of::<CpuState>() / 8];

/// Counters stand first, frames by code, then the octets.
const OCTETS_WORD: usize = offset_of!(Counters, reflected_octets) / 8;
const _: () = assert!(offset_of!(CpuState, counters) == 0 && OCTETS_WORD == CODES);

/// Less than the first fragment of a frame that `BPF_PROG_TEST_RUN` splits: a
/// page without the room that the kernel keeps before and behind.
const FRAGMENT_OCTETS_MIN: usize = 3_072;

/// The program in the kernel. It is unloaded when this is dropped.
pub(crate) struct Program(Ebpf);

/// Why a frame was not run.
pub(crate) enum RunError {
    /// The kernel takes no frame as short as this.
    TooShort,
    /// Anything else.
    Failed(String),
}

/// The object under test: the checked-in one, or that of `FAREND_BPF_OBJECTS`.
pub(crate) fn object() -> Result<Vec<u8>, String> {
    read(farend_lab::kernel::OBJECT)
}

/// As [`object`], by name.
pub(crate) fn read(name: &str) -> Result<Vec<u8>, String> {
    let path = farend_lab::kernel::object_path(name);
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

impl Program {
    /// Loads the program, specialised by a policy: the verifier's word on it
    /// is part of the error.
    pub(crate) fn load(object: &[u8], policy: &Policy) -> Result<Self, String> {
        let mut ebpf = EbpfLoader::new()
            .override_global("POLICY", policy.as_octets(), true)
            .load(object)
            .map_err(|error| said(&error))?;
        let program: &mut Xdp = ebpf
            .program_mut(PROGRAM)
            .ok_or("the object has no such program")?
            .try_into()
            .map_err(|error| said(&error))?;
        program.load().map_err(|error| said(&error))?;
        Ok(Self(ebpf))
    }

    /// Runs the program on a frame, with nothing counted and no permit saved
    /// before.
    pub(crate) fn run(&mut self, frame: &[u8]) -> Result<Outcome, RunError> {
        self.write_state(&[0; size_of::<CpuState>() / 8]).map_err(RunError::Failed)?;
        let mut octets = vec![0; frame.len() + 64];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut octets),
            ..TestRunOptions::default()
        };
        let program: &Xdp = self
            .0
            .program(PROGRAM)
            .and_then(|program| program.try_into().ok())
            .ok_or_else(|| RunError::Failed("the program is gone".to_owned()))?;
        let run = program.test_run(options).map_err(|error| {
            let kind = io_error(&error).map(io::Error::kind);
            if frame.len() < 14 && kind == Some(io::ErrorKind::InvalidInput) {
                RunError::TooShort
            } else {
                RunError::Failed(said(&error))
            }
        })?;
        octets.truncate(run.data_size_out as usize);
        let verdict = self.counted(run.return_value, frame.len()).map_err(RunError::Failed)?;
        Ok(Outcome { verdict, octets })
    }

    /// The one verdict that was counted, which the action must fit.
    fn counted(&self, action: u32, frame_octets: usize) -> Result<Verdict, String> {
        let words = self.read_state()?;
        let counted: Vec<usize> = (0..CODES).filter(|code| words[*code] != 0).collect();
        let [code] = counted[..] else { return Err(format!("counted codes {counted:?}")) };
        if words[code] != 1 {
            return Err(format!("one frame was counted {} times", words[code]));
        }
        let verdict = u8::try_from(code)
            .ok()
            .and_then(Verdict::from_code)
            .ok_or_else(|| format!("counted code {code}, which is no verdict"))?;
        let (wanted_action, wanted_octets) = match verdict {
            Verdict::Reflect(_) => (XDP_TX, frame_octets as u64),
            Verdict::Drop(_) => (XDP_DROP, 0),
            Verdict::Pass(_) | Verdict::Malformed(_) => (XDP_PASS, 0),
        };
        if action != wanted_action {
            return Err(format!("{verdict:?}, but XDP action {action}"));
        }
        let octets = words[OCTETS_WORD];
        // A frame in fragments whose packet ends in the first one is counted
        // as that one alone: `Window::len` says so, and asking for more would
        // cost every frame a call.
        let is_first_fragment =
            frame_octets > FRAGMENT_OCTETS_MIN && (FRAGMENT_OCTETS_MIN as u64..).contains(&octets);
        if octets != wanted_octets && !is_first_fragment {
            return Err(format!("{octets} octets counted, not {wanted_octets}"));
        }
        Ok(verdict)
    }

    fn write_state(&mut self, words: &Words) -> Result<(), String> {
        let map = self.0.map_mut(STATE).ok_or("the object has no such map")?;
        let mut state: PerCpuArray<_, Words> = map.try_into().map_err(|error| said(&error))?;
        let cpus = nr_cpus().map_err(|(file, error)| format!("{file}: {error}"))?;
        let values = PerCpuValues::try_from(vec![*words; cpus]).map_err(|error| said(&error))?;
        state.set(0, values, 0).map_err(|error| said(&error))
    }

    /// The sums over all CPUs.
    fn read_state(&self) -> Result<Words, String> {
        let map = self.0.map(STATE).ok_or("the object has no such map")?;
        let state: PerCpuArray<_, Words> = map.try_into().map_err(|error| said(&error))?;
        let values = state.get(&0, 0).map_err(|error| said(&error))?;
        Ok(values.iter().fold([0; size_of::<CpuState>() / 8], |mut sum, words| {
            for (sum, word) in sum.iter_mut().zip(words) {
                *sum = sum.wrapping_add(*word);
            }
            sum
        }))
    }
}

/// An error with all of its causes.
pub(crate) fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", said(source)),
        None => error.to_string(),
    }
}

/// The system call's own error, however deep.
pub(crate) fn io_error<'error>(
    error: &'error (dyn std::error::Error + 'static),
) -> Option<&'error io::Error> {
    error.downcast_ref().or_else(|| error.source().and_then(io_error))
}
