//! One CPU for each side.

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs of both sides: the last two that are allowed, since the first
/// serves most interrupts.
pub(crate) fn pair() -> Result<[usize; 2]> {
    let allowed = sched_getaffinity(None).context("cannot ask which CPUs are allowed")?;
    let mut allowed = (0..CpuSet::MAX_CPU).rev().filter(|&cpu| allowed.is_set(cpu));
    let (Some(near), Some(far)) = (allowed.next(), allowed.next()) else {
        bail!("two CPUs are needed, one for each side");
    };
    Ok([near, far])
}

/// Keeps the calling thread on one CPU.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).with_context(|| format!("cannot stay on CPU {cpu}"))
}
