//! Instructions of the core in user space, counted by callgrind: the same on
//! every run, whatever else the machine does.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use farend_core::{Kind, Policy, Reason, Verdict, port::BURST_FRAMES_MAX};
use farend_lab::frames::Flow;

use super::{
    Effort,
    cases::{FAR, NEAR, OTHER, PROVIDER_TAG, TAG, default_policy, unsigned},
    report::{Report, Row},
};
use crate::{
    hex::hex,
    host,
    shell::{Shell, capture, cargo, target},
};

/// Runs of the shorter of both loops; their difference is what is counted.
const RUNS: u32 = 1_000;
/// Bursts of the shorter run for the four rings.
const BURSTS: u32 = 100;
/// Most instructions for each frame beside the look at it: rings, pool, books.
const RING_WORK_MAX: f64 = 60.0;
/// The processors that the numbers of the C reference were taken for.
const CPU: &str = "x86-64-v3";

/// The verdict on a frame that is answered.
const HIT: Verdict = Verdict::Reflect(Kind::Probeot);

struct Case {
    name: &'static str,
    frame: Vec<u8>,
    verdict: Verdict,
    /// What the C reference takes, without IPv6, tags, length checks or guards.
    reference: Option<f64>,
    most: Option<f64>,
}

fn cases() -> Vec<Case> {
    let case = |name, flow: &Flow, octets, verdict, reference, most| Case {
        name,
        frame: flow.frame(octets),
        verdict,
        reference,
        most,
    };
    let ipv4 = Flow::ipv4(NEAR, FAR);
    let (vlan, qinq) = (ipv4.clone().tagged(&[TAG]), ipv4.clone().tagged(&[PROVIDER_TAG, TAG]));
    let wrong_port = Flow { destination_port: 53, ..ipv4.clone() };
    let (hit, refused) = (HIT, Verdict::Refuse);
    let (c, most) = (Some(131.0), Some(110.0));
    vec![
        case("instructions: IPv4 hit, 64 octets", &ipv4, 64, hit, c, most),
        case("instructions: IPv4 hit, 1518 octets", &ipv4, 1518, hit, c, most),
        case(
            "instructions: foreign MAC",
            &Flow::ipv4(NEAR, OTHER),
            64,
            refused(Reason::ForeignDestinationMac),
            Some(19.0),
            Some(20.0),
        ),
        case(
            "instructions: wrong port",
            &wrong_port,
            64,
            refused(Reason::UdpPort),
            Some(57.0),
            Some(60.0),
        ),
        case(
            "instructions: wrong signature",
            &unsigned(),
            64,
            refused(Reason::Signature),
            Some(81.0),
            Some(90.0),
        ),
        case("instructions: IPv6 hit", &Flow::ipv6(NEAR, FAR), 128, hit, None, Some(180.0)),
        case("instructions: VLAN hit", &vlan, 128, hit, None, Some(180.0)),
        case("instructions: QinQ hit", &qinq, 128, hit, None, None),
    ]
}

/// Measures the rows of this group.
pub(crate) fn measure(shell: &Shell, _effort: Effort, report: &mut Report) -> Result<()> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        host::install(shell, &["valgrind"])?;
    }
    let loops = Loop { program: build(shell)?, policy: default_policy()? };
    for case in cases() {
        let empty = loops.instructions("empty", &case.frame, case.verdict)?;
        let instructions = loops.instructions("reflect", &case.frame, case.verdict)? - empty;
        report.push(Row {
            name: case.name.to_owned(),
            value: instructions,
            unit: "instructions".into(),
            spread: 0.0,
            against: case.reference.map(|_| "C reference".into()),
            against_value: case.reference,
            ratio: case.reference.map(|reference| instructions / reference),
            must: case.most.map(|most| format!("at most {most}")),
            holds: case.most.map(|most| instructions <= most),
        });
    }
    measure_rings(&loops, report)?;
    measure_allocations(&loops, report)?;
    measure_p99(&loops, report)
}

/// Measures what is allocated for each frame: nothing.
fn measure_allocations(loops: &Loop, report: &mut Report) -> Result<()> {
    let frame = Flow::ipv4(NEAR, FAR).frame(64);
    let allocations = |runs: u32| -> Result<f64> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=memcheck", "--leak-check=no"]);
        let told = loops.run(command, "reflect", runs, &frame, HIT)?;
        // "total heap usage: 1,234 allocs, 1,234 frees, 5,678 bytes allocated"
        let count = told.lines().find_map(|line| line.split_once("total heap usage: "));
        let (_, count) = count.context("valgrind tells no heap usage")?;
        let count = count.split(' ').next().unwrap_or("").replace(',', "");
        count.parse().with_context(|| format!("valgrind counted {count:?}"))
    };
    let each = (allocations(2 * RUNS)? - allocations(RUNS)?) / f64::from(RUNS);
    let row = Row::plain(
        "instructions: allocations for each frame".to_owned(),
        each,
        "allocations",
        "0".to_owned(),
        each == 0.0,
    );
    report.push(row);
    Ok(())
}

/// Measures the order of a look's 99th percentile.
fn measure_p99(loops: &Loop, report: &mut Report) -> Result<()> {
    let frame = Flow::ipv4(NEAR, FAR).frame(64);
    let mut command = Command::new(&loops.program);
    command.args(loops.arguments("p99", 100 * RUNS, &frame, HIT));
    let said = capture(&mut command)?;
    let p99_ns: f64 = said.trim().parse().with_context(|| format!("{said:?} is no time"))?;
    report.push(Row {
        name: "instructions: one look, timed by itself".to_owned(),
        value: p99_ns,
        unit: "ns, p99".into(),
        spread: 0.0,
        against: None,
        against_value: None,
        ratio: None,
        must: None,
        holds: None,
    });
    Ok(())
}

/// Measures what the four rings cost beside the look at a frame.
fn measure_rings(loops: &Loop, report: &mut Report) -> Result<()> {
    let frame = Flow::ipv4(NEAR, FAR).frame(64);
    let inside = |case: &str, function: &str| -> Result<f64> {
        let toggle =
            ["--collect-atstart=no", &format!("--toggle-collect=*{function}*")].map(str::to_owned);
        let once = loops.count(case, BURSTS, &frame, HIT, &toggle)?;
        let twice = loops.count(case, 2 * BURSTS, &frame, HIT, &toggle)?;
        let frames = f64::from(BURSTS) * f64::from(u32::try_from(BURST_FRAMES_MAX)?);
        Ok((twice - once) / frames)
    };
    let judge = inside("judge", "judge_a_burst")?;
    let turn = inside("turn", "turn_a_burst")?;
    report.push(Row {
        name: "instructions: ring work for each frame, bursts of 64".to_owned(),
        value: turn - judge,
        unit: "instructions".into(),
        spread: 0.0,
        against: Some("look, exchange and count".into()),
        against_value: Some(judge),
        ratio: Some((turn - judge) / judge),
        must: Some(format!("at most {RING_WORK_MAX}")),
        holds: Some(turn - judge <= RING_WORK_MAX),
    });
    Ok(())
}

/// Builds the loop as a user's program is built, for the wanted processors.
fn build(shell: &Shell) -> Result<PathBuf> {
    let folder = target().join(CPU);
    let mut command = cargo();
    command.env("RUSTFLAGS", format!("-Ctarget-cpu={CPU}")).env("CARGO_TARGET_DIR", &folder).args(
        ["build", "--release", "--quiet", "--package", "farend-benches", "--bin", "instructions"],
    );
    shell.run(&mut command)?;
    Ok(folder.join("release/instructions"))
}

struct Loop {
    program: PathBuf,
    policy: Policy,
}

impl Loop {
    /// Instructions of one run: the start of the program falls out of the
    /// difference between one number of runs and twice as many.
    fn instructions(&self, case: &str, frame: &[u8], verdict: Verdict) -> Result<f64> {
        let count = |runs| self.count(case, runs, frame, verdict, &[]);
        let (once, twice) = (count(RUNS)?, count(2 * RUNS)?);
        Ok((twice - once) / f64::from(RUNS))
    }

    fn count(
        &self,
        case: &str,
        runs: u32,
        frame: &[u8],
        verdict: Verdict,
        options: &[String],
    ) -> Result<f64> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).args(options);
        let text = self.run(command, case, runs, frame, verdict)?;
        let collected = text.lines().find_map(|line| line.split_once("Collected : "));
        let (_, count) = collected.with_context(|| format!("valgrind counted nothing: {text}"))?;
        count.trim().parse().with_context(|| format!("valgrind counted {count:?}"))
    }

    /// Runs the loop in valgrind and returns what that says.
    fn run(
        &self,
        mut valgrind: Command,
        case: &str,
        runs: u32,
        frame: &[u8],
        verdict: Verdict,
    ) -> Result<String> {
        valgrind.arg(&self.program).args(self.arguments(case, runs, frame, verdict));
        let output = valgrind.output().context("cannot start valgrind")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!("valgrind failed: {text}");
        }
        Ok(text)
    }

    fn arguments(&self, case: &str, runs: u32, frame: &[u8], verdict: Verdict) -> [String; 5] {
        let policy = hex(self.policy.as_octets());
        [case.to_owned(), runs.to_string(), policy, hex(frame), verdict.name().to_owned()]
    }
}
