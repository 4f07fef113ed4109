//! Reflected frames a second on a veth pair, native XDP, beside the floor on
//! the same pair. Source, reflector and counter share one CPU.

use anyhow::{Result, ensure};
use aya::programs::XdpMode;
use farend_core::{Policy, frame::wire::ethernet::swap_addresses, reflect};
use farend_lab::{Lab, Wire, frames::Flow, kernel::Program, traffic::Traffic};

use super::{
    Effort,
    machine::Pinned,
    report::{Report, Row},
    samples::in_turns,
};
use crate::shell::Shell;

/// Frames of one sample.
const FRAMES: u32 = 600_000;
/// Least part of the floor's rate.
const RATIO_MIN: f64 = 0.97;
/// Least part of the frames that must come back for a sample to count.
const RETURNED_MIN: f64 = 0.5;

/// What the near host sends and what it expects back.
pub(crate) struct Exchange {
    pub(crate) sent: Vec<u8>,
    pub(crate) reflected: Vec<u8>,
    pub(crate) swapped: Vec<u8>,
    pub(crate) policy: Policy,
}

impl Exchange {
    /// An exchange between the two hosts of a lab.
    pub(crate) fn new(lab: &Lab, frame_octets: usize) -> Result<Self> {
        let policy = Policy::builder()
            .own_mac(lab.far.mac)
            .build()
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let sent = Flow::ipv4(lab.near.mac, lab.far.mac).frame(frame_octets);
        let (mut reflected, mut swapped) = (sent.clone(), sent.clone());
        let _verdict = reflect(&mut reflected[..], &policy, &mut ());
        if let Some(header) = swapped.first_chunk_mut() {
            swap_addresses(header);
        }
        Ok(Self { sent, reflected, swapped, policy })
    }
}

/// Measures the rows of this group.
pub(crate) fn measure(_shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let _pinned = Pinned::to_last_cpu();
    for frame_octets in [64, 1518] {
        let lab = Lab::new(Wire::default())?;
        let exchange = Exchange::new(&lab, frame_octets)?;
        let floor = || Program::of_lab("farend_floor");
        let reflector = || Program::reflect(&exchange.policy);
        let mut samples = in_turns(
            effort.turns,
            &mut [
                Box::new(|| rate(&lab, floor()?, &exchange.sent, &exchange.swapped)),
                Box::new(|| rate(&lab, reflector()?, &exchange.sent, &exchange.reflected)),
            ],
        )?;
        let (reflected, floor) = (samples.remove(1), samples.remove(0));
        let name = format!("veth native: reflected, {frame_octets} octets");
        let floor = ("farend_floor", &floor);
        report.push(Row::ratio(name, &reflected, "frames/s", floor, RATIO_MIN));
    }
    Ok(())
}

/// Frames a second that come back as expected with this program at the far
/// end.
pub(crate) fn rate(lab: &Lab, program: Program, sent: &[u8], expected: &[u8]) -> Result<f64> {
    let _attached = program.attach(&lab.far, XdpMode::Driver)?;
    let traffic = Traffic::new(lab, sent, expected)?;
    // The first frames fill caches and the pages of the source.
    traffic.send(FRAMES / 20)?;
    let tally = traffic.send(FRAMES)?;
    ensure!(
        tally.returned_per_second()
            > RETURNED_MIN * f64::from(FRAMES) / tally.duration.as_secs_f64(),
        "most frames did not come back: {tally:?}",
    );
    Ok(tally.returned_per_second())
}
