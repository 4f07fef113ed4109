//! The control socket: a thread without privileges that reads calls, and hands
//! them to the runtime, which does them.
//!
//! **Invariant:** nothing here changes anything but the socket, and nothing here
//! waits for the runtime or for a client. What a client can make it hold is
//! bounded: `docs/decisions/0009-control.md`.

mod connection;
mod door;
mod journal;
mod peer;
mod server;
mod stream;
mod sys;

use std::{sync::Arc, time::Instant};

use farend_control::{Error, calls::Since, statistics::StatisticsLine};

use crate::statistics::{Snapshot, line_of};

pub(crate) use self::{door::Door, journal::Journal};

/// All counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// When.
    pub(crate) taken: Instant,
    /// Counts since the start.
    pub(crate) now: Snapshot,
    /// Those when the epoch began.
    pub(crate) start: Arc<Snapshot>,
    /// The epoch's number.
    pub(crate) epoch: u64,
}

impl Reading {
    /// A line of counts since the start or the last reset, of all interfaces or
    /// some; its rates are those since `before`, or of the whole time.
    pub(crate) fn line(
        &self,
        since: Since,
        only: Option<&[String]>,
        before: Option<&Self>,
    ) -> Result<StatisticsLine, Error> {
        let is_known = |name: &String| self.now.interfaces.iter().any(|one| one.interface == *name);
        if !only.into_iter().flatten().all(is_known) {
            let known = self.now.interfaces.iter().map(|one| one.interface.clone()).collect();
            return Err(Error::NoSuchInterface { known });
        }
        let mut counts = match since {
            Since::Start => self.now.clone(),
            Since::Reset => self.now.since(&self.start),
        };
        let mut interval = before.map_or_else(|| counts.clone(), |it| self.now.since(&it.now));
        if let Some(only) = only {
            counts.retain(only);
            interval.retain(only);
        }
        Ok(line_of("statistics", &counts, &interval))
    }
}
