//! A bad path in user space: it delays, slows, loses, repeats and reorders UDP
//! datagrams, and keeps a ledger of what it did.
//!
//! What becomes of a datagram follows from the seed, its direction and its
//! number alone, so what is counted elsewhere can be compared exactly.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force},
};

use crate::Namespace;

/// Octets of the sockets' buffers.
const BUFFER_OCTETS: usize = 8 << 20;

/// How many of a thousand datagrams something happens to.
pub type PerMille = u16;

/// What a path does to each direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Impairment {
    /// Chooses who is met.
    pub seed: u64,
    /// Time on the way.
    pub delay: Duration,
    /// Bits of UDP payload a second; `None` for as fast as it goes.
    pub rate_bits_per_s: Option<u64>,
    /// Longest wait for the rate; what would wait longer is lost.
    pub queue: Duration,
    /// Lost.
    pub loss: PerMille,
    /// Sent twice.
    pub duplicate: PerMille,
    /// Held back, so that later ones overtake it.
    pub reorder: PerMille,
    /// For how long those are held back.
    pub hold: Duration,
    /// Octets of the longest datagram, without IP and UDP headers; longer ones
    /// are lost, and nobody is told.
    pub octets_max: usize,
}

impl Default for Impairment {
    fn default() -> Self {
        Self {
            seed: 1,
            delay: Duration::ZERO,
            rate_bits_per_s: None,
            queue: Duration::from_millis(100),
            loss: 0,
            duplicate: 0,
            reorder: 0,
            hold: Duration::from_millis(5),
            octets_max: usize::MAX,
        }
    }
}

/// What was done to the datagrams of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Datagrams that came.
    pub taken: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because they were too long.
    pub too_long: u64,
    /// Lost because the queue was full.
    pub overflowed: u64,
    /// Sent twice.
    pub duplicated: u64,
    /// Held back.
    pub held_back: u64,
    /// Sent on, copies too.
    pub sent: u64,
}

/// A path that runs until it is dropped.
#[derive(Debug)]
pub struct Path {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<[Ledger; 2]>>>,
    address: SocketAddr,
}

impl Path {
    /// Opens a path in a namespace: what comes to `front` goes on to `to`, and
    /// answers go back to whoever sent last.
    ///
    /// # Errors
    ///
    /// An address is taken, or there is no thread.
    pub fn open(
        namespace: &Namespace,
        front: SocketAddr,
        to: SocketAddr,
        impairment: Impairment,
    ) -> Result<Self> {
        let bound = namespace.run(|| -> io::Result<_> {
            let any = SocketAddr::new(front.ip(), 0);
            let sockets = [UdpSocket::bind(front)?, UdpSocket::bind(any)?];
            for socket in &sockets {
                socket.set_nonblocking(true)?;
                // What the host loses here would be in no ledger.
                set_socket_recv_buffer_size_force(socket, BUFFER_OCTETS)?;
                set_socket_send_buffer_size_force(socket, BUFFER_OCTETS)?;
            }
            Ok(sockets)
        })?;
        let sockets = bound.with_context(|| format!("cannot bind {front}"))?;
        let address = sockets[0].local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mover = Mover::new(sockets, to, impairment);
        let thread =
            thread::Builder::new().name("path".to_owned()).spawn(move || mover.run(&stopped))?;
        Ok(Self { stop, thread: Some(thread), address })
    }

    /// Where it takes datagrams.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes it; gives what it did on the way there and on the way back. What
    /// is on its way still arrives.
    ///
    /// # Errors
    ///
    /// It could not go on.
    pub fn close(mut self) -> Result<[Ledger; 2]> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().context("it was closed before")?;
        let ledgers = thread.join().map_err(|_| anyhow!("the path's thread has failed"))?;
        ledgers.context("the path broke")
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Its ledger is not asked for.
            let _ended = thread.join();
        }
    }
}

/// A datagram on its way, ordered by when it arrives.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Moving {
    due: Instant,
    number: u64,
    direction: usize,
    octets: Vec<u8>,
}

struct Mover {
    sockets: [UdpSocket; 2],
    to: SocketAddr,
    back: Option<SocketAddr>,
    impairment: Impairment,
    ledgers: [Ledger; 2],
    /// When each direction is free again.
    free: [Instant; 2],
    moving: BinaryHeap<Reverse<Moving>>,
    number: u64,
}

impl Mover {
    fn new(sockets: [UdpSocket; 2], to: SocketAddr, impairment: Impairment) -> Self {
        Self {
            sockets,
            to,
            back: None,
            impairment,
            ledgers: [Ledger::default(); 2],
            free: [Instant::now(); 2],
            moving: BinaryHeap::new(),
            number: 0,
        }
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<[Ledger; 2]> {
        const LONGEST: Duration = Duration::from_millis(20);
        let mut room = vec![0; 1 << 16];
        loop {
            let is_stopped = stop.load(Ordering::Acquire);
            if is_stopped && self.moving.is_empty() {
                return Ok(self.ledgers);
            }
            let due = self.moving.peek().map(|Reverse(next)| next.due);
            let wait = due.map_or(LONGEST, |due| due.saturating_duration_since(Instant::now()));
            self.wait(wait.min(LONGEST))?;
            if !is_stopped {
                for direction in 0..2 {
                    self.take_all(direction, &mut room)?;
                }
            }
            self.deliver();
        }
    }

    /// Takes what waits at one socket.
    fn take_all(&mut self, direction: usize, room: &mut [u8]) -> io::Result<()> {
        loop {
            match self.sockets[direction].recv_from(room) {
                Ok((octets, from)) => self.take(direction, from, &room[..octets]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The other side has closed its port.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&self, time: Duration) -> io::Result<()> {
        let mut waiting =
            self.sockets.each_ref().map(|one| PollFd::from_borrowed_fd(one.as_fd(), PollFlags::IN));
        let timeout = Timespec::try_from(time).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        match poll(&mut waiting, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Decides what becomes of a datagram.
    fn take(&mut self, direction: usize, from: SocketAddr, octets: &[u8]) {
        if direction == 0 {
            self.back = Some(from);
        }
        let (now, what) = (Instant::now(), self.impairment);
        let ledger = &mut self.ledgers[direction];
        let number = ledger.taken;
        ledger.taken += 1;
        let is_met = |kind: u64, share: PerMille| {
            chance(what.seed, [direction as u64, number, kind]) % 1_000 < u64::from(share)
        };
        if octets.len() > what.octets_max {
            ledger.too_long += 1;
            return;
        }
        if is_met(0, what.loss) {
            ledger.lost += 1;
            return;
        }
        let free = self.free[direction].max(now);
        if free - now > what.queue {
            ledger.overflowed += 1;
            return;
        }
        let time = what.rate_bits_per_s.map_or(Duration::ZERO, |rate| {
            Duration::from_secs(octets.len() as u64 * 8) / u32::try_from(rate).unwrap_or(u32::MAX)
        });
        self.free[direction] = free + time;
        let mut due = free + time + what.delay;
        if is_met(1, what.reorder) {
            ledger.held_back += 1;
            due += what.hold;
        }
        let copies = 1 + usize::from(is_met(2, what.duplicate));
        ledger.duplicated += copies as u64 - 1;
        for _ in 0..copies {
            self.number += 1;
            let octets = octets.to_vec();
            self.moving.push(Reverse(Moving { due, number: self.number, direction, octets }));
        }
    }

    /// Sends on what is due.
    fn deliver(&mut self) {
        let now = Instant::now();
        while self.moving.peek().is_some_and(|Reverse(next)| next.due <= now) {
            let Some(Reverse(next)) = self.moving.pop() else { return };
            let to = if next.direction == 0 { Some(self.to) } else { self.back };
            let Some(to) = to else { continue };
            // The other socket is the one that its receiver knows.
            if self.sockets[1 - next.direction].send_to(&next.octets, to).is_ok() {
                self.ledgers[next.direction].sent += 1;
            }
        }
    }
}

/// A number that looks random and follows from others (splitmix64).
fn chance(seed: u64, numbers: [u64; 3]) -> u64 {
    numbers.iter().fold(seed, |state, number| {
        let mut mixed = (state ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_skipped_without_root;

    #[test]
    fn ledger_is_what_arrives() {
        if is_skipped_without_root() {
            return;
        }
        let namespace = Namespace::new().unwrap();
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            socket
        };
        let [from, to] = [(); 2].map(|()| namespace.run(bind).unwrap());
        let impairment = Impairment {
            loss: 100,
            duplicate: 50,
            reorder: 50,
            octets_max: 1_000,
            ..Impairment::default()
        };
        let front = "127.0.0.1:0".parse().unwrap();
        let path = Path::open(&namespace, front, to.local_addr().unwrap(), impairment).unwrap();
        let reader = thread::spawn(move || {
            let (mut arrived, mut room) = (Vec::new(), [0; 2_000]);
            while to.recv(&mut room).is_ok() {
                arrived.push(u32::from_be_bytes(*room.first_chunk().unwrap()));
            }
            arrived
        });
        for number in 0..1_000_u32 {
            let mut octets = number.to_be_bytes().to_vec();
            octets.resize(if number % 100 == 7 { 1_001 } else { 600 }, 0);
            from.send_to(&octets, path.address()).unwrap();
            if number % 20 == 19 {
                // Both sockets' buffers have room for more than this.
                thread::sleep(Duration::from_millis(1));
            }
        }
        let arrived = reader.join().unwrap();
        let [there, back] = path.close().unwrap();
        assert_eq!(back, Ledger::default());
        assert_eq!((there.taken, there.too_long), (1_000, 10));
        assert_eq!(there.sent, arrived.len() as u64);
        let unique: std::collections::BTreeSet<_> = arrived.iter().collect();
        assert_eq!(there.taken - there.lost - there.too_long, unique.len() as u64);
        assert_eq!(there.duplicated, there.sent - unique.len() as u64);
        assert!((50..150).contains(&there.lost) && there.held_back > 20, "{there:?}");
        assert!(!arrived.is_sorted());
    }
}
