//! A running `farend-xdp`.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{Host, Process};

/// How the line begins that says that frames are answered now.
const READY: &str = "ready: ";

/// Longest wait, in seconds, for that line: a busy machine's.
const READY_SECONDS_MAX: u64 = 60;

/// How often it is looked for, in milliseconds.
const LOOK_INTERVAL_MS: u64 = 5;

/// A reflector that has said that it is ready.
///
/// It is killed when this is dropped; [`Process::signal`] ends it kindly.
#[derive(Debug)]
pub struct Reflector {
    process: Process,
    complaints: Lines,
    output: Lines,
    readers: Vec<JoinHandle<()>>,
}

/// What it wrote so far.
type Lines = Arc<Mutex<Vec<String>>>;

impl Reflector {
    /// Starts the program on the host, or, without one, where this process is,
    /// and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If the program ends before, or is not ready in time: with what it said.
    pub fn start<A: AsRef<OsStr>>(
        host: Option<&Host>,
        program: &Path,
        arguments: &[A],
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = match host {
            Some(host) => host.namespace.spawn(command)?,
            None => Process::spawn(command)?,
        };
        let (complaints, output) = (Lines::default(), Lines::default());
        let stderr = process.stderr.take().context("no standard error")?;
        let stdout = process.stdout.take().context("no standard output")?;
        let readers = vec![read_lines(stderr, &complaints), read_lines(stdout, &output)];
        let mut reflector = Self { process, complaints, output, readers };
        reflector.wait_until_ready()?;
        Ok(reflector)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(READY_SECONDS_MAX);
        loop {
            if self.is_said(READY) {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                // What it said last may still be on its way.
                thread::sleep(Duration::from_millis(10 * LOOK_INTERVAL_MS));
                bail!("the reflector ended, {status}: {}", self.said().join("; "));
            }
            if Instant::now() >= deadline {
                bail!("the reflector is not ready: {}", self.said().join("; "));
            }
            thread::sleep(Duration::from_millis(LOOK_INTERVAL_MS));
        }
    }

    /// The lines of its standard error so far.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        copy(&self.complaints)
    }

    /// Waits for its end, and returns how it ended and the lines of its
    /// standard output.
    ///
    /// # Errors
    ///
    /// If it still runs after this time.
    pub fn finish(mut self, longest: Duration) -> Result<(ExitStatus, Vec<String>)> {
        let status = self.process.wait_for(longest)?;
        for reader in self.readers.drain(..) {
            reader.join().ok().context("a reader of its output failed")?;
        }
        Ok((status, copy(&self.output)))
    }

    /// Whether one of these lines contains this.
    #[must_use]
    pub fn is_said(&self, words: &str) -> bool {
        self.said().iter().any(|line| line.contains(words))
    }
}

impl Deref for Reflector {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Reflector {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn copy(lines: &Lines) -> Vec<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Reads on a thread that ends when the program closes its end.
fn read_lines(from: impl Read + Send + 'static, lines: &Lines) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}

/// Where a program of this project is, built as the running one was.
///
/// # Errors
///
/// If it is not there.
pub fn program(name: &str) -> Result<PathBuf> {
    let running = std::env::current_exe()?;
    let folders = running.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates
        .find(|path| path.exists())
        .with_context(|| format!("{name} is not built: cargo build --package {name}"))
}
