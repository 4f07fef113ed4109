//! How long the kernel program is and what a run of it executes, under the
//! default policy: the same on every run, whatever else the machine does.

use anyhow::{Result, ensure};
use farend_core::{Kind, Reason, Verdict};
use farend_lab::{frames::Flow, kernel::Program};

use super::{
    Effort,
    cases::{FAR, NEAR, OTHER, PROVIDER_TAG, TAG, default_policy, unsigned},
    report::{Report, Row},
};
use crate::shell::Shell;

/// Most instructions of the program.
pub(crate) const LENGTH_MAX: u32 = 800;

const FRAME_OCTETS: usize = 128;
const ETHERTYPE_ARP: u16 = 0x0806;

struct Case {
    name: &'static str,
    flow: Flow,
    verdict: Verdict,
    /// Most instructions, if there is a limit.
    most: Option<u32>,
}

fn cases() -> Vec<Case> {
    let case = |name, flow: &Flow, verdict, most| Case { name, flow: flow.clone(), verdict, most };
    let ipv4 = Flow::ipv4(NEAR, FAR);
    let tagged = |tags: &[(u16, u16)]| ipv4.clone().tagged(tags);
    let wrong_port = Flow { destination_port: 53, ..ipv4.clone() };
    let (hit, refused) = (Verdict::Reflect(Kind::Probeot), Verdict::Refuse);
    let foreign = refused(Reason::ForeignDestinationMac);
    vec![
        case("IPv4 hit", &ipv4, hit, Some(135)),
        case("IPv6 hit", &Flow::ipv6(NEAR, FAR), hit, None),
        case("VLAN hit", &tagged(&[TAG]), hit, None),
        case("QinQ hit", &tagged(&[PROVIDER_TAG, TAG]), hit, None),
        case("foreign MAC", &Flow::ipv4(NEAR, OTHER), foreign, None),
        case("foreign EtherType", &tagged(&[(ETHERTYPE_ARP, 1)]), refused(Reason::EtherType), None),
        case("foreign port", &wrong_port, refused(Reason::UdpPort), None),
        case("no signature", &unsigned(), refused(Reason::Signature), None),
    ]
}

/// Measures the rows of this group.
pub(crate) fn measure(_shell: &Shell, _effort: Effort, report: &mut Report) -> Result<()> {
    let program = Program::reflect(&default_policy()?)?;
    let length = program.instructions()?;
    report.push(row("length under the default policy", length, Some(LENGTH_MAX)));
    for Case { name, flow, verdict, most } in cases() {
        let before = program.counters()?;
        let executed = program.executed(&flow.frame(FRAME_OCTETS))?;
        let counted = program.counters()?.since(&before).of(verdict);
        ensure!(counted == 1, "{name}: the verdict is not {}", verdict.name());
        report.push(row(&format!("executed, {name}"), executed, most));
    }
    Ok(())
}

fn row(name: &str, value: u32, most: Option<u32>) -> Row {
    Row {
        name: format!("program: {name}"),
        value: value.into(),
        unit: "instructions".into(),
        spread: 0.0,
        against: None,
        against_value: None,
        ratio: None,
        must: most.map(|most| format!("at most {most}")),
        holds: most.map(|most| value <= most),
    }
}
