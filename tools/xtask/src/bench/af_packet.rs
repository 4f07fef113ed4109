//! The `af-packet` tier on a veth pair: its rate beside the floor's, and that
//! it neither loses frames nor stops for good after an overload.

use anyhow::{Context, Result};
use farend_lab::{Lab, Wire};

use super::{
    Effort,
    report::{Report, Row},
    samples::{Samples, in_turns},
    tier::{self, Steady, Tier},
    veth::Exchange,
};
use crate::{programs::Programs, shell::Shell};

const TIER: Tier = Tier { name: "af-packet", options: &[] };

const FRAME_OCTETS: usize = 64;
/// Rate that must pass without loss, in frames a second.
const LOSSLESS_RATE_FPS: u32 = 50_000;
/// Least part of the floor's rate.
const RATIO_MIN: f64 = 0.13;

/// Measures the rows of this group.
pub(crate) fn measure(shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let programs = Programs::build(shell)?;
    let lab = Lab::new(Wire::default())?;
    let exchange = Exchange::new(&lab, FRAME_OCTETS)?;
    let of_tier = || tier::rate(&programs, &lab, &exchange, TIER);
    let of_floor = || tier::floor(&lab, &exchange);
    let samples = in_turns(effort.turns, &mut [Box::new(of_tier), Box::new(of_floor)])?;
    let [tier, floor]: [Samples; 2] = samples.try_into().ok().context("two were measured")?;
    let name = format!("af-packet: reflected, {FRAME_OCTETS} octets");
    report.push(Row::ratio(name, &tier, "frames/s", ("farend_floor", &floor), RATIO_MIN));

    let duration_s = if effort.is_long { 60.0 } else { 5.0 };
    let steady = Steady { frame_octets: FRAME_OCTETS, rate_fps: LOSSLESS_RATE_FPS, duration_s };
    let name = format!("af-packet: lost at {LOSSLESS_RATE_FPS} frames/s, {duration_s} s");
    tier::lossless(&programs, &lab, TIER, name, steady, None, report)?;

    let overload_s = if effort.is_long { 10.0 } else { 3.0 };
    let steady = Steady { duration_s: 5.0, ..steady };
    let name = format!("af-packet: lost after {overload_s} s of overload");
    tier::lossless(&programs, &lab, TIER, name, steady, Some((&exchange, overload_s)), report)
}
