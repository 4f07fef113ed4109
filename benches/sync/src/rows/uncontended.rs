//! One thread takes a lock that nobody else wants and gives it back.

use std::{hint::black_box, sync::mpsc, thread, time::Instant};

use anyhow::{Result, bail};

use super::one_way::per;
use crate::{
    cpu,
    locks::Lock,
    measured::{Measured, Quantiles},
};

/// Pairs whose time is taken together.
const BATCH: u64 = 1_000;

/// Measures a lock.
pub(crate) fn run<L: Lock>(operations: u64) -> Result<Option<Measured>> {
    let cpu = cpu::pair()?[0];
    // Another thread, asleep: glibc leaves out locked instructions in a
    // process that has only one.
    let (_awake, asleep) = mpsc::channel::<()>();
    let _other = thread::spawn(move || asleep.recv());
    cpu::pin(cpu)?;
    let lock = L::new()?;
    let batches = (operations / BATCH).max(1);
    let mut samples_ns = Vec::with_capacity(usize::try_from(batches)?);
    for _batch in 0..batches {
        let start = Instant::now();
        for _pair in 0..BATCH {
            black_box(&lock).add();
        }
        samples_ns.push(per(start.elapsed(), BATCH));
    }
    if lock.total() != batches * BATCH {
        bail!("{} of {} were counted", lock.total(), batches * BATCH);
    }
    let quantiles_ns = Quantiles::of(samples_ns);
    Ok(Some(Measured {
        value: quantiles_ns.map_or(f64::NAN, |quantiles| quantiles.p50),
        unit: "ns",
        operations: batches * BATCH,
        quantiles_ns,
        smaller_share: None,
        lagged: None,
        sent: None,
        cpus: None,
    }))
}
