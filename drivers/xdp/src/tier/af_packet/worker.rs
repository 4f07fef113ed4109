//! The loop: take a burst, decide about each frame, answer, hand it back.

use std::{io, os::fd::AsFd};

use farend_core::{
    Counters, Policy, RateLimit,
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

use super::{
    error::{OpenError, RunError},
    link::Link,
    port::PacketPort,
    promiscuity::Promiscuity,
    ring::{RETIRE_INTERVAL_MS, Ring},
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
            notice: |line| eprintln!("{line}"),
        }
    }
}

/// Turns frames of one interface round in user space, with somebody who looks
/// on, or nobody.
pub struct Worker<W = ()> {
    interface_index: u32,
    port: PacketPort,
    observer: W,
    pending: Burst,
    limit: RateLimit,
    counters: Counters,
    link: Link,
    clock: TickClock,
    next_publish_tick: u64,
    ring_full_frames: u64,
    next_notice_tick: u64,
    notice: fn(&str),
}

impl Worker {
    /// Opens the sockets. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says what to change.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let Options { interface_index, interface_name, mtu_octets, notice } = options;
        let transmitter = Transmitter::open(*interface_index)?;
        let ring = Ring::open(*interface_index, *mtu_octets)?;
        Ok(Self {
            interface_index: *interface_index,
            port: PacketPort::new(ring, transmitter),
            observer: (),
            pending: Burst::new(),
            limit: RateLimit::default(),
            counters: Counters::new(),
            link: Link::new(*interface_index, interface_name, *notice),
            clock: TickClock::start(),
            next_publish_tick: 0,
            ring_full_frames: 0,
            next_notice_tick: 0,
            notice: *notice,
        })
    }

    /// Gives it an observer.
    #[must_use]
    pub fn observed_by<W: ReportingObserver>(self, observer: W) -> Worker<W> {
        Worker {
            interface_index: self.interface_index,
            port: self.port,
            observer,
            pending: self.pending,
            limit: self.limit,
            counters: self.counters,
            link: self.link,
            clock: self.clock,
            next_publish_tick: self.next_publish_tick,
            ring_full_frames: self.ring_full_frames,
            next_notice_tick: self.next_notice_tick,
            notice: self.notice,
        }
    }
}

impl<W: ReportingObserver> Worker<W> {
    /// What makes the interface take in frames to other stations; off at the start.
    ///
    /// # Errors
    ///
    /// The process has too many open files.
    pub fn promiscuity(&self) -> io::Result<Promiscuity> {
        let socket = self.port.ring.as_fd().try_clone_to_owned()?;
        Ok(Promiscuity::new(socket, self.interface_index))
    }

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
        self.take_drops();
        statistics.publish_last(|to| self.write(to));
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
                if self.limit.now_tick >= self.next_publish_tick {
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
        let last_block = self.port.taken_blocks + self.port.ring.blocks() as u64;
        while self.port.taken_blocks < last_block {
            if !self.turn(policy.current())
                && (!self.wait(LAST_WAIT_MS)? || !self.turn(policy.current()))
            {
                break;
            }
        }
        Ok(())
    }

    /// Answers one burst; says whether there was one.
    fn turn(&mut self, policy: &Policy) -> bool {
        self.limit.now_tick = self.clock.now_tick();
        let Self { port, observer, pending, limit, counters, .. } = self;
        let Ok(turn) = port.turn(policy, limit, counters, observer, pending);
        !turn.is_idle()
    }

    /// Waits until a block is there or the time is over; says which.
    fn wait(&mut self, timeout_ms: u16) -> Result<bool, RunError> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(timeout_ms) * 1_000_000 };
        let mut fds = [PollFd::new(&self.port.ring, PollFlags::IN)];
        let ready = match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => ready > 0,
            Err(Errno::INTR) => return Ok(true),
            Err(error) => return Err(RunError::Poll(error.into())),
        };
        let is_failed = fds[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL);
        if is_failed && let Err(error) = self.port.ring.take_error() {
            let is_link =
                matches!(Errno::from_io_error(&error), Some(Errno::NETDOWN | Errno::NODEV));
            if !is_link {
                return Err(RunError::Receive(error));
            }
        }
        if is_failed || !ready {
            self.link.check(&self.port.ring)?;
        }
        Ok(ready && !is_failed)
    }

    fn publish(&mut self, cell: &StatisticsCell) {
        self.take_drops();
        cell.publish(|to| self.write(to));
        let now_tick = self.clock.now_tick();
        self.next_publish_tick = now_tick + PUBLISH_INTERVAL_TICKS;
        if now_tick >= self.next_notice_tick
            && let Some(failure) = self.port.transmitter.take_failure()
        {
            self.next_notice_tick = now_tick + NOTICE_INTERVAL_TICKS;
            (self.notice)(&failure);
        }
    }

    fn take_drops(&mut self) {
        self.ring_full_frames += self.port.ring.take_drops();
    }

    /// Writes what is known over what was left before.
    fn write(&mut self, to: &mut WorkerStatistics) {
        let PacketPort { transmitter, corrupt_frames, truncated_frames, .. } = &self.port;
        to.counters = self.counters;
        to.sent = Some(transmitter.sent);
        to.losses.clear();
        to.losses.extend([
            ("receive_ring_full", self.ring_full_frames),
            ("receive_truncated", *truncated_frames),
            ("ring_corrupt", *corrupt_frames),
            ("transmit_refused", transmitter.losses.refused),
            ("transmit_failed", transmitter.losses.failed),
        ]);
        self.observer.report(&mut to.measured);
    }
}
