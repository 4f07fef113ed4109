//! The kernel as a test fixture: XDP programs of the checked-in objects, run by
//! `BPF_PROG_TEST_RUN` or attached to an interface of the lab.

use std::{collections::BTreeMap, env, os::fd::AsFd as _, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{MapInfo, MapType, PerCpuArray},
    programs::{
        SchedClassifier, Xdp, XdpMode,
        xdp::{XdpLink, XdpLinkId},
    },
};
use aya::{TestRun, TestRunAttrs, TestRunOptions};
use farend_core::{Counters, Policy, reflect::cpu_state::CpuState, reflect::refused};
use rustix::time::{ClockId, clock_gettime};

use crate::{Host, interpreter, sys};

/// The frame was dropped; `linux/bpf.h`, `enum xdp_action`.
pub const XDP_DROP: u32 = 1;
/// The frame goes on to the host.
pub const XDP_PASS: u32 = 2;
/// The frame is sent back.
pub const XDP_TX: u32 = 3;

/// Octets at the front of a frame that source and counter know.
pub(crate) const FRONT_OCTETS: usize = 56;

/// Frames of one burst of the live-frame source, at most what the kernel takes.
const LIVE_BURST_FRAMES: u32 = 64;

/// Environment variable that names another folder to load objects from.
pub const OBJECTS_VARIABLE: &str = "FAREND_BPF_OBJECTS";

/// The object with the reflecting program and the shield.
pub const OBJECT: &str = "farend";

/// The object with the lab's own programs, which no driver loads.
pub const LAB_OBJECT: &str = "farend-lab";

/// The object with the program of the `AF_XDP` tier.
pub const REDIRECT_OBJECT: &str = "farend-redirect";

/// Where an object is: the checked-in one of this source tree, unless
/// [`OBJECTS_VARIABLE`] names another folder.
#[must_use]
pub fn object_path(name: &str) -> PathBuf {
    let checked_in = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ebpf/prebuilt");
    let folder = env::var_os(OBJECTS_VARIABLE).map_or_else(|| checked_in.into(), PathBuf::from);
    folder.join(format!("{name}.bpf.o"))
}

/// One program of the object, loaded into the kernel: the verifier took it.
#[derive(Debug)]
pub struct Program {
    object: Ebpf,
    name: &'static str,
}

/// A program on an interface, until it is dropped.
#[derive(Debug)]
pub struct Attached {
    program: Program,
    // Dropping the link detaches; kept for that alone.
    _link: XdpLink,
}

impl Attached {
    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }
}

/// What a run without an interface gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// The XDP action.
    pub action: u32,
    /// The frame after the run.
    pub frame: Vec<u8>,
}

impl Program {
    /// Loads `farend_reflect` with this policy.
    ///
    /// # Errors
    ///
    /// If there is no object, or the kernel refuses it.
    pub fn reflect(policy: &Policy) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        let object = open_with(OBJECT, &mut loader, policy)?;
        Self::of_object("farend_reflect", object)
    }

    /// Loads one of the lab's own programs: `farend_floor`, `farend_pass`.
    ///
    /// # Errors
    ///
    /// As for [`reflect`](Self::reflect).
    pub fn of_lab(name: &'static str) -> Result<Self> {
        let object = open(LAB_OBJECT, &mut EbpfLoader::new())?;
        Self::of_object(name, object)
    }

    /// Loads `farend_source` or `farend_count` for frames that begin as these.
    pub(crate) fn traffic(name: &'static str, sent: &[u8], expected: &[u8]) -> Result<Self> {
        let (Some(sent), Some(expected)) =
            (sent.first_chunk::<FRONT_OCTETS>(), expected.first_chunk::<FRONT_OCTETS>())
        else {
            bail!("a frame of the lab's traffic has at least {FRONT_OCTETS} octets");
        };
        let mut loader = EbpfLoader::new();
        loader.override_global("LAB_SENT", sent, true);
        loader.override_global("LAB_EXPECTED", expected, true);
        let object = open(LAB_OBJECT, &mut loader)?;
        Self::of_object(name, object)
    }

    fn of_object(name: &'static str, mut object: Ebpf) -> Result<Self> {
        load_xdp(&mut object, name)?;
        Ok(Self { object, name })
    }

    fn xdp(&self) -> Result<&Xdp> {
        Ok(self.object.program(self.name).context("program is gone")?.try_into()?)
    }

    /// Attaches the program to a host's interface, in native or generic mode.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn attach(mut self, host: &Host, mode: XdpMode) -> Result<Attached> {
        let name = self.name;
        let xdp: &mut Xdp = self.object.program_mut(name).context("program is gone")?.try_into()?;
        let link: XdpLinkId = host
            .namespace
            .run(|| xdp.attach_to_if_index(host.interface_index, mode))?
            .with_context(|| format!("cannot attach {name} to {}", host.interface))?;
        let link = xdp.take_link(link)?;
        Ok(Attached { program: self, _link: link })
    }

    /// Runs the program once over a copy of a frame.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, for example a frame of less than 14 octets.
    pub fn run(&self, frame: &[u8]) -> Result<Run> {
        // One more than goes in, so that a grown frame would show.
        let mut out = vec![0; frame.len() + 1];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut out);
        let result = self.xdp()?.test_run(options).context("BPF_PROG_TEST_RUN")?;
        let octets = usize::try_from(result.data_size_out)?;
        out.truncate(octets);
        Ok(Run { action: result.return_value, frame: out })
    }

    /// Runs the program many times over the same memory and returns the CPU
    /// time of one run, in nanoseconds, the kernel's test loop included.
    ///
    /// The memory is not written anew between the runs: each run sees the frame
    /// as the one before left it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn run_time_ns(&self, frame: &[u8], runs: u32) -> Result<f64> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.repeat = runs;
        let before = cpu_time();
        self.xdp()?.test_run(options).context("BPF_PROG_TEST_RUN")?;
        let spent = cpu_time().saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e9 / f64::from(runs))
    }

    /// Sends `frames` frames out of a host's interface, as fast as it goes.
    /// Returns when the kernel took the last one.
    ///
    /// Each call costs milliseconds: make few long ones.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub(crate) fn send_live(&self, host: &Host, frame: &[u8], frames: u32) -> Result<()> {
        let context = live_context(frame.len(), host.interface_index)?;
        let xdp = self.xdp()?;
        host.namespace.run(|| {
            let mut options = TestRunOptions::new();
            options.data_in = Some(frame);
            options.ctx_in = Some(&context);
            options.repeat = frames;
            options.attrs = TestRunAttrs::new().xdp_live_frames(LIVE_BURST_FRAMES);
            xdp.test_run(options).context("BPF_PROG_TEST_RUN with live frames")
        })??;
        Ok(())
    }

    /// Instructions of the program as the kernel runs it: without those that
    /// the policy makes unreachable.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn instructions(&self) -> Result<u32> {
        let octets = self.xdp()?.info()?.size_translated();
        Ok(octets.context("the kernel does not tell the size of a program")? / 8)
    }

    /// Runs the program over a frame instruction by instruction, outside the
    /// kernel, and returns how many were executed. One that fills two places
    /// is one.
    ///
    /// # Errors
    ///
    /// If the kernel does not show the program, if the run needs a call, or if
    /// it does not give what [`run`](Self::run) gives.
    pub fn executed(&self, frame: &[u8]) -> Result<u32> {
        let xdp = self.xdp()?;
        let code = sys::translated(xdp.fd()?.as_fd()).context("the program is not shown")?;
        let mut maps = BTreeMap::new();
        for id in xdp.info()?.map_ids()?.context("the kernel does not tell a program's maps")? {
            let info = MapInfo::from_id(id)?;
            let octets = usize::try_from(info.value_size())?;
            let value = match info.map_type()? {
                MapType::PerCpuArray => interpreter::Map::PerCpu(vec![0; octets]),
                MapType::Array => {
                    interpreter::Map::Data(sys::only_value(info.fd()?.as_fd(), octets)?)
                }
                other => bail!("a map of type {other:?}"),
            };
            maps.insert(id, value);
        }
        let outcome = interpreter::run(&code, &maps, frame)?;
        let run = self.run(frame)?;
        if (outcome.answer, &outcome.frame) != (run.action, &run.frame) {
            bail!("run one by one, the program answers {}, and not {run:?}", outcome.answer);
        }
        Ok(outcome.executed)
    }

    /// What `farend_reflect` has counted, on all CPUs.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn counters(&self) -> Result<Counters> {
        const WORDS: usize = size_of::<CpuState>() / size_of::<u64>();
        let state = self.object.map("STATE").context("no map STATE")?;
        let state = PerCpuArray::<_, [u64; WORDS]>::try_from(state)?;
        let mut sum = Counters::new();
        for cpu in state.get(&0, 0)?.iter() {
            let mut counters = Counters::new();
            let (frames, rest) = cpu.split_at(counters.frames.len());
            counters.frames.copy_from_slice(frames);
            counters.reflected_octets = rest.first().copied().unwrap_or(0);
            sum.merge(&counters);
        }
        Ok(sum)
    }

    /// What `farend_count` has counted, on all CPUs: expected frames, others.
    pub(crate) fn counts(&self) -> Result<[u64; 2]> {
        let counts = self.object.map("LAB_COUNTS").context("no map LAB_COUNTS")?;
        let counts = PerCpuArray::<_, [u64; 2]>::try_from(counts)?;
        Ok(counts.get(&0, 0)?.iter().fold([0, 0], |[a, b], [c, d]| [a + c, b + d]))
    }
}

/// Loads `farend_shield`, the traffic control program of the same object.
///
/// # Errors
///
/// If there is no object, or the verifier refuses the program.
pub fn verify_shield() -> Result<()> {
    let mut object = open_with(OBJECT, &mut EbpfLoader::new(), &Policy::closed())?;
    let shield = object.program_mut("farend_shield").context("no program farend_shield")?;
    let shield: &mut SchedClassifier = shield.try_into()?;
    shield.load().context("the verifier refuses farend_shield")
}

/// Loads `farend_redirect`, the program of the `AF_XDP` tier, without and with
/// copies of refused frames.
///
/// # Errors
///
/// If there is no object, or the verifier refuses the program.
pub fn verify_redirect() -> Result<()> {
    let policy = Policy::closed();
    for every in [0_u32, 1, u32::MAX] {
        for octets_max in [1_u32, refused::FRAME_OCTETS_MAX] {
            let mut loader = EbpfLoader::new();
            loader.override_global("REFUSED_EVERY", &every, true);
            loader.override_global("REFUSED_OCTETS_MAX", &octets_max, true);
            let mut object = open_with(REDIRECT_OBJECT, &mut loader, &policy)?;
            load_xdp(&mut object, "farend_redirect")?;
        }
    }
    Ok(())
}

/// Asks the verifier about one program of the object.
fn load_xdp<'a>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let xdp = object.program_mut(name).with_context(|| format!("no program {name}"))?;
    let xdp: &mut Xdp = xdp.try_into()?;
    xdp.load().with_context(|| format!("the verifier refuses {name}"))?;
    Ok(xdp)
}

/// Reads an object that has a policy, and makes its maps.
fn open_with<'a>(name: &str, loader: &mut EbpfLoader<'a>, policy: &'a Policy) -> Result<Ebpf> {
    open(name, loader.override_global("POLICY", policy.as_octets(), true))
}

/// Reads an object and makes its maps.
fn open(name: &str, loader: &mut EbpfLoader<'_>) -> Result<Ebpf> {
    let path = object_path(name);
    let octets = std::fs::read(&path)
        .with_context(|| format!("cannot read {}; run cargo xtask ebpf", path.display()))?;
    loader.load(&octets).context("the kernel does not take the eBPF object")
}

/// `struct xdp_md` of `linux/bpf.h`, for a frame that came in by an interface.
fn live_context(frame_octets: usize, interface_index: u32) -> Result<Vec<u8>> {
    let (data, data_end, data_meta, queue, egress) = (0, u32::try_from(frame_octets)?, 0, 0, 0);
    let fields: [u32; 6] = [data, data_end, data_meta, interface_index, queue, egress];
    Ok(fields.iter().flat_map(|field| field.to_ne_bytes()).collect())
}

/// CPU time of the calling thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, MacAddress, Verdict};

    use super::*;
    use crate::{frames::Flow, is_skipped_without_root};

    const NEAR: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 1]);
    const FAR: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 2]);

    #[test]
    fn the_kernel_reflects_and_counts() {
        if is_skipped_without_root() {
            return;
        }
        let policy = Policy::builder().own_mac(FAR).build().unwrap();
        let program = Program::reflect(&policy).unwrap();
        let frame = Flow::ipv4(NEAR, FAR).frame(64);
        let run = program.run(&frame).unwrap();
        assert_eq!(run.action, XDP_TX);
        assert_eq!(run.frame[..6], NEAR.0);
        assert_eq!(run.frame.len(), frame.len());
        let run = program.run(&Flow::ipv4(NEAR, NEAR).frame(64)).unwrap();
        assert_eq!(run.action, XDP_PASS);
        let counters = program.counters().unwrap();
        assert_eq!(counters.of(Verdict::Reflect(Kind::Probeot)), 1);
        assert_eq!(counters.passed(), 1);
        assert!(program.run_time_ns(&frame, 1000).unwrap() > 0.0);
        assert!(program.instructions().unwrap() > 0);
    }

    #[test]
    fn instructions_are_executed_with_the_kernels_own_outcome() {
        if is_skipped_without_root() {
            return;
        }
        let policy = Policy::builder().own_mac(FAR).build().unwrap();
        let program = Program::reflect(&policy).unwrap();
        let executed = |flow: Flow| program.executed(&flow.frame(128)).unwrap();
        let (foreign, ipv4) = (executed(Flow::ipv4(NEAR, NEAR)), executed(Flow::ipv4(NEAR, FAR)));
        let tagged = executed(Flow::ipv6(NEAR, FAR).tagged(&[(0x88a8, 5), (0x8100, 6)]));
        assert!(10 < foreign && foreign < ipv4 && ipv4 < tagged, "{foreign}, {ipv4}, {tagged}");
        assert!(tagged < program.instructions().unwrap());
    }
}
