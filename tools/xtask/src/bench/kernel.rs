//! The kernel program beside the floor, a program that swaps the MAC addresses
//! and looks at nothing, by `BPF_PROG_TEST_RUN`.
//!
//! Both run behind a program that writes the front of the frame anew: it costs
//! both the same, and each run then sees the same frame.

use anyhow::{Result, bail};
use farend_core::Policy;
use farend_lab::{
    frames::Flow,
    kernel::{Program, XDP_PASS, XDP_TX},
};

use super::{
    Effort,
    cases::{FAR, NEAR, OTHER, PROVIDER_TAG, TAG, default_policy, unsigned},
    machine::Pinned,
    report::{Report, Row},
    samples::{Measurement, in_turns},
};
use crate::shell::Shell;

/// Runs of one sample: some milliseconds, so that the call does not count.
const RUNS: u32 = 400_000;

const FRAME_OCTETS: usize = 128;
const ETHERTYPE_ARP: u16 = 0x0806;

/// Most instructions of the program.
const INSTRUCTIONS_MAX: f64 = 600.0;

struct Case {
    name: &'static str,
    frame: Vec<u8>,
    action: u32,
    /// Most nanoseconds over the floor, if there is a limit.
    over_floor_ns: Option<f64>,
}

fn cases() -> Vec<Case> {
    let case = |name, flow: Flow, action, over_floor_ns| Case {
        name,
        frame: flow.frame(FRAME_OCTETS),
        action,
        over_floor_ns,
    };
    let (ipv4, ipv6) = (Flow::ipv4(NEAR, FAR), Flow::ipv6(NEAR, FAR));
    let qinq = ipv4.clone().tagged(&[PROVIDER_TAG, TAG]);
    let wrong_port = Flow { destination_port: 53, ..ipv4.clone() };
    let arp = ipv4.clone().tagged(&[(ETHERTYPE_ARP, 1)]);
    vec![
        case("kernel: IPv4 hit", ipv4.clone(), XDP_TX, Some(6.0)),
        case("kernel: IPv6 hit", ipv6, XDP_TX, Some(10.0)),
        case("kernel: VLAN hit", ipv4.tagged(&[TAG]), XDP_TX, Some(10.0)),
        case("kernel: QinQ hit", qinq, XDP_TX, Some(10.0)),
        case("kernel: foreign MAC", Flow::ipv4(NEAR, OTHER), XDP_PASS, Some(4.0)),
        case("kernel: foreign EtherType", arp, XDP_PASS, Some(4.0)),
        case("kernel: foreign port", wrong_port, XDP_PASS, Some(4.0)),
        case("kernel: no signature", unsigned(), XDP_PASS, None),
    ]
}

/// Measures the rows of this group.
pub(crate) fn measure(_shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let _pinned = Pinned::to_last_cpu();
    let policy = default_policy()?;
    length(&policy, report)?;
    let mut programs = Vec::new();
    for case in cases() {
        let program = Program::rewriting("farend_reflect", &policy, &case.frame)?;
        expect(&program, &case)?;
        programs.push((case, program));
    }
    let frame = Flow::ipv4(NEAR, FAR).frame(FRAME_OCTETS);
    let floor = Program::rewriting("farend_floor", &policy, &frame)?;
    let mut things: Vec<Measurement<'_>> = vec![Box::new(|| floor.run_time_ns(&frame, RUNS))];
    for (case, program) in &programs {
        things.push(Box::new(|| program.run_time_ns(&case.frame, RUNS)));
    }
    // A turn is short, and the floor is what every row hangs on.
    let mut samples = in_turns(3 * effort.turns, &mut things)?.into_iter();
    let Some(floor) = samples.next() else { bail!("nothing was measured") };
    for ((case, _), samples) in programs.iter().zip(samples) {
        let over = samples.zip(&floor, |case, floor| case - floor).median();
        report.push(Row {
            name: case.name.to_owned(),
            value: samples.median(),
            unit: "ns/frame",
            spread: samples.spread(),
            against: Some("farend_floor"),
            against_value: Some(floor.median()),
            ratio: Some(samples.zip(&floor, |case, floor| case / floor).median()),
            must: Some(match case.over_floor_ns {
                Some(most) => format!("floor {over:+.2} ns, at most +{most}"),
                None => format!("floor {over:+.2} ns"),
            }),
            holds: case.over_floor_ns.map(|most| over <= most),
        });
    }
    Ok(())
}

/// How long the program is that the kernel keeps under the default policy.
fn length(policy: &Policy, report: &mut Report) -> Result<()> {
    let instructions = f64::from(Program::reflect(policy)?.instructions()?);
    report.push(Row {
        name: "kernel: length under the default policy".to_owned(),
        value: instructions,
        unit: "instructions",
        spread: 0.0,
        against: None,
        against_value: None,
        ratio: None,
        must: Some(format!("at most {INSTRUCTIONS_MAX}")),
        holds: Some(instructions <= INSTRUCTIONS_MAX),
    });
    Ok(())
}

/// Makes sure that what is measured is what it is called.
fn expect(program: &Program, case: &Case) -> Result<()> {
    let action = program.run(&case.frame)?.action;
    if action != case.action {
        bail!("{}: XDP action {action}, not {}", case.name, case.action);
    }
    Ok(())
}
