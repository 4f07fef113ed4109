//! The kernel program beside the floor, a program that swaps the MAC addresses
//! and looks at nothing, by `BPF_PROG_TEST_RUN`.
//!
//! Nothing writes the frame between two runs: words that were just stored in
//! one width and are loaded in another stall the processor for some
//! nanoseconds, which would be the bench's and not the program's. So a frame
//! that is answered must be answered again as the run before left it. A policy
//! that allows this stands in for the default one; a refused frame is not
//! touched and meets the default policy itself.

use anyhow::{Result, ensure};
use farend_core::{Kind, Reason, Verdict};
use farend_lab::{frames::Flow, kernel::Program};

use super::{
    Effort,
    cases::{
        FAR, NEAR, OTHER, PROVIDER_TAG, TAG, both_ways, both_ways_policy, default_policy, unsigned,
    },
    machine::Pinned,
    report::{Report, Row},
    samples::Samples,
};
use crate::shell::Shell;

/// Runs of one sample: some milliseconds, so that the call does not count.
const RUNS: u32 = 200_000;

const FRAME_OCTETS: usize = 128;
const ETHERTYPE_ARP: u16 = 0x0806;

struct Case {
    name: &'static str,
    frame: Vec<u8>,
    verdict: Verdict,
    /// Most nanoseconds over the floor.
    over_floor_ns: f64,
}

fn cases() -> Vec<Case> {
    let case = |name, flow: &Flow, verdict, over_floor_ns| Case {
        name,
        frame: flow.frame(FRAME_OCTETS),
        verdict,
        over_floor_ns,
    };
    let ipv4 = Flow::ipv4(NEAR, FAR);
    let (hit, hit_ipv6) = (both_ways(&ipv4), both_ways(&Flow::ipv6(NEAR, FAR)));
    let (vlan, qinq) = (hit.clone().tagged(&[TAG]), hit.clone().tagged(&[PROVIDER_TAG, TAG]));
    let foreign = Flow::ipv4(NEAR, OTHER);
    let arp = ipv4.clone().tagged(&[(ETHERTYPE_ARP, 1)]);
    let wrong_port = Flow { destination_port: 53, ..ipv4 };
    let answered = Verdict::Reflect(Kind::Probeot);
    vec![
        case("kernel: IPv4 hit", &hit, answered, 6.0),
        case("kernel: IPv6 hit", &hit_ipv6, answered, 9.0),
        case("kernel: VLAN hit", &vlan, answered, 9.0),
        case("kernel: QinQ hit", &qinq, answered, 10.0),
        case("kernel: foreign MAC", &foreign, Verdict::Refuse(Reason::ForeignDestinationMac), 2.0),
        case("kernel: foreign EtherType", &arp, Verdict::Refuse(Reason::EtherType), 4.0),
        case("kernel: foreign port", &wrong_port, Verdict::Refuse(Reason::UdpPort), 4.0),
        case("kernel: no signature", &unsigned(), Verdict::Refuse(Reason::Signature), 8.0),
    ]
}

/// Measures the rows of this group.
pub(crate) fn measure(_shell: &Shell, effort: Effort, report: &mut Report) -> Result<()> {
    let _pinned = Pinned::to_last_cpu();
    let (policy, both_ways) = (default_policy()?, both_ways_policy()?);
    let floor = Program::of_lab("farend_floor")?;
    for case in cases() {
        let policy = if case.verdict.is_sent() { &both_ways } else { &policy };
        let program = Program::reflect(policy)?;
        // A pair is short, and the floor is what every row hangs on.
        report.push(pairs(&case, &program, &floor, 3 * effort.turns)?);
    }
    Ok(())
}

/// Measures the program and the floor in turns, over the same frame.
fn pairs(case: &Case, program: &Program, floor: &Program, pairs: usize) -> Result<Row> {
    let (mut times, mut floors) = (Samples::default(), Samples::default());
    for pair in 0..=pairs {
        let floor_ns = floor.run_time_ns(&case.frame, RUNS)?;
        let before = program.counters()?;
        let time_ns = program.run_time_ns(&case.frame, RUNS)?;
        let counted = program.counters()?.since(&before).of(case.verdict);
        let name = case.verdict.name();
        ensure!(
            counted == u64::from(RUNS),
            "{}: of {RUNS} runs {counted} ended as {name}",
            case.name
        );
        // The first pair warms up.
        if pair > 0 {
            times.push(time_ns);
            floors.push(floor_ns);
        }
    }
    let over = times.zip(&floors, |time, floor| time - floor);
    let most = case.over_floor_ns;
    Ok(Row {
        name: case.name.to_owned(),
        value: times.median(),
        unit: "ns/frame".into(),
        spread: over.spread(),
        against: Some("farend_floor".into()),
        against_value: Some(floors.median()),
        ratio: Some(times.zip(&floors, |time, floor| time / floor).median()),
        must: Some(format!("floor {:+.2} ns, at most +{most}", over.median())),
        holds: Some(over.median() <= most),
    })
}
