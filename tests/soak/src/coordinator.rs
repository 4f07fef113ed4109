//! Starts workers, kills them at random, and looks whether the others go on.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use farend_shm::{SlowReader, broadcast, spsc};

use crate::{
    numbers::Numbers,
    report::Report,
    world::{SEATS, Shared},
};

/// For so long workers are killed,
const STORM: Duration = Duration::from_secs(2);
/// at times up to so far apart, in microseconds,
const KILL_INTERVAL_US: u64 = 20_000;
/// and then every worker that lives must go on within this time.
const HANG: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_micros(200);

/// Octets of the ring of one sender: small, so that it is full and empty often.
const SPSC_OCTETS: u64 = 1 << 14;
/// Longest message, in octets.
pub(crate) const MESSAGE_OCTETS_MAX: usize = 512;

/// Runs for so long, or until Ctrl-C. Returns whether there was no fault.
pub(crate) fn run(seconds: u64) -> Result<bool> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted))?;
    }
    let mut soak = Soak::start(is_interrupted)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut told = Instant::now();
    while Instant::now() < end && !soak.is_over() {
        soak.storm()?;
        soak.calm()?;
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            soak.tell(false);
        }
    }
    soak.tell(true);
    Ok(soak.report.faults.is_empty())
}

struct Soak {
    shared: Shared,
    name: String,
    workers: Vec<Child>,
    numbers: Numbers,
    /// Workers started so far: the number of the next.
    generation: u64,
    begin: Instant,
    is_interrupted: Arc<AtomicBool>,
    went_on_ms: Vec<f64>,
    report: Report,
    // Keep the names of the rings.
    _spsc: spsc::Ring,
    _broadcast: broadcast::Ring,
}

impl Soak {
    fn start(is_interrupted: Arc<AtomicBool>) -> Result<Self> {
        let name = format!("/farend-soak-{}", std::process::id());
        let options = broadcast::Options {
            capacity_messages: 64,
            message_octets_max: MESSAGE_OCTETS_MAX as u64,
            subscribers_max: 4,
            slow_reader: SlowReader::Overwrite,
        };
        let mut soak = Self {
            shared: Shared::create()?,
            workers: Vec::new(),
            numbers: Numbers::new(u64::from(std::process::id())),
            generation: 0,
            begin: Instant::now(),
            is_interrupted,
            went_on_ms: Vec::new(),
            report: Report::default(),
            _spsc: spsc::Ring::create(&format!("{name}-s"), SPSC_OCTETS)
                .context("cannot create a ring")?,
            _broadcast: broadcast::Ring::create(&format!("{name}-b"), options)
                .context("cannot create a ring")?,
            name,
        };
        for seat in 0..SEATS.len() {
            let worker = soak.worker(seat)?;
            soak.workers.push(worker);
        }
        Ok(soak)
    }

    /// Whether to stop before the time: interrupted, or something is wrong.
    fn is_over(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed) || !self.report.faults.is_empty()
    }

    /// Starts a worker.
    fn worker(&mut self, seat: usize) -> Result<Child> {
        self.generation += 1;
        let (coordinator, memory) = self.shared.place();
        let program = std::env::current_exe().context("cannot find this program")?;
        Command::new(program)
            .args(["work", &seat.to_string(), &self.generation.to_string()])
            .args(["--coordinator", &coordinator.to_string(), "--memory", &memory.to_string()])
            .args(["--name", &self.name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start a worker")
    }

    /// Kills at random, for a while.
    fn storm(&mut self) -> Result<()> {
        let end = Instant::now() + STORM;
        while Instant::now() < end && !self.is_over() {
            thread::sleep(Duration::from_micros(self.numbers.below(KILL_INTERVAL_US)));
            let seat = usize::try_from(self.numbers.below(SEATS.len() as u64))?;
            self.look_for_ended()?;
            if self.is_over() {
                return Ok(());
            }
            // The next one starts beside what is left of the last.
            if let Some(worker) = self.workers.get_mut(seat) {
                worker.kill().context("cannot kill a worker")?;
            }
            let next = self.worker(seat)?;
            if let Some(worker) = self.workers.get_mut(seat) {
                worker.wait().context("cannot wait for a worker")?;
                *worker = next;
            }
            self.report.kills += 1;
        }
        Ok(())
    }

    /// Kills nobody until every worker has gone on.
    fn calm(&mut self) -> Result<()> {
        let start = Instant::now();
        let operations = |soak: &Self| -> Vec<u64> {
            let seats = soak.shared.world.seats.iter();
            seats.map(|seat| seat.operations.load(Ordering::Relaxed)).collect()
        };
        let before = operations(self);
        // Two more: one may have been counted by a worker that was killed.
        let stands = |now: &[u64]| {
            now.iter().zip(&before).position(|(now, before)| *now < before.saturating_add(2))
        };
        while let Some(seat) = stands(&operations(self)) {
            if self.is_over() {
                return Ok(());
            }
            if start.elapsed() > HANG {
                let role = SEATS.get(seat);
                self.fault(format!("seat {seat}, {role:?}, stands still for {HANG:?}"));
                return Ok(());
            }
            self.look_for_ended()?;
            thread::sleep(LOOK_INTERVAL);
        }
        self.report.calms += 1;
        self.went_on_ms.push(start.elapsed().as_secs_f64() * 1e3);
        Ok(())
    }

    /// A worker ends only when it is killed.
    fn look_for_ended(&mut self) -> Result<()> {
        for seat in 0..self.workers.len() {
            let Some(worker) = self.workers.get_mut(seat) else { continue };
            let Some(status) = worker.try_wait().context("cannot look after a worker")? else {
                continue;
            };
            if !self.is_interrupted.load(Ordering::Relaxed) {
                self.fault(format!("seat {seat}, {:?}: {status}", SEATS.get(seat)));
            }
        }
        Ok(())
    }

    fn fault(&mut self, fault: String) {
        eprintln!("fault: {fault}");
        self.report.faults.push(fault);
    }

    fn tell(&mut self, is_end: bool) {
        self.went_on_ms.sort_by(f64::total_cmp);
        let middle = self.went_on_ms.get(self.went_on_ms.len() / 2);
        self.report.went_on_p50_ms = middle.copied().unwrap_or(0.0);
        self.report.went_on_max_ms = self.went_on_ms.last().copied().unwrap_or(0.0);
        self.report.seconds = self.begin.elapsed().as_secs_f64();
        self.report.is_end = is_end;
        self.report.print(self.shared.world);
    }
}

impl Drop for Soak {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ended = worker.kill();
            let _reaped = worker.wait();
        }
        // What killed makers left.
        for what in ["c", "r", "m", "v", "u"] {
            let _gone = farend_shm::unlink(&format!("{}-{what}", self.name));
        }
    }
}
