//! The peer of the `af-xdp` tier: testpmd of DPDK with its own `AF_XDP`
//! driver, exchanging MAC addresses, addresses and ports (`5tswap`).

use std::{
    io::{BufRead as _, BufReader, Write as _},
    mem,
    path::PathBuf,
    process::{ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use farend_lab::{Host, Process};

const PROGRAM: &str = "dpdk-testpmd";

/// What it says once it forwards.
const READY: &str = "Press enter to exit";

/// Longest time, in seconds, that it takes to let go of the interface.
const END_SECONDS_MAX: u64 = 10;

/// A running testpmd.
pub(crate) struct Testpmd {
    process: Process,
    /// Held open: it goes on telling.
    _output: BufReader<ChildStdout>,
}

/// Where it is, if it is installed.
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|path| path.exists())
}

impl Testpmd {
    /// Starts it on the host's interface, one queue, copy mode. It forwards on
    /// this CPU and is steered from the other.
    pub(crate) fn start(host: &Host, forwarding_cpu: usize, steering_cpu: usize) -> Result<Self> {
        // Into a pipe it would keep back what it says.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", PROGRAM]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.args(["-l", &format!("{forwarding_cpu},{steering_cpu}")]);
        command.args(["--main-lcore", &steering_cpu.to_string()]);
        // The other way than huge pages clashes with these two.
        command.args(["--no-huge", "--no-shconf", "--no-telemetry", "--no-pci", "-m", "256"]);
        command.args(["-d", "librte_net_af_xdp.so", "-d", "librte_mempool_ring.so"]);
        command.args(["--vdev", &format!("net_af_xdp0,iface={},force_copy=1", host.interface)]);
        command.args(["--", "--forward-mode=5tswap", "--auto-start", "--nb-cores=1"]);
        command.args(["--no-mlockall", "--total-num-mbufs=16384"]);
        let mut process = host.namespace.spawn(command).context("cannot start testpmd")?;
        let output = process.stdout.take().context("no standard output")?;
        let mut output = BufReader::new(output);
        let (mut line, mut said) = (String::new(), String::new());
        while output.read_line(&mut line)? > 0 {
            if line.starts_with(READY) {
                return Ok(Self { process, _output: output });
            }
            said = mem::take(&mut line);
        }
        bail!("testpmd does not start: {}", said.trim_end())
    }

    /// Ends it kindly, so that it detaches its program.
    pub(crate) fn stop(mut self) -> Result<()> {
        let mut input = self.process.stdin.take().context("no standard input")?;
        input.write_all(b"\n")?;
        drop(input);
        self.process
            .wait_for(Duration::from_secs(END_SECONDS_MAX))
            .context("testpmd does not end")?;
        Ok(())
    }
}
