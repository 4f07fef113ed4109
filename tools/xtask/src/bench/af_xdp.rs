//! The `af-xdp` tier on a veth pair, copy mode, one queue: its rate beside
//! testpmd's and the floor's; that it loses nothing, recovers, and idles.

use std::time::Instant;

use anyhow::{Context, Result};
use farend_lab::{Lab, Wire};

use super::{
    Effort,
    machine::Pinned,
    report::{Report, Row},
    samples::{Measurement, Samples, in_turns},
    testpmd::{self, Testpmd},
    tier::{self, Running, Steady, Tier},
    veth::Exchange,
};
use crate::{probe::Run, programs::Programs, shell::Shell};

/// The worker on the CPU that the source does not use.
const TIER: Tier = Tier { name: "af-xdp", options: &["--queues", "0", "--cpus", "0"] };
const REFLECTING_CPU: usize = 0;
const OTHER_CPU: usize = 1;

const SIZES: [usize; 4] = [64, 128, 512, 1518];
/// Least part of testpmd's rate.
const PEER_RATIO_MIN: f64 = 1.0;
/// Least part of the floor's rate, where testpmd is not installed.
const FLOOR_RATIO_MIN: f64 = 0.2;
/// A rate that must pass without loss.
const STEADY: Steady = Steady { frame_octets: 128, rate_fps: 100_000, duration_s: 5.0 };
/// What must pass without loss right after an overload.
const AFTERWARDS: Steady = Steady { frame_octets: 128, rate_fps: 20_000, duration_s: 0.5 };
/// Time, in seconds, within which it must pass.
const RECOVERY_S_MAX: f64 = 1.0;
/// Most of one CPU, in percent, that an idle reflector may use.
const IDLE_PERCENT_MAX: f64 = 1.0;
/// So slow that each frame finds the reflector asleep.
const LONELY: Steady = Steady { frame_octets: 64, rate_fps: 20, duration_s: 3.0 };
/// Longest round trip, in microseconds, of such a frame.
const LONELY_MAX_US: f64 = 1_000.0;

/// Measures the rows of this group.
pub(crate) fn measure(shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let programs = Programs::build(shell)?;
    if testpmd::installed().is_none() {
        report.warn("dpdk-testpmd is not installed (apt-get install dpdk-dev): no peer");
    }
    for frame_octets in SIZES {
        let lab = Lab::new(Wire::default())?;
        rate(&programs, &lab, frame_octets, effort, report)?;
    }
    let lab = Lab::new(Wire::default())?;
    let exchange = Exchange::new(&lab, STEADY.frame_octets)?;
    let steady = Steady { duration_s: if effort.is_long { 60.0 } else { 5.0 }, ..STEADY };
    let name = format!("af-xdp: lost at {} frames/s, {} s", steady.rate_fps, steady.duration_s);
    tier::lossless(&programs, &lab, TIER, name, steady, None, report)?;
    let overload_s = if effort.is_long { 10.0 } else { 3.0 };
    let name = format!("af-xdp: lost after {overload_s} s of overload");
    let overload = Some((&exchange, overload_s));
    tier::lossless(&programs, &lab, TIER, name, STEADY, overload, report)?;
    recovery(&programs, &lab, &exchange, effort, report)?;
    idle(&programs, &lab, report)
}

/// Overload in, answers out, beside testpmd and the floor on the same pair.
fn rate(
    programs: &Programs,
    lab: &Lab,
    frame_octets: usize,
    effort: Effort,
    report: &mut Report,
) -> Result<()> {
    let exchange = Exchange::new(lab, frame_octets)?;
    let of_peer = || {
        let testpmd = Testpmd::start(&lab.far, REFLECTING_CPU, OTHER_CPU)?;
        let returned = {
            let _pinned = Pinned::to_last_cpu();
            tier::returned(lab, &exchange)
        };
        testpmd.stop()?;
        returned
    };
    let mut things: Vec<Measurement<'_>> = vec![
        Box::new(|| tier::rate(programs, lab, &exchange, TIER)),
        Box::new(|| tier::floor(lab, &exchange)),
    ];
    if testpmd::installed().is_some() {
        things.push(Box::new(of_peer));
    }
    let samples = in_turns(effort.turns, &mut things)?;
    let [tier, floor, peers @ ..] = &samples[..] else { return Ok(()) };
    let peer: Option<&Samples> = peers.first();
    let name = |against| format!("af-xdp: {frame_octets} octets, beside {against}");
    let floor_row =
        Row::ratio(name("the floor"), tier, "frames/s", ("farend_floor", floor), FLOOR_RATIO_MIN);
    match peer {
        None => report.push(floor_row),
        Some(peer) => {
            // Where there is a peer, the peer is the measure.
            report.push(Row { must: None, holds: None, ..floor_row });
            let peer = ("testpmd", peer);
            report.push(Row::ratio(name("testpmd"), tier, "frames/s", peer, PEER_RATIO_MIN));
        }
    }
    Ok(())
}

/// Overload and calm, again and again: each time the calm must pass whole.
fn recovery(
    programs: &Programs,
    lab: &Lab,
    exchange: &Exchange,
    effort: Effort,
    report: &mut Report,
) -> Result<()> {
    let cycles: u32 = if effort.is_long { 100 } else { 10 };
    let _running = Running::start(programs, lab, TIER)?;
    let mut times = Samples::default();
    let mut recovered = 0_u32;
    for cycle in 1..=cycles {
        tier::overload_for(lab, exchange, 0.1)?;
        let start = Instant::now();
        let mut run = AFTERWARDS.probe(programs, lab)?;
        while !is_calm(&run) && start.elapsed().as_secs_f64() < RECOVERY_S_MAX {
            run = AFTERWARDS.probe(programs, lab)?;
        }
        // The clean probe itself, and the wait for its stragglers, are in it.
        let took_s = start.elapsed().as_secs_f64();
        times.push(took_s);
        if is_calm(&run) && took_s <= RECOVERY_S_MAX {
            recovered += 1;
        } else {
            report.warn(&format!(
                "af-xdp: overload {cycle}: after {took_s:.2} s a probe lost {} of {}",
                run.lost, run.sent
            ));
        }
    }
    let must = format!(
        "each time; {:.2} s, half a second of probes and their start included",
        times.median()
    );
    let name = format!("af-xdp: recovered within {RECOVERY_S_MAX} s, of {cycles} overloads");
    report.push(Row::plain(name, recovered.into(), "times", must, recovered == cycles));
    Ok(())
}

/// Whether a probe after an overload was offered and lost nothing.
fn is_calm(run: &Run) -> bool {
    run.is_offered(AFTERWARDS.rate_fps) && run.lost == 0
}

/// What it costs to wait, and how soon the first frame is answered then.
fn idle(programs: &Programs, lab: &Lab, report: &mut Report) -> Result<()> {
    let percent = tier::idle_percent(programs, lab, TIER)?;
    report.push(Row::plain(
        "af-xdp: CPU time while idle".to_owned(),
        percent,
        "%",
        format!("less than {IDLE_PERCENT_MAX}"),
        percent < IDLE_PERCENT_MAX,
    ));
    let _running = Running::start(programs, lab, TIER)?;
    let run = LONELY.probe(programs, lab)?;
    let times = run.round_trip_ns.context("no lonely frame was answered")?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    let longest_us = times.max as f64 / 1_000.0;
    report.push(Row::plain(
        "af-xdp: longest round trip of a lonely frame".to_owned(),
        longest_us,
        "us",
        format!("less than {LONELY_MAX_US}, none lost"),
        longest_us < LONELY_MAX_US && run.lost == 0,
    ));
    Ok(())
}
