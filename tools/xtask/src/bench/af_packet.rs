//! The `af-packet` tier on a veth pair: its rate beside the floor's, and that
//! it neither loses frames nor stops for good after an overload.

use anyhow::{Context, Result};
use aya::programs::XdpMode;
use farend_lab::{
    Lab, Reflector, Wire,
    kernel::{Attached, Program},
    traffic::Traffic,
};

use super::{
    Effort,
    machine::Pinned,
    report::{Report, Row},
    samples::{Samples, in_turns},
    veth::{self, Exchange},
};
use crate::{
    probe::{Asked, Target, probe},
    programs::Programs,
    shell::Shell,
};

const FRAME_OCTETS: usize = 64;
/// Frames of one sample, more than the tier can answer in that time.
const FRAMES: u32 = 1_000_000;
/// Frames of one call of the overload, some of which go on for its time.
const OVERLOAD_FRAMES: u32 = 2_000_000;
/// Rate that must pass without loss, in frames a second.
const LOSSLESS_RATE_FPS: u32 = 50_000;
/// Attempts, of which one must be without loss: another program on the
/// machine can take the CPU away.
const ATTEMPTS: usize = 3;

/// Measures the rows of this group.
pub(crate) fn measure(shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let programs = Programs::build(shell)?;
    let lab = Lab::new(Wire::default())?;
    let exchange = Exchange::new(&lab, FRAME_OCTETS)?;
    rate(&programs, &lab, &exchange, effort, report)?;
    let lossless_s = if effort.is_long { 60.0 } else { 5.0 };
    {
        let _running = Running::start(&programs, &lab)?;
        let name = format!("af-packet: lost at {LOSSLESS_RATE_FPS} frames/s, {lossless_s} s");
        lossless(&programs, &lab, name, lossless_s, report)?;
    }
    let overload_s = if effort.is_long { 10.0 } else { 3.0 };
    let _running = Running::start(&programs, &lab)?;
    overload(&lab, &exchange, overload_s)?;
    let name = format!("af-packet: lost after {overload_s} s of overload");
    lossless(&programs, &lab, name, 5.0, report)
}

/// The tier on the far host, and what makes the far host's veth take frames
/// that a program of the near one sends: a program of its own.
struct Running {
    _reflector: Reflector,
    _takes_frames: Attached,
}

impl Running {
    fn start(programs: &Programs, lab: &Lab) -> Result<Self> {
        let takes_frames = Program::plain("farend_pass")?.attach(&lab.far, XdpMode::Driver)?;
        let arguments = [lab.far.interface, "--tier", "af-packet", "--stats", "none"];
        let reflector = Reflector::start(Some(&lab.far), &programs.reflector, &arguments)?;
        Ok(Self { _reflector: reflector, _takes_frames: takes_frames })
    }
}

/// Overload in, answers out, beside the floor on the same pair.
fn rate(
    programs: &Programs,
    lab: &Lab,
    exchange: &Exchange,
    effort: Effort,
    report: &mut Report,
) -> Result<()> {
    let of_tier = || {
        // Started before the source takes one CPU: it takes another.
        let _running = Running::start(programs, lab)?;
        let _pinned = Pinned::to_last_cpu();
        let traffic = Traffic::new(lab, &exchange.sent, &exchange.reflected)?;
        traffic.send(FRAMES / 10)?;
        Ok(traffic.send(FRAMES)?.returned_per_second())
    };
    let of_floor = || {
        let _pinned = Pinned::to_last_cpu();
        veth::rate(lab, Program::plain("farend_floor")?, &exchange.sent, &exchange.swapped)
    };
    let samples = in_turns(effort.turns, &mut [Box::new(of_tier), Box::new(of_floor)])?;
    let [tier, floor]: [Samples; 2] = samples.try_into().ok().context("two were measured")?;
    let ratio = tier.zip(&floor, |tier, floor| tier / floor).median();
    report.push(Row {
        name: format!("af-packet: reflected, {FRAME_OCTETS} octets"),
        value: tier.median(),
        unit: "frames/s",
        spread: tier.spread(),
        against: Some("farend_floor"),
        against_value: Some(floor.median()),
        ratio: Some(ratio),
        must: Some("ratio at least 0.13".to_owned()),
        holds: Some(ratio >= 0.13),
    });
    Ok(())
}

/// A steady rate that the tier must answer whole, in the best of some
/// attempts.
fn lossless(
    programs: &Programs,
    lab: &Lab,
    name: String,
    duration_s: f64,
    report: &mut Report,
) -> Result<()> {
    let target = Target::Frames { near: &lab.near, far: &lab.far };
    let frame_octets = &[FRAME_OCTETS];
    let asked = Asked { frame_octets, rate_fps: Some(LOSSLESS_RATE_FPS), duration_s };
    let mut lost = Vec::new();
    for _attempt in 0..ATTEMPTS {
        let run = probe(&programs.tester, target, asked)?.into_iter().next();
        let run = run.context("the tester measured nothing")?;
        // Nothing sent would be nothing lost.
        lost.push(if run.sent == 0 { u64::MAX } else { run.lost });
        if lost.last() == Some(&0) {
            break;
        }
    }
    let best = lost.iter().copied().min().unwrap_or(u64::MAX);
    report.push(Row {
        name,
        #[expect(clippy::cast_precision_loss, reason = "a number of lost frames")]
        value: best as f64,
        unit: "frames",
        spread: 0.0,
        against: None,
        against_value: None,
        ratio: None,
        must: Some(format!("0 in the best of {ATTEMPTS}")),
        holds: Some(best == 0),
    });
    Ok(())
}

/// As many frames as the wire takes, for some seconds.
fn overload(lab: &Lab, exchange: &Exchange, duration_s: f64) -> Result<()> {
    let _pinned = Pinned::to_last_cpu();
    let traffic = Traffic::new(lab, &exchange.sent, &exchange.reflected)?;
    let mut spent_s = 0.0;
    while spent_s < duration_s {
        spent_s += traffic.send(OVERLOAD_FRAMES)?.duration.as_secs_f64();
    }
    Ok(())
}
