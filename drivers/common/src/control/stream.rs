//! Calls with `more`: replies as they come.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use farend_control::{
    Error,
    calls::{GetStatistics, INTERVAL_MS_MIN, Since, StatisticsReply},
    status::Status,
};

use super::Reading;

/// The time between two readings where nobody says.
const INTERVAL_MS: u64 = 1_000;

/// A longer interval is taken for this one: a day.
const INTERVAL_MS_MAX: u64 = 86_400_000;

/// Status is told no more often.
pub(super) const STATUS_PAUSE: Duration = Duration::from_millis(INTERVAL_MS_MIN);

/// What a client is told again and again.
#[derive(Debug)]
pub(super) enum Stream {
    /// Counters.
    Statistics(Readings),
    /// The status, at each change.
    Status(Changes),
    /// Events from this number on.
    Monitor(u64),
}

/// Counters, at an interval.
#[derive(Debug)]
pub(super) struct Readings {
    parameters: GetStatistics,
    interval: Duration,
    due: Instant,
    previous: Option<Arc<Reading>>,
    missed: u64,
}

impl Readings {
    /// Begins, with a reading at once.
    pub(super) fn new(parameters: GetStatistics, now: Instant) -> Result<Self, Error> {
        let interval_ms = parameters.interval_ms.unwrap_or(INTERVAL_MS);
        if interval_ms < INTERVAL_MS_MIN {
            return Err(Error::InvalidParameter { parameter: "interval_ms".to_owned() });
        }
        let interval = Duration::from_millis(interval_ms.min(INTERVAL_MS_MAX));
        Ok(Self { parameters, interval, due: now, previous: None, missed: 0 })
    }

    /// When the next one is due.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Leaves out one that its reader is too slow for.
    pub(super) fn leave_out(&mut self, now: Instant) {
        self.missed += 1;
        self.go_on(now);
    }

    /// Tells a reading.
    pub(super) fn tell(
        &mut self,
        reading: &Arc<Reading>,
        now: Instant,
    ) -> Result<StatisticsReply, Error> {
        let since = self.parameters.since.unwrap_or(Since::Reset);
        let only = self.parameters.interfaces.as_deref();
        let statistics = reading.line(since, only, self.previous.as_deref())?;
        self.previous = Some(Arc::clone(reading));
        self.go_on(now);
        let missed = std::mem::take(&mut self.missed);
        Ok(StatisticsReply { statistics, epoch: reading.epoch, missed })
    }

    fn go_on(&mut self, now: Instant) {
        self.due += self.interval;
        if self.due <= now {
            self.due = now + self.interval;
        }
    }
}

/// The status, at each change.
#[derive(Debug)]
pub(super) struct Changes {
    told: Option<Status>,
    /// Something may have changed since it was asked for.
    is_stale: bool,
    is_asked: bool,
    after: Instant,
}

impl Changes {
    /// Begins, with the status of now.
    pub(super) const fn new(now: Instant) -> Self {
        Self { told: None, is_stale: true, is_asked: false, after: now }
    }

    /// Something happened.
    pub(super) const fn stir(&mut self) {
        self.is_stale = true;
    }

    /// When to ask; `None` while nothing has happened.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.is_stale && !self.is_asked).then_some(self.after)
    }

    /// It is asked for.
    pub(super) fn ask(&mut self, now: Instant) {
        self.is_stale = false;
        self.is_asked = true;
        self.after = now + STATUS_PAUSE;
    }

    /// Takes the status; gives it if it is another one.
    pub(super) fn tell(&mut self, status: Status) -> Option<Status> {
        self.is_asked = false;
        let told = self.told.replace(timeless(&status));
        (told != self.told).then_some(status)
    }
}

/// A status without what changes by itself.
fn timeless(status: &Status) -> Status {
    let mut status = status.clone();
    (status.elapsed_s, status.connections, status.refused) = (0.0, 0, 0);
    for one in &mut status.interfaces {
        one.remaining_s = one.remaining_s.map(|_| 0.0);
    }
    status
}
