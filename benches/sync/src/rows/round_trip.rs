//! A message there and one back, between two processes.

use std::time::Instant;

use anyhow::Result;

use crate::{
    links::Link,
    measured::{Measured, Quantiles},
    session::{Session, Side},
};

/// Round trips that are not told: the first ones map pages and meet sleepers.
const WARM_UP: u64 = 1_000;

/// Runs one end.
pub(crate) fn run<L: Link>(mut session: Session) -> Result<Option<Measured>> {
    let mut link = L::open(&session)?;
    session.meet(1)?;
    let round_trips = 1..=WARM_UP + session.operations;
    if session.side == Side::Far {
        for sequence in round_trips {
            link.receive(sequence)?;
            link.send(sequence)?;
        }
        return Ok(None);
    }
    let clock_ns = clock_ns();
    let mut samples_ns = Vec::with_capacity(usize::try_from(session.operations)?);
    for sequence in round_trips {
        let start = Instant::now();
        link.send(sequence)?;
        link.receive(sequence)?;
        if sequence > WARM_UP {
            samples_ns.push(start.elapsed().as_secs_f64() * 1e9 - clock_ns);
        }
    }
    session.end()?;
    let quantiles_ns = Quantiles::of(samples_ns);
    Ok(Some(Measured {
        value: quantiles_ns.map_or(f64::NAN, |quantiles| quantiles.p50),
        unit: "ns",
        operations: session.operations,
        quantiles_ns,
        smaller_share: None,
        lagged: None,
        sent: None,
        cpus: Some(session.cpus),
    }))
}

/// What reading the clock at both ends of a time adds to it: the median of many.
fn clock_ns() -> f64 {
    const READINGS: usize = 1_001;
    let mut times: Vec<_> = (0..READINGS).map(|_| Instant::now().elapsed()).collect();
    times.sort();
    times[READINGS / 2].as_secs_f64() * 1e9
}
