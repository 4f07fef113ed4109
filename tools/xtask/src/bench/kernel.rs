//! The kernel program beside the floor, a program that swaps the MAC addresses
//! and looks at nothing, by `BPF_PROG_TEST_RUN`.

use anyhow::{Result, bail};
use farend_lab::{
    frames::Flow,
    kernel::{Program, XDP_PASS, XDP_TX},
};

use super::{
    Effort,
    cases::{FAR, NEAR, OTHER, PROVIDER_TAG, TAG, both_ways, both_ways_policy},
    machine::Pinned,
    report::{Report, Row},
    samples::{Measurement, in_turns},
};
use crate::shell::Shell;

/// Runs of one sample: some milliseconds, so that the call does not count.
const RUNS: u32 = 400_000;

const FRAME_OCTETS: usize = 128;

struct Case {
    name: &'static str,
    frame: Vec<u8>,
    action: u32,
    /// Most nanoseconds over the floor.
    over_floor_ns: f64,
}

fn cases() -> [Case; 6] {
    let hit = |name, flow: Flow, over_floor_ns| Case {
        name,
        frame: both_ways(flow).frame(FRAME_OCTETS),
        action: XDP_TX,
        over_floor_ns,
    };
    let foreign = |name, flow: Flow| Case {
        name,
        frame: flow.frame(FRAME_OCTETS),
        action: XDP_PASS,
        over_floor_ns: 4.0,
    };
    let (ipv4, ipv6) = (Flow::ipv4(NEAR, FAR), Flow::ipv6(NEAR, FAR));
    [
        hit("kernel: IPv4 hit", ipv4.clone(), 6.0),
        hit("kernel: IPv6 hit", ipv6, 10.0),
        hit("kernel: VLAN hit", ipv4.clone().tagged(&[TAG]), 10.0),
        hit("kernel: QinQ hit", ipv4.clone().tagged(&[PROVIDER_TAG, TAG]), 10.0),
        foreign("kernel: foreign port", Flow { destination_port: 53, ..ipv4.clone() }),
        foreign(
            "kernel: foreign EtherType",
            Flow { source_mac: OTHER, ..ipv4.tagged(&[(0x0806, 1)]) },
        ),
    ]
}

/// Measures the rows of this group.
pub(crate) fn measure(_shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let _pinned = Pinned::to_last_cpu();
    let reflect = Program::reflect(&both_ways_policy()?)?;
    let floor = Program::plain("farend_floor")?;
    let cases = cases();
    for case in &cases {
        expect(&reflect, case)?;
    }
    let frame = Flow::ipv4(NEAR, FAR).frame(FRAME_OCTETS);
    let mut things: Vec<Measurement<'_>> = vec![Box::new(|| floor.run_time_ns(&frame, RUNS))];
    for case in &cases {
        things.push(Box::new(|| reflect.run_time_ns(&case.frame, RUNS)));
    }
    // A turn is short, and the floor is what every row hangs on.
    let mut samples = in_turns(3 * effort.turns, &mut things)?.into_iter();
    let Some(floor) = samples.next() else { bail!("nothing was measured") };
    for (case, samples) in cases.iter().zip(samples) {
        let over = samples.zip(&floor, |case, floor| case - floor).median();
        report.push(Row {
            name: case.name.to_owned(),
            value: samples.median(),
            unit: "ns/frame",
            spread: samples.spread(),
            against: Some("farend_floor"),
            against_value: Some(floor.median()),
            ratio: Some(samples.zip(&floor, |case, floor| case / floor).median()),
            must: Some(format!("floor {over:+.2} ns, at most +{}", case.over_floor_ns)),
            holds: Some(over <= case.over_floor_ns),
        });
    }
    Ok(())
}

/// Makes sure that what is measured is what it is called: twice, because the
/// test loop runs over the same memory again.
fn expect(program: &Program, case: &Case) -> Result<()> {
    let first = program.run(&case.frame)?;
    let second = program.run(&first.frame)?;
    if first.action != case.action || second.action != case.action {
        bail!("{}: XDP action {} then {}", case.name, first.action, second.action);
    }
    Ok(())
}
