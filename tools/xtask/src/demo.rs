//! `cargo xtask demo`: a reflector and a tester on two hosts, every tier side
//! by side.
//!
//! The hosts are network namespaces without a name, and every process started
//! here dies with this one: Ctrl-C leaves nothing behind.

mod table;

use anyhow::{Context, Result};
use aya::programs::XdpMode;
use farend_lab::{Lab, Reflector, Wire, kernel::Program};

use self::table::{Cell, Table};
use crate::{
    host,
    probe::{Asked, Target, probe},
    programs::Programs,
    shell::Shell,
};

/// The sizes of RFC 2544 section 9.1 and a jumbo frame, in octets with FCS.
pub(crate) const SIZES: [usize; 8] = [64, 128, 256, 512, 1024, 1280, 1518, 9000];

/// Rate at which loss and round-trip times are measured, in frames a second:
/// every tier can do it, so that what is lost is a fault.
pub(crate) const CALM_RATE_FPS: u32 = 5_000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Form {
    sizes: &'static [usize],
    /// Sending time of one size, in seconds.
    duration_s: f64,
}

/// What a person is shown.
const WHOLE: Form = Form { sizes: &SIZES, duration_s: 0.6 };

/// Enough to see that it works.
const SHORT: Form = Form { sizes: &[64, 1518, 9000], duration_s: 0.1 };

/// Largest packet on the wire of the demo, in octets.
const MTU_OCTETS: u32 = 9000;

/// The tiers, best first.
const TIERS: [&str; 5] = ["xdp", "xdp-generic", "af-xdp", "af-packet", "udp"];

/// How much to show.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Only these tiers: xdp, xdp-generic, af-xdp, af-packet, udp
    #[arg(value_parser = TIERS)]
    tiers: Vec<String>,
    /// Only the udp tier on loopback, as without root
    #[arg(long)]
    loopback: bool,
}

/// Shows it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = Shell::loud();
    let programs = Programs::build(&shell)?;
    let table = show(&shell, &programs, arguments, WHOLE);
    println!("{table}");
    table.check()
}

/// The same as a step of continuous integration: a moment for each tier, by the
/// programs that the tests use.
pub(crate) fn short(shell: &Shell) -> Result<()> {
    if !farend_lab::is_root() {
        host::skip(shell, "the demo's hosts need root; without it, udp on loopback alone")?;
    }
    let programs = Programs::build_for_tests(shell)?;
    let table = show(shell, &programs, &Arguments::default(), SHORT);
    shell.say(&table.to_string());
    table.check()
}

/// Measures what is asked for.
fn show(shell: &Shell, programs: &Programs, arguments: &Arguments, form: Form) -> Table {
    let mut table = Table::new(form.sizes);
    if arguments.loopback || !farend_lab::is_root() {
        shell.say("without root: the udp tier on loopback, the others need network namespaces");
        table.add("udp, loopback", measure_loopback(shell, programs, form));
        return table;
    }
    for tier in TIERS {
        if arguments.tiers.is_empty() || arguments.tiers.iter().any(|wanted| wanted == tier) {
            table.add(tier, measure_tier(shell, programs, tier, form));
        }
    }
    table
}

/// One tier on two hosts of their own.
fn measure_tier(shell: &Shell, programs: &Programs, tier: &str, form: Form) -> Result<Vec<Cell>> {
    let lab = Lab::new(Wire { mtu_octets: MTU_OCTETS, ..Wire::default() })?;
    // A veth interface takes what its peer's XDP program sends back only if it
    // has a program itself.
    let _takes_returned = Program::of_lab("farend_pass")?.attach(&lab.near, XdpMode::Driver)?;
    let address = lab.far.ipv4.to_string();
    let place = if tier == "udp" { address.as_str() } else { lab.far.interface };
    let arguments = [place, "--tier", tier, "--stats", "none"];
    let _reflector = Reflector::start(Some(&lab.far), &programs.reflector, &arguments)
        .with_context(|| format!("tier {tier}"))?;
    let target = Target::Frames { near: &lab.near, far: &lab.far };
    measure(shell, programs, tier, target, form)
}

/// The udp tier where this process is.
fn measure_loopback(shell: &Shell, programs: &Programs, form: Form) -> Result<Vec<Cell>> {
    let port = farend_effort::own_port();
    let arguments = ["127.0.0.1", "--tier", "udp", "--stats", "none", "--port", &port.to_string()];
    let _reflector = Reflector::start(None, &programs.reflector, &arguments).context("tier udp")?;
    measure(shell, programs, "udp, loopback", Target::Datagrams { port }, form)
}

/// Every size twice: as fast as it goes, and calmly.
fn measure(
    shell: &Shell,
    programs: &Programs,
    tier: &str,
    target: Target<'_>,
    form: Form,
) -> Result<Vec<Cell>> {
    let Form { sizes, duration_s } = form;
    let asked = |rate_fps| Asked { frame_octets: sizes, rate_fps, duration_s };
    shell.say(&format!("{tier}: {} sizes, as fast as it goes", sizes.len()));
    let fast = probe(&programs.tester, target, asked(None))?;
    shell.say(&format!("{tier}: {} sizes, {CALM_RATE_FPS} frames/s", sizes.len()));
    let calm = probe(&programs.tester, target, asked(Some(CALM_RATE_FPS)))?;
    Ok(fast.into_iter().zip(calm).map(|(fast, calm)| Cell { fast, calm }).collect())
}
