//! What a side costs that waits beside a peer: until it knows of the peer's death, and
//! while nothing happens.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use farend_shm::{Deadline, RingError, spsc};

use crate::{
    measured::{Measured, Quantiles},
    session::{Session, Side},
};

const RING_OCTETS: u64 = 1 << 14;

/// How long a peer lives before it is killed: the other side sleeps by then.
const LIFE: Duration = Duration::from_millis(5);

/// From a peer's death to the knowledge of the side that sleeps beside it: the time until
/// `receive` says so, as often as asked for.
pub(crate) fn death(mut session: Session) -> Result<Option<Measured>> {
    let name = format!("/{}", session.name);
    if session.side == Side::Far {
        let _sender = spsc::Ring::attach(&name).context("cannot attach")?.sender()?;
        session.meet(0)?;
        thread::sleep(Duration::from_mins(1));
        return Ok(None);
    }
    let ring = spsc::Ring::create(&name, RING_OCTETS).context("cannot create the ring")?;
    let mut receiver = ring.receiver()?;
    let mut samples_ns = Vec::new();
    for _ in 0..session.operations {
        session.meet(1)?;
        let killing = session.kill_far(LIFE)?;
        let end = receiver.receive(Deadline::NEVER).map(<[u8]>::len);
        let known = Instant::now();
        let killed = killing.join().map_err(|_panic| anyhow::anyhow!("a thread panicked"))?;
        if !matches!(end, Err(RingError::PeerDied(_))) {
            bail!("{end:?} in place of the peer's death");
        }
        samples_ns.push(known.saturating_duration_since(killed).as_secs_f64() * 1e9);
        session.bury_far()?;
    }
    let quantiles_ns = Quantiles::of(samples_ns);
    Ok(Some(Measured {
        value: quantiles_ns.map_or(f64::NAN, |quantiles| quantiles.p99),
        quantiles_ns,
        ..Measured::times(session.operations, Vec::new(), Some(session.cpus))
    }))
}

/// How often the threads of a process wake in a second, with one side that sleeps beside a
/// living peer.
pub(crate) fn idle_wakes(session: Session) -> Result<Option<Measured>> {
    let usage = idle(session)?;
    Ok(usage.map(|(wakes, _cpu)| plain(wakes, "1/s")))
}

/// The part of a CPU that it takes.
pub(crate) fn idle_cpu(session: Session) -> Result<Option<Measured>> {
    let usage = idle(session)?;
    Ok(usage.map(|(_wakes, cpu)| plain(cpu, "of a CPU")))
}

fn plain(value: f64, unit: &'static str) -> Measured {
    Measured { value, unit, ..Measured::times(1, Vec::new(), None) }
}

fn idle(mut session: Session) -> Result<Option<(f64, f64)>> {
    const IDLE: Duration = Duration::from_secs(2);
    let name = format!("/{}", session.name);
    if session.side == Side::Far {
        let mut sender = spsc::Ring::attach(&name).context("cannot attach")?.sender()?;
        session.meet(0)?;
        thread::sleep(IDLE + Duration::from_millis(500));
        sender.send(b"end", Deadline::NEVER)?;
        println!("ended");
        return Ok(None);
    }
    let ring = spsc::Ring::create(&name, RING_OCTETS).context("cannot create the ring")?;
    let mut receiver = ring.receiver()?;
    session.meet(1)?;
    let receiving = thread::spawn(move || receiver.receive(Deadline::NEVER).map(<[u8]>::len));
    // Until it sleeps.
    thread::sleep(Duration::from_millis(100));
    let before = usage()?;
    thread::sleep(IDLE);
    let after = usage()?;
    let end = receiving.join().map_err(|_panic| anyhow::anyhow!("a thread panicked"))?;
    end.context("nothing was received")?;
    session.end()?;
    // This thread's own sleep is one.
    let wakes = (after.0 - before.0 - 1.0).max(0.0);
    Ok(Some((wakes / IDLE.as_secs_f64(), (after.1 - before.1) / IDLE.as_secs_f64())))
}

/// How often threads of this process gave their CPU up by themselves, and seconds of a CPU.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn usage() -> Result<(f64, f64)> {
    let mut switches = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let status = std::fs::read_to_string(task?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        switches += line.context("no count of switches")?.trim().parse::<u64>()?;
    }
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    // utime and stime, in hundredths of a second.
    let ticks = fields.get(12..14).context("a short stat")?.iter();
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    Ok((switches as f64, ticks as f64 / 100.0))
}
