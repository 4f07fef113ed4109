//! The loop of one queue: turn while there is something, else sleep.

use std::{fmt, io, thread, time::Duration};

use farend_core::{
    Counters, RateLimit,
    port::{Burst, Port},
};
use farend_driver::{
    clock::{TICKS_PER_SECOND, TickClock},
    worker::{POLL_INTERVAL_MS, PolicyReader, StatisticsCell, Stop, WorkerStatistics},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, recv},
};

use super::{
    layout::Layout,
    port::{Queue, QueueError},
    queues,
    socket::Socket,
};

/// Ticks between two copies of the statistics under load.
const PUBLISH_INTERVAL_TICKS: u64 = TICKS_PER_SECOND / 10;

/// Milliseconds of the first sleep while answers are under way; each that
/// brings nothing is followed by one twice as long.
const SHORT_SLEEP_MS: u16 = 1;

/// How long, in ticks, the last answers are waited for after a stop.
const LAST_WAIT_TICKS: u64 = TICKS_PER_SECOND / 4;

/// Why a worker stopped before it was asked to.
#[derive(Debug)]
pub(super) enum RunError {
    /// Waiting for frames failed.
    Poll(io::Error),
    /// The queue cannot go on.
    Queue(QueueError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(error) => write!(f, "cannot wait for frames: {error}"),
            Self::Queue(error) => write!(f, "an AF_XDP queue has failed: {error}"),
        }
    }
}

/// Turns the frames of one queue round.
pub(super) struct Worker {
    queue: Queue,
    cpu: u32,
    is_polling: bool,
    notice: fn(&str),
    clock: TickClock,
    limit: RateLimit,
    counters: Counters,
    pending: Burst,
    next_publish_tick: u64,
    sleep_ms: u16,
}

impl Worker {
    pub(super) fn new(
        socket: Socket,
        layout: &Layout,
        is_zero_copy: bool,
        cpu: u32,
        is_polling: bool,
        notice: fn(&str),
    ) -> Self {
        Self {
            queue: Queue::new(socket, layout, is_zero_copy),
            cpu,
            is_polling,
            notice,
            clock: TickClock::start(),
            limit: RateLimit::default(),
            counters: Counters::new(),
            pending: Burst::new(),
            next_publish_tick: 0,
            sleep_ms: SHORT_SLEEP_MS,
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
        if let Err(error) = queues::pin(self.cpu) {
            (self.notice)(&format!("a worker runs on any CPU, not on {}: {error}", self.cpu));
        }
        let outcome = self.answer_until(policy, stop, statistics);
        self.publish(statistics);
        outcome
    }

    fn answer_until(
        &mut self,
        policy: &mut PolicyReader,
        stop: &Stop,
        statistics: &StatisticsCell,
    ) -> Result<(), RunError> {
        while !stop.is_requested() {
            let is_idle = !self.turn(policy)?;
            if is_idle {
                self.wait()?;
            }
            if self.clock.now_tick() >= self.next_publish_tick {
                self.publish(statistics);
            }
        }
        // No more frames come in; those that did are answered.
        let give_up_tick = self.clock.now_tick() + LAST_WAIT_TICKS;
        while self.clock.now_tick() < give_up_tick {
            let is_idle = !self.turn(policy)?;
            if is_idle && self.queue.in_kernel_tx == 0 && self.pending.is_empty() {
                break;
            }
            if is_idle {
                thread::sleep(Duration::from_millis(SHORT_SLEEP_MS.into()));
            }
        }
        Ok(())
    }

    /// Turns one burst round; says whether anything moved.
    fn turn(&mut self, policy: &mut PolicyReader) -> Result<bool, RunError> {
        self.limit.now_tick = self.clock.now_tick();
        let Self { queue, limit, counters, pending, .. } = self;
        let turn = queue
            .turn(policy.current(), limit, counters, &mut (), pending)
            .map_err(RunError::Queue)?;
        Ok(!turn.is_idle())
    }

    fn wait(&mut self) -> Result<(), RunError> {
        if self.is_polling {
            let _ = recv(&self.queue, &mut [0_u8; 0], RecvFlags::DONTWAIT);
            return Ok(());
        }
        let is_waiting = self.queue.in_kernel_tx > 0 || !self.pending.is_empty();
        let time_ms = if is_waiting { self.sleep_ms } else { POLL_INTERVAL_MS };
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time_ms) * 1_000_000 };
        let mut fds = [PollFd::new(&self.queue, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => self.sleep_ms = (self.sleep_ms * 2).min(POLL_INTERVAL_MS),
            Ok(_) => self.sleep_ms = SHORT_SLEEP_MS,
            Err(Errno::INTR) => {}
            Err(error) => return Err(RunError::Poll(error.into())),
        }
        if fds[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL) {
            thread::sleep(Duration::from_millis(POLL_INTERVAL_MS.into()));
        }
        Ok(())
    }

    fn publish(&mut self, cell: &StatisticsCell) {
        cell.publish(&WorkerStatistics { counters: self.counters, losses: Vec::new() });
        self.next_publish_tick = self.clock.now_tick() + PUBLISH_INTERVAL_TICKS;
    }
}
