//! Two threads that want the same lock all the time.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};

use crate::{cpu, locks::Lock, measured::Measured};

/// Time of one run, in milliseconds.
const RUN_MS: u64 = 300;

/// Measures a lock. The number of operations follows from the time.
pub(crate) fn run<L: Lock>(_operations: u64) -> Result<Option<Measured>> {
    let cpus = cpu::pair()?;
    let lock = L::new()?;
    let is_over = AtomicBool::new(false);
    let start = Barrier::new(3);
    let (counts, time) = thread::scope(|scope| {
        let sides = cpus.map(|cpu| {
            let (lock, is_over, start) = (&lock, &is_over, &start);
            scope.spawn(move || -> Result<u64> {
                let pinned = cpu::pin(cpu);
                start.wait();
                pinned?;
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    lock.add();
                    count += 1;
                }
                Ok(count)
            })
        });
        start.wait();
        let begin = Instant::now();
        thread::sleep(Duration::from_millis(RUN_MS));
        is_over.store(true, Ordering::Relaxed);
        let time = begin.elapsed();
        let counts: Result<Vec<u64>> = sides
            .into_iter()
            .map(|side| side.join().map_err(|_panic| anyhow!("a thread panicked"))?)
            .collect();
        counts.map(|counts| (counts, time))
    })?;
    let operations: u64 = counts.iter().sum();
    if lock.total() != operations {
        bail!("{} of {operations} were counted: no mutual exclusion", lock.total());
    }
    let smaller = counts.iter().min().copied().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "numbers of operations")]
    let (value, share) =
        (operations as f64 / time.as_secs_f64(), smaller as f64 / operations.max(1) as f64);
    Ok(Some(Measured {
        value,
        unit: "pairs/s",
        operations,
        quantiles_ns: None,
        smaller_share: Some(share),
        lagged: None,
        sent: None,
        cpus: Some(cpus),
    }))
}
