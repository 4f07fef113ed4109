//! The processes of one run: a near one that measures, far ones at the other
//! end, and what they have in common.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    pipe::fcntl_setpipe_size,
    process::{Pid, Signal, kill_process, set_parent_process_death_signal},
};

use crate::cpu;

/// Octets that a pipe holds, the most that needs no privilege.
const PIPE_OCTETS: usize = 1 << 20;
/// Said when a side can go on.
const READY: &str = "ready";

/// Which end this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Measures.
    Near,
    /// The other end.
    Far,
}

/// What a far process is told.
#[derive(Debug, clap::Args)]
pub(crate) struct FarArguments {
    pub(crate) row: String,
    pub(crate) contender: String,
    #[arg(long)]
    operations: u64,
    #[arg(long)]
    name: String,
    #[arg(long)]
    memory: PathBuf,
    #[arg(long)]
    pipe: PathBuf,
    #[arg(long)]
    near_cpu: usize,
    #[arg(long)]
    far_cpu: usize,
}

/// One end of a run.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) side: Side,
    /// Messages or round trips.
    pub(crate) operations: u64,
    /// A name that no other run has, 24 characters at most.
    pub(crate) name: String,
    /// Shared memory, empty at first.
    pub(crate) memory: File,
    /// The near side's end to read, the far side's end to write.
    pub(crate) pipe: File,
    pub(crate) cpus: [usize; 2],
    names: [String; 2],
    kept_open: Option<io::PipeWriter>,
    fars: Vec<Far>,
}

/// A far process, as the near one sees it.
#[derive(Debug)]
struct Far {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// The near side. Its thread stays on one CPU from now on.
    pub(crate) fn near(row: &str, contender: &str, operations: u64) -> Result<Self> {
        let cpus = cpu::pair()?;
        cpu::pin(cpus[0])?;
        let memory = memfd_create("farend-bench", MemfdFlags::CLOEXEC);
        let (reader, writer) = io::pipe().context("cannot make a pipe")?;
        fcntl_setpipe_size(&writer, PIPE_OCTETS).context("cannot size a pipe")?;
        let reader = File::open(path_of(&reader)).context("cannot open the pipe")?;
        Ok(Self {
            side: Side::Near,
            operations,
            name: format!("farend-bench-{}", std::process::id()),
            memory: memory.context("cannot make shared memory")?.into(),
            pipe: reader,
            cpus,
            names: [row.to_owned(), contender.to_owned()],
            kept_open: Some(writer),
            fars: Vec::new(),
        })
    }

    /// A far side. It dies with the near one.
    pub(crate) fn far(arguments: FarArguments) -> Result<Self> {
        set_parent_process_death_signal(Some(Signal::KILL))
            .context("cannot die with the parent")?;
        let cpus = [arguments.near_cpu, arguments.far_cpu];
        cpu::pin(cpus[1])?;
        let open = |path: &PathBuf, reads: bool| {
            OpenOptions::new()
                .read(reads)
                .write(true)
                .open(path)
                .with_context(|| format!("cannot open {}", path.display()))
        };
        Ok(Self {
            side: Side::Far,
            operations: arguments.operations,
            name: arguments.name,
            memory: open(&arguments.memory, true)?,
            pipe: open(&arguments.pipe, false)?,
            cpus,
            names: [arguments.row, arguments.contender],
            kept_open: None,
            fars: Vec::new(),
        })
    }

    /// Starts far processes, once what they attach to is there, and waits
    /// until they have. On the far side: says that it has, and waits for all.
    pub(crate) fn meet(&mut self, fars: usize) -> Result<()> {
        if self.side == Side::Far {
            println!("{READY}");
            io::stdout().flush()?;
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            return if line.trim() == READY { Ok(()) } else { bail!("the near side is gone") };
        }
        for _far in 0..fars {
            self.fars.push(self.start_far()?);
        }
        for far in &mut self.fars {
            let line = far.line()?;
            if line.trim() != READY {
                bail!("a far side said {line:?} at the start");
            }
        }
        for far in &mut self.fars {
            let input = far.process.stdin.as_mut().context("no standard input")?;
            writeln!(input, "{READY}").context("a far side is gone")?;
        }
        Ok(())
    }

    /// Waits until the far processes end; what each of them said.
    pub(crate) fn end(&mut self) -> Result<Vec<String>> {
        let mut said = Vec::new();
        for mut far in self.fars.drain(..) {
            said.push(far.line()?);
            let status = far.process.wait()?;
            if !status.success() {
                bail!("a far side ended with {status}");
            }
        }
        Ok(said)
    }

    /// Kills the far process that was started last, after a while; when it was killed.
    pub(crate) fn kill_far(&self, delay: Duration) -> Result<thread::JoinHandle<Instant>> {
        let far = self.fars.last().context("there is no far side")?;
        let pid = Pid::from_child(&far.process);
        Ok(thread::spawn(move || {
            thread::sleep(delay);
            let killed = Instant::now();
            kill_process(pid, Signal::KILL).expect("it is a child, and was not waited for");
            killed
        }))
    }

    /// Waits for a far process that was killed.
    pub(crate) fn bury_far(&mut self) -> Result<()> {
        let mut far = self.fars.pop().context("there is no far side")?;
        far.process.wait()?;
        Ok(())
    }

    fn start_far(&self) -> Result<Far> {
        let writer = self.kept_open.as_ref().context("only the near side starts others")?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut process = Command::new(program)
            .args(["far", &self.names[0], &self.names[1], "--name", &self.name])
            .args(["--operations", &self.operations.to_string()])
            .args(["--near-cpu", &self.cpus[0].to_string()])
            .args(["--far-cpu", &self.cpus[1].to_string()])
            .arg("--memory")
            .arg(path_of(&self.memory))
            .arg("--pipe")
            .arg(path_of(writer))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a far side")?;
        let output = process.stdout.take().context("no standard output")?;
        Ok(Far { process, output: BufReader::new(output) })
    }
}

impl Far {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).context("cannot hear a far side")?;
        Ok(line)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for far in &mut self.fars {
            // Those that ended well are not in the list any more.
            let _gone = far.process.kill();
            let _status = far.process.wait();
        }
    }
}

/// How a child opens what this process has open.
fn path_of(file: &impl std::os::fd::AsFd) -> PathBuf {
    let number = file.as_fd().as_raw_fd();
    format!("/proc/{}/fd/{number}", std::process::id()).into()
}
