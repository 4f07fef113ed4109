//! The loop: take a block, decide about each frame, answer, hand it back.

use std::ops::Range;

use farend_core::{Counters, Policy, RateLimit, Verdict, reflect};
use farend_driver::{
    clock::{TICKS_PER_SECOND, TickClock},
    observe::Watch,
    worker::{POLL_INTERVAL_MS, PolicyReader, StatisticsCell, Stop, WorkerStatistics},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    block::Cursor,
    error::{OpenError, RunError},
    link::Link,
    offload::Offload,
    ring::{RETIRE_INTERVAL_MS, Ring},
    sys::Block,
    transmit::Transmitter,
};

/// Ticks between two copies of the statistics under load.
const PUBLISH_INTERVAL_TICKS: u64 = TICKS_PER_SECOND / 10;

/// Ticks between two notices about answers that could not be sent.
const NOTICE_INTERVAL_TICKS: u64 = 60 * TICKS_PER_SECOND;

/// How long, in milliseconds, the last block is waited for after a stop was
/// asked for: the kernel's tick, and a retire interval more.
const LAST_WAIT_MS: u16 = 4 + RETIRE_INTERVAL_MS;

/// What a worker needs to know about its interface.
#[derive(Clone, Debug)]
pub struct Options {
    /// Index of the interface.
    pub interface_index: u32,
    /// Its name, for the user.
    pub interface_name: String,
    /// MTU of the interface. It may change later: up to 64 KiB, frames come in
    /// whole anyway.
    pub mtu_octets: u32,
    /// Takes in frames to other stations too, for a policy that answers them.
    pub is_promiscuous: bool,
    /// Takes one line for the user, without its end.
    pub notice: fn(&str),
}

impl Options {
    /// Frames to this station, notices on standard error.
    #[must_use]
    pub fn new(interface_index: u32, interface_name: &str, mtu_octets: u32) -> Self {
        Self {
            interface_index,
            interface_name: interface_name.to_owned(),
            mtu_octets,
            is_promiscuous: false,
            notice: |line| eprintln!("{line}"),
        }
    }
}

/// Turns frames of one interface round in user space, with somebody who looks
/// on, or nobody.
pub struct Worker<W = ()> {
    ring: Ring,
    link: Link,
    clock: TickClock,
    next_publish_tick: u64,
    statistics: WorkerStatistics,
    ring_full_frames: u64,
    next_notice_tick: u64,
    notice: fn(&str),
    turn: Turn<W>,
}

/// What it takes to turn the frames of a block round.
struct Turn<W> {
    watcher: W,
    transmitter: Transmitter,
    limit: RateLimit,
    counters: Counters,
    corrupt_frames: u64,
    truncated_frames: u64,
}

impl Worker {
    /// Opens the sockets. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says what to change.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let Options { interface_index, interface_name, mtu_octets, is_promiscuous, notice } =
            options;
        let turn = Turn {
            watcher: (),
            transmitter: Transmitter::open(*interface_index)?,
            limit: RateLimit::default(),
            counters: Counters::new(),
            corrupt_frames: 0,
            truncated_frames: 0,
        };
        Ok(Self {
            ring: Ring::open(*interface_index, *mtu_octets, *is_promiscuous)?,
            link: Link::new(*interface_index, interface_name, *notice),
            clock: TickClock::start(),
            next_publish_tick: 0,
            statistics: WorkerStatistics::default(),
            ring_full_frames: 0,
            next_notice_tick: 0,
            notice: *notice,
            turn,
        })
    }

    /// Lets somebody look on.
    #[must_use]
    pub fn watched_by<W: Watch>(self, watcher: W) -> Worker<W> {
        let Turn { transmitter, limit, counters, corrupt_frames, truncated_frames, .. } = self.turn;
        Worker {
            ring: self.ring,
            link: self.link,
            clock: self.clock,
            next_publish_tick: self.next_publish_tick,
            statistics: self.statistics,
            ring_full_frames: self.ring_full_frames,
            next_notice_tick: self.next_notice_tick,
            notice: self.notice,
            turn: Turn { watcher, transmitter, limit, counters, corrupt_frames, truncated_frames },
        }
    }
}

impl<W: Watch> Worker<W> {
    /// Answers until `stop` is asked for; then answers what was received by
    /// then, and leaves the last statistics.
    ///
    /// An interface that goes down is waited for.
    ///
    /// # Errors
    ///
    /// [`RunError`] if the interface is gone, or the kernel refuses to wait or
    /// to receive. A refused answer is a counted loss, not an error.
    pub fn run(
        &mut self,
        policy: &mut PolicyReader,
        stop: &Stop,
        statistics: &StatisticsCell,
    ) -> Result<(), RunError> {
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
            if self.turn(policy.current()) {
                if self.turn.limit.now_tick >= self.next_publish_tick {
                    self.publish(statistics);
                }
            } else if !self.wait(POLL_INTERVAL_MS)?
                || self.clock.now_tick() >= self.next_publish_tick
            {
                self.publish(statistics);
            }
        }
        // What is in the kernel's open block comes with its retirement; a
        // stream that never ends does not keep us.
        for _ in 0..self.ring.blocks() {
            if !self.turn(policy.current())
                && (!self.wait(LAST_WAIT_MS)? || !self.turn(policy.current()))
            {
                break;
            }
        }
        Ok(())
    }

    /// Answers the frames of one block; says whether there was one.
    fn turn(&mut self, policy: &Policy) -> bool {
        let Self { ring, turn, clock, .. } = self;
        ring.with_block(|block| {
            turn.limit.now_tick = clock.now_tick();
            turn.answer_block(block, policy);
        })
        .is_some()
    }

    /// Waits until a block is there or the time is over; says which.
    fn wait(&mut self, timeout_ms: u16) -> Result<bool, RunError> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(timeout_ms) * 1_000_000 };
        let mut fds = [PollFd::new(&self.ring, PollFlags::IN)];
        let ready = match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => ready > 0,
            Err(Errno::INTR) => return Ok(true),
            Err(error) => return Err(RunError::Poll(error.into())),
        };
        let is_failed = fds[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL);
        if is_failed && let Err(error) = self.ring.take_error() {
            let is_link =
                matches!(Errno::from_io_error(&error), Some(Errno::NETDOWN | Errno::NODEV));
            if !is_link {
                return Err(RunError::Receive(error));
            }
        }
        if is_failed || !ready {
            self.link.check(&self.ring)?;
        }
        Ok(ready && !is_failed)
    }

    fn publish(&mut self, cell: &StatisticsCell) {
        self.ring_full_frames += self.ring.take_drops();
        self.turn.watcher.report(&mut self.statistics.observed);
        let Turn { transmitter, counters, corrupt_frames, truncated_frames, .. } = &self.turn;
        self.statistics.counters = *counters;
        self.statistics.losses.clear();
        self.statistics.losses.extend([
            ("receive_ring_full", self.ring_full_frames),
            ("receive_truncated", *truncated_frames),
            ("ring_corrupt", *corrupt_frames),
            ("transmit_refused", transmitter.losses.refused),
            ("transmit_failed", transmitter.losses.failed),
        ]);
        cell.publish(&self.statistics);
        let now_tick = self.clock.now_tick();
        self.next_publish_tick = now_tick + PUBLISH_INTERVAL_TICKS;
        if now_tick >= self.next_notice_tick
            && let Some(failure) = self.turn.transmitter.take_failure()
        {
            self.next_notice_tick = now_tick + NOTICE_INTERVAL_TICKS;
            (self.notice)(&failure);
        }
    }
}

impl<W: Watch> Turn<W> {
    /// Turns the frames of a block round, and sends the answers from there.
    fn answer_block(&mut self, block: &mut Block<'_>, policy: &Policy) {
        let block = block.octets_mut();
        let mut cursor = Cursor::new(block);
        self.watcher.burst_received(cursor.frames() as usize);
        while let Some(frame) = cursor.next(block) {
            let mut frame = match frame {
                Ok(frame) => frame,
                Err(corrupt) => {
                    self.corrupt_frames += u64::from(corrupt.frames);
                    break;
                }
            };
            if frame.is_outgoing {
                continue;
            }
            if frame.is_truncated() {
                self.truncated_frames += 1;
                continue;
            }
            let offload = Offload::read(block, &frame.octets);
            let grown_octets = frame.restore_tag(block);
            // The descriptor's range was checked against the block.
            let Some(octets) = block.get_mut(frame.octets.clone()) else { continue };
            let whole_octets = octets.len();
            self.watcher.received(octets, whole_octets);
            let verdict = reflect(octets, policy, &mut self.limit);
            self.counters.count(verdict, whole_octets);
            self.watcher.judged(octets, whole_octets, verdict);
            if let Verdict::Reflect(_) = verdict {
                let gone = self.answer(block, frame.octets, offload, grown_octets);
                if gone > 0 {
                    self.watcher.burst_transmitted(gone);
                }
            }
        }
        let gone = self.transmitter.flush(block);
        if gone > 0 {
            self.watcher.burst_transmitted(gone);
        }
    }
    /// Queues an answer; gives how many are not queued any more.
    fn answer(
        &mut self,
        block: &mut [u8],
        octets: Range<usize>,
        offload: Option<Offload>,
        grown_octets: usize,
    ) -> usize {
        let Some(offload) = offload else {
            return self.transmitter.push(block, octets, false);
        };
        let Some(part) = offload.write(block, &octets, grown_octets) else {
            // Those before it leave first, so that each is told of in its
            // order.
            self.transmitter.losses.failed += 1;
            return self.transmitter.flush(block) + 1;
        };
        self.transmitter.push(block, part, true)
    }
}
