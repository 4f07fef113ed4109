//! One program of an object in the kernel, loaded with a policy and run on one
//! frame at a time.

use std::{fs, io};

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{MapData, PerCpuArray, PerCpuValues, RingBuf},
    programs::{self, TestRun, TestRunOptions},
    util::nr_cpus,
};
use farend_core::Policy;

/// A program in the kernel. It is unloaded when this is dropped.
pub(crate) struct Program {
    ebpf: Ebpf,
    name: &'static str,
}

/// What a run gave.
pub(crate) struct Run {
    pub(crate) action: u32,
    /// The frame afterwards.
    pub(crate) octets: Vec<u8>,
}

/// Why a frame was not run.
pub(crate) enum RunError {
    /// `BPF_PROG_TEST_RUN` takes no such frame, as none below 14 octets.
    Refused,
    /// Anything else.
    Failed(String),
}

/// Symbols of an object and the values they get before it is loaded.
pub(crate) type Globals = [(&'static str, u32)];

/// An object under test: the checked-in one, or that of `FAREND_BPF_OBJECTS`.
pub(crate) fn object(name: &str) -> Result<Vec<u8>, String> {
    let path = farend_lab::kernel::object_path(name);
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

impl Program {
    /// Loads the program of this name, specialised by a policy and more: the
    /// verifier's word on it is part of the error.
    pub(crate) fn load(
        object: &[u8],
        name: &'static str,
        policy: &Policy,
        globals: &Globals,
    ) -> Result<Self, String> {
        let mut loader = EbpfLoader::new();
        loader.override_global("POLICY", policy.as_octets(), true);
        for (symbol, value) in globals {
            loader.override_global(symbol, value, true);
        }
        let mut ebpf = loader.load(object).map_err(|error| said(&error))?;
        let outcome = match ebpf.program_mut(name) {
            Some(programs::Program::Xdp(xdp)) => xdp.load(),
            Some(programs::Program::SchedClassifier(classifier)) => classifier.load(),
            _ => return Err(format!("the object has no program {name} to test")),
        };
        outcome.map_err(|error| said(&error))?;
        Ok(Self { ebpf, name })
    }

    /// Runs the program on a frame.
    pub(crate) fn run(&self, frame: &[u8]) -> Result<Run, RunError> {
        let mut octets = vec![0; frame.len() + 64];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut octets),
            ..TestRunOptions::default()
        };
        let run = match self.ebpf.program(self.name) {
            Some(programs::Program::Xdp(xdp)) => xdp.test_run(options),
            Some(programs::Program::SchedClassifier(classifier)) => classifier.test_run(options),
            _ => return Err(RunError::Failed("the program is gone".to_owned())),
        };
        let run = run.map_err(|error| {
            let kind = io_error(&error).map(io::Error::kind);
            if frame.len() < 14 && kind == Some(io::ErrorKind::InvalidInput) {
                RunError::Refused
            } else {
                RunError::Failed(said(&error))
            }
        })?;
        octets.truncate(run.data_size_out as usize);
        Ok(Run { action: run.return_value, octets })
    }

    /// The sums of a map over all CPUs, which are then set to zero.
    pub(crate) fn take<const WORDS: usize>(&mut self, name: &str) -> Result<[u64; WORDS], String>
    where
        [u64; WORDS]: Pod,
    {
        let values = self.words(name)?.get(&0, 0).map_err(|error| said(&error))?;
        let mut sum = [0_u64; WORDS];
        for words in values.iter() {
            for (sum, word) in sum.iter_mut().zip(words) {
                *sum = sum.wrapping_add(*word);
            }
        }
        self.set(name, [0; WORDS])?;
        Ok(sum)
    }

    /// Gives a map this value on every CPU.
    pub(crate) fn set<const WORDS: usize>(
        &mut self,
        name: &str,
        words: [u64; WORDS],
    ) -> Result<(), String>
    where
        [u64; WORDS]: Pod,
    {
        let cpus = nr_cpus().map_err(|(file, error)| format!("{file}: {error}"))?;
        let values = PerCpuValues::try_from(vec![words; cpus]).map_err(|error| said(&error))?;
        self.words(name)?.set(0, values, 0).map_err(|error| said(&error))
    }

    fn words<const WORDS: usize>(
        &mut self,
        name: &str,
    ) -> Result<PerCpuArray<&mut MapData, [u64; WORDS]>, String>
    where
        [u64; WORDS]: Pod,
    {
        let map = self.ebpf.map_mut(name).ok_or("the object has no such map")?;
        map.try_into().map_err(|error| said(&error))
    }

    /// The oldest record of a ring, which is then gone from there.
    pub(crate) fn take_record(&mut self, map: &str) -> Result<Option<Vec<u8>>, String> {
        let map = self.ebpf.map_mut(map).ok_or("the object has no such map")?;
        let mut ring: RingBuf<_> = map.try_into().map_err(|error| said(&error))?;
        let record = ring.next().map(|record| record.to_vec());
        Ok(record)
    }
}

impl From<String> for RunError {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// An error with all of its causes.
fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", said(source)),
        None => error.to_string(),
    }
}

/// The system call's own error, however deep.
fn io_error<'error>(error: &'error (dyn std::error::Error + 'static)) -> Option<&'error io::Error> {
    error.downcast_ref().or_else(|| error.source().and_then(io_error))
}
