//! The loop: receive a burst, decide about each datagram, answer.

use std::{io, net::IpAddr, sync::Arc, thread::sleep, time::Duration};

use farend_core::{Counters, Datagram, Policy, RateLimit, Verdict, frame::wire, reflect_datagram};
use farend_driver::{
    clock::{TICKS_PER_SECOND, TickClock},
    worker::{POLL_INTERVAL_MS, PolicyReader, StatisticsCell, Stop, WorkerStatistics},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    burst::{BURST_DATAGRAMS, Burst},
    control,
    error::{OpenError, RunError},
    mover::{Move, Mover},
    name,
    socket::{Socket, open_all},
    sys,
};

/// Ticks between two copies of the statistics under load.
const PUBLISH_INTERVAL_TICKS: u64 = TICKS_PER_SECOND / 10;

/// Tries to send one answer for which the kernel has no room, each
/// [`SEND_WAIT_US`] after the one before. What is refused for longer than
/// that, 2 ms in all, is lost.
const SEND_TRIES_MAX: u32 = 20;
const SEND_WAIT_US: u32 = 100;

/// Bursts answered of each socket that is left: what waited in a full receive
/// buffer, and no endless stream where the system goes on to receive.
const LAST_BURSTS_MAX: u32 = 1_024;

/// Ticks between two notices of the same kind.
const NOTICE_INTERVAL_TICKS: u64 = 60 * TICKS_PER_SECOND;

/// What a worker needs to know to listen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of this host to listen on; none for all, IPv4 and IPv6.
    pub addresses: Vec<IpAddr>,
    /// The UDP port, or `None` for any, which is refused. A [`Mover`] moves the
    /// worker to another; a policy for another port waits until then.
    pub port: Option<u16>,
    /// Octets to ask of the kernel for datagrams that wait, for each socket.
    pub buffer_octets: usize,
    /// Takes one line for the user, without its end.
    pub notice: fn(&str),
}

impl Options {
    /// All addresses, buffers of 8 MiB, notices on standard error.
    #[must_use]
    pub fn new(port: Option<u16>) -> Self {
        Self {
            addresses: Vec::new(),
            port,
            buffer_octets: 8 << 20,
            notice: |line| eprintln!("{line}"),
        }
    }
}

/// Datagrams lost, by cause.
#[derive(Clone, Copy, Debug, Default)]
struct Losses {
    receive_truncated: u64,
    receive_buffer_full: u64,
    receive_unaddressed: u64,
    transmit_refused: u64,
    transmit_failed: u64,
}

impl Losses {
    fn list(self) -> [(&'static str, u64); 5] {
        [
            ("receive_truncated", self.receive_truncated),
            ("receive_buffer_full", self.receive_buffer_full),
            ("receive_unaddressed", self.receive_unaddressed),
            ("transmit_refused", self.transmit_refused),
            ("transmit_failed", self.transmit_failed),
        ]
    }
}

/// Answers datagrams from plain UDP sockets.
pub struct Worker {
    sockets: Vec<Socket>,
    /// Where they listen.
    port: u16,
    mover: Mover,
    options: Options,
    burst: Burst,
    answers: Vec<u8>,
    limit: RateLimit,
    clock: TickClock,
    counters: Counters,
    losses: Losses,
    sent: u64,
    next_publish_tick: u64,
    next_notice_tick: u64,
}

impl Worker {
    /// Opens the sockets. Needs no privileges, but for ports below 1024.
    ///
    /// # Errors
    ///
    /// Each [`OpenError`] says what to change.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let port = options.port.ok_or(OpenError::AnyPort)?;
        let sockets = open_all(&options.addresses, port, options.buffer_octets, options.notice)?;
        Ok(Self {
            mover: Mover::new(options, port, &sockets),
            sockets,
            port,
            options: options.clone(),
            burst: Burst::new(),
            answers: Vec::with_capacity(BURST_DATAGRAMS),
            limit: RateLimit::default(),
            clock: TickClock::start(),
            counters: Counters::new(),
            losses: Losses::default(),
            sent: 0,
            next_publish_tick: 0,
            next_notice_tick: 0,
        })
    }

    /// Where the worker listens.
    pub fn addresses(&self) -> impl Iterator<Item = std::net::SocketAddr> {
        self.sockets.iter().map(|socket| socket.address)
    }

    /// Octets that the kernel granted each socket for datagrams that wait; the
    /// smallest of them.
    #[must_use]
    pub fn receive_buffer_octets(&self) -> usize {
        self.sockets.iter().map(|socket| socket.receive_buffer_octets).min().unwrap_or(0)
    }

    /// Answers until `stop` is asked for; then answers what waits, and leaves
    /// the last statistics.
    ///
    /// # Errors
    ///
    /// [`RunError`] if the kernel refuses to wait or to receive. A refused
    /// answer is a counted loss, not an error.
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
        let mut served = Arc::clone(policy.last());
        while !stop.is_requested() {
            self.follow(policy, &mut served)?;
            if self.turn(&served)? {
                if self.limit.now_tick >= self.next_publish_tick {
                    self.publish(statistics);
                }
                continue;
            }
            if !self.wait()? || self.clock.now_tick() >= self.next_publish_tick {
                self.publish(statistics);
            }
        }
        self.follow(policy, &mut served)?;
        self.leave(&served)
    }

    /// What moves it to other addresses or to another port while it runs.
    #[must_use]
    pub fn mover(&self) -> Mover {
        self.mover.clone()
    }

    /// Takes another policy that came, with the sockets that it is for. Until
    /// they are there, those of the policy before are answered by that one.
    fn follow(
        &mut self,
        policy: &mut PolicyReader,
        served: &mut Arc<Policy>,
    ) -> Result<(), RunError> {
        let port = policy.current().port();
        if let Some(moved) = self.mover.take(port) {
            self.move_to(moved, served)?;
        }
        if port == Some(self.port) && !Arc::ptr_eq(served, policy.last()) {
            *served = Arc::clone(policy.last());
        }
        Ok(())
    }

    /// Listens there, after what waits elsewhere is answered by the policy that
    /// it came for.
    fn move_to(&mut self, moved: Move, policy: &Policy) -> Result<(), RunError> {
        let Move { port, wanted, sockets, .. } = moved;
        let (kept, gone) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|socket| wanted.contains(&socket.address));
        self.sockets = gone;
        let left = self.leave(policy);
        self.sockets = kept;
        self.sockets.extend(sockets);
        self.port = port;
        left
    }

    /// Takes no more datagrams, answers those that wait, and closes all sockets.
    fn leave(&mut self, policy: &Policy) -> Result<(), RunError> {
        if self.sockets.is_empty() {
            return Ok(());
        }
        self.sockets.iter().for_each(Socket::refuse_more);
        sys::wait_for_receivers();
        for index in 0..self.sockets.len() {
            for _ in 0..LAST_BURSTS_MAX {
                self.limit.now_tick = self.clock.now_tick();
                if self.receive(index, policy)? == 0 {
                    break;
                }
                self.transmit(index);
            }
        }
        for mut socket in self.sockets.drain(..) {
            self.losses.receive_buffer_full += socket.take_dropped();
        }
        Ok(())
    }

    /// Receives and answers at most one burst from each socket. Says whether
    /// one of them may have more.
    fn turn(&mut self, policy: &Policy) -> Result<bool, RunError> {
        self.limit.now_tick = self.clock.now_tick();
        let mut has_more = false;
        for index in 0..self.sockets.len() {
            has_more |= self.receive(index, policy)? == BURST_DATAGRAMS;
            self.transmit(index);
        }
        Ok(has_more)
    }

    /// Receives a burst and decides about each datagram; those to answer stand
    /// in `answers`.
    fn receive(&mut self, socket: usize, policy: &Policy) -> Result<usize, RunError> {
        self.answers.clear();
        let Some(socket) = self.sockets.get(socket) else { return Ok(0) };
        let Burst { slots, octets } = &mut self.burst;
        let received = match sys::receive(rustix::fd::AsFd::as_fd(socket), slots, octets) {
            Ok(received) => received,
            Err(error) if is_passing(&error) => return Ok(0),
            Err(error) => return Err(RunError::Receive { address: socket.address, error }),
        };
        for ((index, slot), answer) in slots.iter_mut().enumerate().take(received).zip(0_u8..) {
            if slot.is_truncated {
                self.losses.receive_truncated += 1;
                continue;
            }
            let control = slot.control.0.get(..usize::from(slot.control_octets));
            let destination = control.and_then(control::parse);
            let (Some(source), Some(destination)) = (name::parse(&slot.name), destination) else {
                self.losses.receive_unaddressed += 1;
                continue;
            };
            let port = socket.address.port();
            let hop_limit = destination.hop_limit;
            let to = (destination.address, port).into();
            let datagram = Datagram { source, destination: to, hop_limit };
            let Some(octets) = octets.datagram_mut(index, slot.payload_octets) else { continue };
            let verdict = reflect_datagram(octets, &datagram, policy, &mut self.limit);
            self.counters.count(verdict, frame_octets(&datagram, octets.len()));
            if let Verdict::Reflect(_) = verdict {
                let hop_limit = hop_limit.map(|limit| policy.hop_limit_of_answer(limit));
                slot.control_octets =
                    control::write_source(&mut slot.control, destination.local, hop_limit);
                self.answers.push(answer);
            }
        }
        Ok(received)
    }

    /// Sends the answers of the last burst. Tries again for a bounded time
    /// when the kernel has no room.
    fn transmit(&mut self, socket: usize) {
        let Some(socket) = self.sockets.get(socket) else { return };
        let fd = rustix::fd::AsFd::as_fd(socket);
        let Burst { slots, octets } = &self.burst;
        let mut rest = self.answers.as_slice();
        let mut tries = 0;
        while let Some((first, others)) = rest.split_first() {
            match sys::send(fd, slots, octets, rest) {
                Ok(sent) => {
                    self.sent += sent as u64;
                    rest = rest.get(sent..).unwrap_or_default();
                    tries = 0;
                }
                Err(error) if is_passing(&error) || is_full(&error) => {
                    tries += 1;
                    if tries > SEND_TRIES_MAX {
                        self.losses.transmit_refused += rest.len() as u64;
                        return;
                    }
                    wait_for_room(socket, &error);
                }
                Err(error) => {
                    self.losses.transmit_failed += 1;
                    if self.limit.now_tick >= self.next_notice_tick {
                        self.next_notice_tick = self.limit.now_tick + NOTICE_INTERVAL_TICKS;
                        let peer = slots.get(usize::from(*first)).map(|slot| &slot.name[..]);
                        if let Some(peer) = peer.and_then(name::parse) {
                            (self.options.notice)(&format!(
                                "no answer could go to {peer}: {error}"
                            ));
                        }
                    }
                    rest = others;
                    tries = 0;
                }
            }
        }
    }

    /// Waits until a datagram is there or it is time to look at other things;
    /// says which.
    fn wait(&self) -> Result<bool, RunError> {
        let mut fds: Vec<_> =
            self.sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(POLL_INTERVAL_MS) * 1_000_000 };
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(RunError::Poll(error.into())),
        }
    }

    fn publish(&mut self, cell: &StatisticsCell) {
        self.take_drops();
        cell.publish(|to| self.write(to));
        self.next_publish_tick = self.clock.now_tick() + PUBLISH_INTERVAL_TICKS;
    }

    fn take_drops(&mut self) {
        for socket in &mut self.sockets {
            self.losses.receive_buffer_full += socket.take_dropped();
        }
    }

    /// Writes what is known over what was left before.
    fn write(&self, to: &mut WorkerStatistics) {
        to.counters = self.counters;
        to.sent = Some(self.sent);
        to.losses.clear();
        to.losses.extend(self.losses.list());
    }
}

/// Octets of the frame that a datagram came in, as far as a socket can know:
/// Ethernet header in, FCS out, without tags, IP options or padding.
fn frame_octets(datagram: &Datagram, datagram_octets: usize) -> usize {
    let network_octets = match datagram.destination.ip() {
        IpAddr::V4(_) => wire::ipv4::HEADER_OCTETS,
        IpAddr::V6(_) => wire::ipv6::HEADER_OCTETS,
    };
    wire::ethernet::HEADER_OCTETS + network_octets + datagram_octets
}

/// Whether the same call may work at once, or as soon as there is something
/// to do.
fn is_passing(error: &io::Error) -> bool {
    // An ICMP error about an earlier answer comes as a refused connection.
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::INTR | Errno::CONNREFUSED))
}

/// Whether the interface's queue is full, for which nobody wakes us.
fn is_full(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NOBUFS)
}

fn wait_for_room(socket: &Socket, error: &io::Error) {
    if is_full(error) {
        sleep(Duration::from_micros(SEND_WAIT_US.into()));
        return;
    }
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(SEND_WAIT_US) * 1_000 };
    // Whatever it says, the next try tells.
    let _ = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout));
}
