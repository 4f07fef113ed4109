//! What is measured of each tier in user space, on a veth pair.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use aya::programs::XdpMode;
use farend_lab::{
    Lab, Reflector,
    kernel::{Attached, Program},
    traffic::Traffic,
};

use super::{
    machine::Pinned,
    report::{Report, Row},
    veth::{self, Exchange},
};
use crate::{
    probe::{Asked, Run, Target, probe},
    programs::Programs,
};

/// Frames of one sample, more than such a tier can answer in that time.
const FRAMES: u32 = 1_000_000;
/// Frames of one call of the overload, some of which go on for its time.
const OVERLOAD_FRAMES: u32 = 2_000_000;
/// Attempts, of which one must be without loss: another program on the
/// machine can take the CPU away.
const ATTEMPTS: usize = 3;

/// One tier and how it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tier {
    pub(crate) name: &'static str,
    /// Options beside the interface and the tier.
    pub(crate) options: &'static [&'static str],
}

/// The tier on the far host, and what makes the far host's veth take frames
/// that a program of the near one sends: a program of its own.
pub(crate) struct Running {
    reflector: Reflector,
    _takes_frames: Option<Attached>,
}

impl Running {
    /// Starts it; without the program if the tier brings its own.
    pub(crate) fn start(programs: &Programs, lab: &Lab, tier: Tier) -> Result<Self> {
        let takes_frames = match tier.name {
            "af-packet" => Some(Program::of_lab("farend_pass")?.attach(&lab.far, XdpMode::Driver)?),
            _ => None,
        };
        let mut arguments = vec![lab.far.interface, "--tier", tier.name, "--stats", "json"];
        arguments.extend(tier.options);
        let reflector = Reflector::start(Some(&lab.far), &programs.reflector, &arguments)?;
        Ok(Self { reflector, _takes_frames: takes_frames })
    }

    /// CPU time that it has used, in seconds; `schedstat` of each thread.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        let mut sum_ns = 0_u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.reflector.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let used_ns: u64 = text.split(' ').next().context("no time in schedstat")?.parse()?;
            sum_ns += used_ns;
        }
        Ok(Duration::from_nanos(sum_ns).as_secs_f64())
    }

    /// What it says of its losses at the end.
    fn losses(self) -> Result<String> {
        self.reflector.signal(rustix::process::Signal::TERM)?;
        let (_status, lines) = self.reflector.finish(Duration::from_secs(10))?;
        let last = lines.last().context("no statistics")?;
        let value: serde_json::Value = serde_json::from_str(last)?;
        Ok(value["total"]["losses"].to_string())
    }
}

/// Frames a second that come back under overload.
pub(crate) fn rate(programs: &Programs, lab: &Lab, exchange: &Exchange, tier: Tier) -> Result<f64> {
    // Started before the source takes one CPU: it takes another.
    let _running = Running::start(programs, lab, tier)?;
    let _pinned = Pinned::to_last_cpu();
    returned(lab, exchange)
}

/// Frames a second that whatever is at the far end returns under overload.
pub(crate) fn returned(lab: &Lab, exchange: &Exchange) -> Result<f64> {
    let traffic = Traffic::new(lab, &exchange.sent, &exchange.reflected)?;
    traffic.send(FRAMES / 10)?;
    Ok(traffic.send(FRAMES)?.returned_per_second())
}

/// Frames a second that the bare exchange of MAC addresses in the kernel
/// returns on the same pair.
pub(crate) fn floor(lab: &Lab, exchange: &Exchange) -> Result<f64> {
    let _pinned = Pinned::to_last_cpu();
    veth::rate(lab, Program::of_lab("farend_floor")?, &exchange.sent, &exchange.swapped)
}

/// A steady rate that a tier must answer whole, in the best of some attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steady {
    pub(crate) frame_octets: usize,
    pub(crate) rate_fps: u32,
    pub(crate) duration_s: f64,
}

impl Steady {
    /// Probes once.
    pub(crate) fn probe(self, programs: &Programs, lab: &Lab) -> Result<Run> {
        let Self { frame_octets, rate_fps, duration_s } = self;
        let target = Target::Frames { near: &lab.near, far: &lab.far };
        let frame_octets = &[frame_octets];
        let asked = Asked { frame_octets, rate_fps: Some(rate_fps), duration_s };
        let run = probe(&programs.tester, target, asked)?.into_iter().next();
        run.context("the tester measured nothing")
    }
}

/// Probes steadily; what is lost on the way is told with where it was lost.
pub(crate) fn lossless(
    programs: &Programs,
    lab: &Lab,
    tier: Tier,
    name: String,
    steady: Steady,
    overload: Option<(&Exchange, f64)>,
    report: &mut Report,
) -> Result<()> {
    let mut attempts = Vec::new();
    let mut is_clean = false;
    for attempt in 1..=ATTEMPTS {
        let running = Running::start(programs, lab, tier)?;
        if let Some((exchange, duration_s)) = overload {
            overload_for(lab, exchange, duration_s)?;
        }
        let run = steady.probe(programs, lab)?;
        let is_offered = run.is_offered(steady.rate_fps);
        let told = if is_offered { run.lost.to_string() } else { "slow".to_owned() };
        attempts.push(told);
        if is_offered && run.lost == 0 {
            is_clean = true;
            break;
        }
        let losses = running.losses()?;
        let offered_fps = run.offered.as_ref().map_or(0.0, |rate| rate.frames_per_s);
        report.warn(&format!(
            "{name}: attempt {attempt} lost {} of {}, offered {offered_fps:.0} of {} frames/s; \
             the reflector says {losses}",
            run.lost, run.sent, steady.rate_fps
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "a few attempts")]
    let failed = (attempts.len() - usize::from(is_clean)) as f64;
    let must = format!("0 lost in the best of {ATTEMPTS}; lost {}", attempts.join(", "));
    report.push(Row::plain(name, failed, "failed", must, is_clean));
    Ok(())
}

/// As many frames as the wire takes, for some seconds.
pub(crate) fn overload_for(lab: &Lab, exchange: &Exchange, duration_s: f64) -> Result<()> {
    let _pinned = Pinned::to_last_cpu();
    let traffic = Traffic::new(lab, &exchange.sent, &exchange.reflected)?;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < duration_s {
        traffic.send(OVERLOAD_FRAMES)?;
    }
    Ok(())
}

/// Percent of one CPU that a tier uses while nothing comes.
pub(crate) fn idle_percent(programs: &Programs, lab: &Lab, tier: Tier) -> Result<f64> {
    const IDLE_S: u64 = 5;
    let running = Running::start(programs, lab, tier)?;
    thread::sleep(Duration::from_secs(1));
    let before_s = running.cpu_s()?;
    thread::sleep(Duration::from_secs(IDLE_S));
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let idle_s = IDLE_S as f64;
    Ok(100.0 * (running.cpu_s()? - before_s) / idle_s)
}
