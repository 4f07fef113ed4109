//! Messages from the far process to the near one, as fast as both can.

use std::time::Instant;

use anyhow::Result;

use crate::{
    links::Link,
    measured::{Measured, Quantiles},
    session::{Session, Side},
};

/// Parts of a run whose times are told apart.
const BATCHES: u64 = 1_000;

/// Runs one end. The rate is that of whole messages at the receiver.
pub(crate) fn run<L: Link>(mut session: Session) -> Result<Option<Measured>> {
    let mut link = L::open(&session)?;
    session.meet(1)?;
    let batch = (session.operations / BATCHES).max(1);
    let batches = session.operations / batch;
    let messages = batch * batches;
    // One more at the start: the clock runs from its arrival on.
    if session.side == Side::Far {
        for sequence in 1..=messages + 1 {
            link.send(sequence)?;
        }
        return Ok(None);
    }
    link.receive(1)?;
    let mut samples_ns = Vec::with_capacity(usize::try_from(batches)?);
    let start = Instant::now();
    let mut before = start;
    for number in 0..batches {
        for sequence in 1 + number * batch..=(number + 1) * batch {
            link.receive(sequence + 1)?;
        }
        let now = Instant::now();
        samples_ns.push(per(now - before, batch));
        before = now;
    }
    session.end()?;
    Ok(Some(Measured {
        value: 1e9 / per(before - start, messages),
        unit: "messages/s",
        operations: messages,
        quantiles_ns: Quantiles::of(samples_ns),
        smaller_share: None,
        lagged: None,
        sent: None,
        cpus: Some(session.cpus),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "a number of messages")]
pub(super) fn per(time: std::time::Duration, messages: u64) -> f64 {
    time.as_secs_f64() * 1e9 / messages as f64
}
