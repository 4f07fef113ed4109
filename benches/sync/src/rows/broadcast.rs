//! Messages from the near process to readers in far ones, each at its own pace.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use farend_core::sync::Clock;
use farend_futex::Default as System;
use farend_shm::{
    Deadline, SlowReader,
    broadcast::{Options, Publisher, Ring, Subscriber},
};
use serde::{Deserialize, Serialize};

use super::one_way::per;
use crate::{
    SHORT_OCTETS,
    measured::Measured,
    message,
    session::{Session, Side},
};

const CAPACITY_MESSAGES: u64 = 4_096;

/// What one reader got.
#[derive(Debug, Serialize, Deserialize)]
struct Reader {
    delivered: u64,
    lost: u64,
    /// On the clock that all processes share.
    first_ns: u64,
    last_ns: u64,
}

/// Everything arrives: the writer waits for slow readers.
pub(crate) fn block<const READERS: usize>(session: Session) -> Result<Option<Measured>> {
    run::<READERS>(session, SlowReader::Block)
}

/// The writer waits for nobody: what a reader misses, it is told.
pub(crate) fn overwrite<const READERS: usize>(session: Session) -> Result<Option<Measured>> {
    run::<READERS>(session, SlowReader::Overwrite)
}

fn run<const READERS: usize>(
    mut session: Session,
    slow_reader: SlowReader,
) -> Result<Option<Measured>> {
    let name = format!("/{}", session.name);
    if session.side == Side::Far {
        let ring = Ring::attach(&name).context("cannot attach")?;
        let mut subscriber = ring.subscriber()?;
        session.meet(0)?;
        let reader = read(&mut subscriber, slow_reader, session.operations)?;
        println!("{}", serde_json::to_string(&reader)?);
        return Ok(None);
    }
    let ring = Ring::create(
        &name,
        Options {
            capacity_messages: CAPACITY_MESSAGES,
            message_octets_max: SHORT_OCTETS as u64,
            subscribers_max: 8,
            slow_reader,
        },
    );
    let mut publisher = ring.context("cannot create the ring")?.publisher()?;
    session.meet(READERS)?;
    write(&mut publisher, session.operations)?;
    let mut readers = Vec::new();
    for said in session.end()? {
        let reader: Reader = serde_json::from_str(&said).context("a reader said nothing")?;
        if reader.delivered + reader.lost != session.operations {
            bail!("of {} messages a reader knows of {reader:?}", session.operations);
        }
        readers.push(reader);
    }
    Ok(Some(Measured {
        value: rate(&readers),
        unit: "messages/s",
        operations: readers.iter().map(|reader| reader.delivered).sum(),
        quantiles_ns: None,
        smaller_share: None,
        lagged: Some(readers.iter().map(|reader| reader.lost).sum()),
        sent: Some(session.operations),
        cpus: Some(session.cpus),
    }))
}

/// Messages that all readers got in a second, from the first one's first message to the
/// last one's last.
fn rate(readers: &[Reader]) -> f64 {
    let first_ns = readers.iter().map(|reader| reader.first_ns).min().unwrap_or(0);
    let last_ns = readers.iter().map(|reader| reader.last_ns).max().unwrap_or(0);
    let delivered = readers.iter().map(|reader| reader.delivered).sum::<u64>().max(1);
    1e9 / per(Duration::from_nanos(last_ns.saturating_sub(first_ns)), delivered)
}

fn write(publisher: &mut Publisher, messages: u64) -> Result<()> {
    let mut message = [0; SHORT_OCTETS];
    for sequence in 1..=messages {
        message::fill_octets(&mut message, sequence);
        publisher.send(&message, Deadline::NEVER)?;
    }
    Ok(())
}

/// Reads up to the last message, and makes sure that each is whole and that
/// nothing is missing but what is told.
fn read(subscriber: &mut Subscriber, slow_reader: SlowReader, messages: u64) -> Result<Reader> {
    let mut buffer = [0; SHORT_OCTETS];
    let mut reader = Reader { delivered: 0, lost: 0, first_ns: 0, last_ns: 0 };
    let mut sequence = 0;
    while sequence < messages {
        let is_whole = if slow_reader == SlowReader::Block {
            sequence += 1;
            let record = subscriber.receive_in_place(Deadline::NEVER)?;
            message::are_whole_octets(record, sequence)
        } else {
            let message = subscriber.receive(&mut buffer, Deadline::NEVER)?;
            sequence += message.lost + 1;
            reader.lost += message.lost;
            message::are_whole_octets(&buffer, sequence)
        };
        if !is_whole {
            bail!("message {sequence} did not arrive whole or in its order");
        }
        reader.delivered += 1;
        if reader.delivered == 1 {
            reader.first_ns = System::now_ns();
        }
    }
    reader.last_ns = System::now_ns();
    Ok(reader)
}
