//! The kernel program, loaded with one policy.

use std::{
    error::Error,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData, PerCpuArray},
    programs::{ProgramFd, Xdp},
};
use farend_core::{Counters, Policy};
use farend_driver::{observe::RefusedSample, privileges::Capability};

use super::{CAPABILITIES, KERNEL_MIN, TierError, is_kernel_too_old, permission_error};
use crate::sys::StateEntry;

/// The compiled programs, built from `ebpf/`.
const OBJECT: &[u8] = aya::include_bytes_aligned!("../../../../../ebpf/prebuilt/farend.bpf.o");

/// The one for AF_XDP sockets, in an object of its own.
const REDIRECT_OBJECT: &[u8] =
    aya::include_bytes_aligned!("../../../../../ebpf/prebuilt/farend-redirect.bpf.o");

/// The symbol that the policy is written over.
const POLICY: &str = "POLICY";

/// The map with one entry for each CPU.
const STATE: &str = "STATE";

/// The symbols that say what is copied of refused frames.
const REFUSED_EVERY: &str = "REFUSED_EVERY";
const REFUSED_OCTETS_MAX: &str = "REFUSED_OCTETS_MAX";

/// The ring of these copies.
pub(in crate::tier) const REFUSED: &str = "REFUSED";

/// Octets of that ring where it is used: 500 copies of the longest, and more of
/// shorter ones.
const REFUSED_RING_OCTETS: u32 = 1 << 20;

/// A program that may be attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tier) enum Source {
    /// Reflects in the kernel.
    Reflect,
    /// Hands frames to AF_XDP sockets, and copies of refused ones to a ring.
    Redirect(Option<RefusedSample>),
}

impl Source {
    const fn object_and_name(self) -> (&'static [u8], &'static str) {
        match self {
            Self::Reflect => (OBJECT, "farend_reflect"),
            Self::Redirect(_) => (REDIRECT_OBJECT, "farend_redirect"),
        }
    }
}

/// One loaded program with its counters.
pub(in crate::tier) struct Program {
    fd: ProgramFd,
    state: PerCpuArray<MapData, StateEntry>,
    /// Keeps the other maps.
    object: Ebpf,
}

impl Program {
    /// Loads it into the kernel.
    pub(in crate::tier) fn load(source: Source, policy: &Policy) -> Result<Self, TierError> {
        raise_locked_memory();
        let (object, name) = source.object_and_name();
        let mut loader = EbpfLoader::new();
        loader.override_global(POLICY, policy.as_octets(), true);
        if let Source::Redirect(Some(RefusedSample { every, octets_max })) = &source {
            loader
                .override_global(REFUSED_EVERY, every, true)
                .override_global(REFUSED_OCTETS_MAX, octets_max, true)
                .map_max_entries(REFUSED, REFUSED_RING_OCTETS);
        }
        let mut object = loader.load(object).map_err(|error| load_error(&error))?;
        let state = object.take_map(STATE).ok_or_else(|| incomplete(STATE))?;
        let state = match state {
            Map::PerCpuArray(_) => PerCpuArray::try_from(state).map_err(|error| load_error(&error)),
            _ => Err(incomplete(STATE)),
        }?;
        let program = object.program_mut(name).ok_or_else(|| incomplete(name))?;
        let program: &mut Xdp = program.try_into().map_err(|error| load_error(&error))?;
        program.load().map_err(|error| load_error(&error))?;
        let fd = program.fd().map_err(|error| load_error(&error))?;
        let fd = fd.try_clone().map_err(|error| load_error(&error))?;
        Ok(Self { fd, state, object })
    }

    /// Takes a map of the object, once.
    pub(in crate::tier) fn take_map(&mut self, name: &str) -> Result<Map, TierError> {
        self.object.take_map(name).ok_or_else(|| incomplete(name))
    }

    /// What it has counted, over all CPUs.
    pub(in crate::tier) fn counters(&self) -> Result<Counters, TierError> {
        let entries = self
            .state
            .get(&0, 0)
            .map_err(|error| TierError::new(format!("cannot read the counters: {error}")))?;
        let mut sum = Counters::new();
        for entry in entries.iter() {
            sum.merge(&entry.0.counters);
        }
        Ok(sum)
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Before Linux 5.11 maps count as locked memory.
fn raise_locked_memory() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Where it is refused and needed, creating the map fails and says so.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
}

pub(in crate::tier) fn incomplete(name: &str) -> TierError {
    TierError::new(format!("the built-in kernel object has no {name}"))
        .with_advice("build it again: cargo xtask ebpf")
}

/// Says why loading failed, in one line.
pub(in crate::tier) fn load_error(error: &(dyn Error + 'static)) -> TierError {
    if let Some(release) = is_kernel_too_old() {
        let (major, minor) = KERNEL_MIN;
        return TierError::new(format!(
            "Linux {release} is too old: the kernel program needs {major}.{minor} or later"
        ))
        .with_advice("use --tier af-packet");
    }
    match os_error(error) {
        Some(libc::EPERM) => permission_error(&CAPABILITIES),
        Some(libc::EACCES) if !Capability::PERFMON.is_held() => permission_error(&CAPABILITIES),
        Some(libc::ENOSYS) => {
            TierError::new("this kernel has no bpf(2)").with_advice("use --tier af-packet")
        }
        Some(libc::EMFILE) => TierError::new("too many open files to load the program")
            .with_advice("raise the limit: ulimit -n 1024"),
        Some(libc::ENOMEM) => {
            TierError::new("the kernel has no memory for the program's map, or may not lock it")
                .with_advice("raise the limit: ulimit -l unlimited")
        }
        Some(code) => TierError::new(format!(
            "the kernel refuses the program: {}",
            io::Error::from_raw_os_error(code)
        ))
        .with_advice("use --tier af-packet"),
        None => {
            let text = error.to_string();
            TierError::new(text.lines().next().unwrap_or_default().to_owned())
        }
    }
}

/// The kernel's error number somewhere below this error.
fn os_error(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        next = error.source();
    }
    None
}
