//! The loop of one queue: turn while there is something, else sleep.

use std::{fmt, io, thread, time::Duration};

use farend_af_xdp::{
    Socket, WakeError,
    queue::{QueueError, StuckRing, Watch as RingWatch},
    statistics,
};
use farend_core::{
    Counters, RateLimit,
    port::{Burst, Port},
};
use farend_driver::{
    clock::{TICKS_PER_SECOND, TickClock},
    observe::ReportingObserver,
    worker::{POLL_INTERVAL_MS, PolicyReader, StatisticsCell, Stop, WorkerStatistics},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::queues;

/// Ticks between two copies of the statistics, and two looks at the rings.
const PUBLISH_INTERVAL_TICKS: u64 = TICKS_PER_SECOND / 10;

/// Ticks that a ring may stand still while it should not.
const PATIENCE_TICKS: u64 = 2 * TICKS_PER_SECOND;

/// Milliseconds of the first sleep while answers are under way; each that
/// brings nothing is followed by one twice as long.
const SHORT_SLEEP_MS: u16 = 1;

/// The longest of these sleeps: meanwhile nothing is received into the memory
/// of the answers.
const SLEEP_UNDER_WAY_MS_MAX: u16 = 16;

/// How long, in ticks, the last answers are waited for after a stop.
const LAST_WAIT_TICKS: u64 = TICKS_PER_SECOND / 4;

/// Why a worker stopped before it was asked to.
#[derive(Debug)]
pub(super) enum RunError {
    /// Waiting for frames failed.
    Poll(io::Error),
    /// The queue cannot go on.
    Queue(QueueError<WakeError>),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(error) => write!(f, "cannot wait for frames: {error}"),
            Self::Queue(error) => error.fmt(f),
        }
    }
}

impl From<QueueError<WakeError>> for RunError {
    fn from(error: QueueError<WakeError>) -> Self {
        Self::Queue(error)
    }
}

/// What a worker is told about its queue.
pub(super) struct Place {
    /// How the user is told about it: interface and queue.
    pub(super) name: String,
    /// The CPU to run on.
    pub(super) cpu: u32,
    /// Whether to look for frames without a pause.
    pub(super) is_polling: bool,
    /// Takes one line for the user, without its end.
    pub(super) notice: fn(&str),
}

/// Turns the frames of one queue round.
pub(super) struct Worker<W> {
    queue: Socket,
    place: Place,
    observer: W,
    clock: TickClock,
    limit: RateLimit,
    counters: Counters,
    pending: Burst,
    rings: RingWatch,
    next_publish_tick: u64,
    sleep_ms: u16,
    /// Answers that were sent.
    sent_packets: u64,
    /// Answers that were not sent in the end.
    unsent_frames: u64,
    /// Chunks of which nobody holds the frame.
    leaked_frames: u64,
}

impl<W: ReportingObserver> Worker<W> {
    pub(super) fn new(queue: Socket, place: Place, observer: W) -> Self {
        Self {
            queue,
            place,
            observer,
            clock: TickClock::start(),
            limit: RateLimit::default(),
            counters: Counters::new(),
            pending: Burst::new(),
            rings: RingWatch::new(PATIENCE_TICKS),
            next_publish_tick: 0,
            sleep_ms: SHORT_SLEEP_MS,
            sent_packets: 0,
            unsent_frames: 0,
            leaked_frames: 0,
        }
    }

    /// Answers until `stop` is asked for; then answers what was received by
    /// then, and leaves the last statistics.
    ///
    /// # Errors
    ///
    /// The queue cannot go on.
    pub(super) fn run(
        &mut self,
        policy: &mut PolicyReader,
        stop: &Stop,
        statistics: &StatisticsCell,
    ) -> Result<(), RunError> {
        let Place { name, cpu, notice, .. } = &self.place;
        if let Err(error) = queues::pin(*cpu) {
            notice(&format!("{name}: its worker runs on any CPU, not on {cpu} alone: {error}"));
        }
        let outcome = self.answer_until(policy, stop, statistics);
        let finished = self.take_stock();
        statistics.publish_last(|to| self.write(to));
        outcome.and(finished)
    }

    fn answer_until(
        &mut self,
        policy: &mut PolicyReader,
        stop: &Stop,
        statistics: &StatisticsCell,
    ) -> Result<(), RunError> {
        while !stop.is_requested() {
            if !self.turn(policy)? {
                let is_drained = self.is_drained()?;
                // Once more: the memory of answers that were sent just now must
                // not wait for the end of a sleep to be received into.
                if !self.turn(policy)? {
                    self.wait(is_drained)?;
                }
            }
            if self.clock.now_tick() >= self.next_publish_tick {
                self.look_at_rings()?;
                self.publish(statistics);
            }
        }
        // No more frames come in; those that did are answered.
        let give_up_tick = self.clock.now_tick() + LAST_WAIT_TICKS;
        while self.clock.now_tick() < give_up_tick {
            if self.turn(policy)? {
                continue;
            }
            if self.is_drained()? {
                break;
            }
            thread::sleep(Duration::from_millis(SHORT_SLEEP_MS.into()));
        }
        Ok(())
    }

    /// Turns one burst round; says whether anything moved.
    fn turn(&mut self, policy: &mut PolicyReader) -> Result<bool, RunError> {
        self.limit.now_tick = self.clock.now_tick();
        let Self { queue, limit, counters, observer, pending, .. } = self;
        let turn = queue.turn(policy.current(), limit, counters, observer, pending)?;
        Ok(!turn.is_idle())
    }

    /// Whether no answer is under way.
    fn is_drained(&mut self) -> Result<bool, RunError> {
        Ok(self.pending.is_empty() && self.queue.is_drained()?)
    }

    /// Sleeps until a frame comes, for a bounded time.
    fn wait(&mut self, is_drained: bool) -> Result<(), RunError> {
        if self.place.is_polling {
            return Ok(self.queue.look_for_frames()?);
        }
        // Nobody wakes us when an answer is sent, and its memory is needed.
        let time_ms = if is_drained { POLL_INTERVAL_MS } else { self.sleep_ms };
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time_ms) * 1_000_000 };
        let mut waiting = [PollFd::new(&self.queue, PollFlags::IN)];
        match poll(&mut waiting, Some(&timeout)) {
            Ok(0) => self.sleep_ms = (self.sleep_ms * 2).min(SLEEP_UNDER_WAY_MS_MAX),
            Ok(_) => self.sleep_ms = SHORT_SLEEP_MS,
            Err(Errno::INTR) => {}
            Err(error) => return Err(RunError::Poll(error.into())),
        }
        if waiting[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL) {
            // The interface is gone, which ends this soon; poll waits no more.
            thread::sleep(Duration::from_millis(POLL_INTERVAL_MS.into()));
        }
        Ok(())
    }

    /// Says which ring the kernel has stopped to work on, if it has.
    fn look_at_rings(&mut self) -> Result<(), RunError> {
        let progress = self.queue.progress()?;
        let counted = statistics(&self.queue);
        let starved_frames = counted.map_or(0, |one| one.fill_ring_empty.unwrap_or(0));
        if let Some(ring) = self.rings.look(progress, starved_frames, self.clock.now_tick()) {
            let seconds = PATIENCE_TICKS / TICKS_PER_SECOND;
            let why = match ring {
                StuckRing::Fill => "the kernel finds no memory to receive into",
                StuckRing::Tx => "the kernel takes no answers; is the link up?",
                StuckRing::Completion => {
                    "answers are not sent to their end, which the driver or a virtual \
                     interface's other end decides"
                }
                _ => "the kernel has stopped to work on it",
            };
            let Place { name, notice, .. } = &self.place;
            notice(&format!(
                "{name}: the {} ring has stood still for {seconds} s: {why}",
                ring.name()
            ));
        }
        Ok(())
    }

    /// Counts what is left at the end.
    fn take_stock(&mut self) -> Result<(), RunError> {
        let ledger = self.queue.ledger()?;
        let pending = self.pending.len() as u64;
        let untaken = self.queue.progress()?.tx_untaken;
        self.unsent_frames = pending + u64::from(untaken);
        self.leaked_frames = u64::from(ledger.hand).saturating_sub(pending);
        Ok(())
    }

    fn publish(&mut self, cell: &StatisticsCell) {
        cell.publish(|to| self.write(to));
        self.next_publish_tick = self.clock.now_tick() + PUBLISH_INTERVAL_TICKS;
    }

    /// Writes what is known over what was left before.
    fn write(&mut self, to: &mut WorkerStatistics) {
        let losses = self.queue.losses();
        // Of packets in several chunks some count as under way again and again.
        self.sent_packets = self.sent_packets.max(self.queue.sent_packets());
        to.counters = self.counters;
        to.sent = Some(self.sent_packets);
        to.losses.clear();
        to.losses.extend([
            ("ring_corrupt", losses.corrupt_descriptors),
            ("receive_broken", losses.receive_broken_frames),
            ("transmit_failed", losses.unsendable_frames),
            ("transmit_unsent", self.unsent_frames),
            ("frames_leaked", self.leaked_frames),
        ]);
        self.observer.report(&mut to.measured);
    }
}
