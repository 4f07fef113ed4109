//! A worker on a thread of its own, and a client that counts.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use farend_core::{Guards, Policy, reflect::policy::Builder};
use farend_driver::worker::{PolicyCell, PolicyReader, StatisticsCell, Stop, WorkerStatistics};
use farend_udp::{Mover, Options, RunError, Worker};

/// A payload with a signature and a number at its end.
pub(crate) fn probe(number: u32, octets: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; octets.max(16)];
    payload[5..12].copy_from_slice(b"PROBEOT");
    let end = payload.len();
    payload[end - 4..].copy_from_slice(&number.to_be_bytes());
    payload
}

/// A policy for sockets on loopback.
pub(crate) fn policy(port: u16) -> Builder {
    Policy::builder().any_destination().port(port).guards(Guards::ALL.without(Guards::LOOPBACK))
}

pub(crate) struct Running {
    pub(crate) policy: Arc<PolicyCell>,
    pub(crate) statistics: Arc<StatisticsCell>,
    pub(crate) mover: Mover,
    stop: Arc<Stop>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Running {
    pub(crate) fn start(addresses: &[&str], policy: Policy) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let options = Options { addresses, ..Options::new(policy.port()) };
        let mut worker = Worker::open(&options).unwrap();
        let mover = worker.mover();
        let policy = Arc::new(PolicyCell::new(policy));
        let statistics = Arc::new(StatisticsCell::default());
        let stop = Arc::new(Stop::default());
        let mut reader = PolicyReader::new(Arc::clone(&policy));
        let (cell, flag) = (Arc::clone(&statistics), Arc::clone(&stop));
        let thread = std::thread::spawn(move || worker.run(&mut reader, &flag, &cell));
        Self { policy, statistics, mover, stop, thread }
    }

    /// Ends the worker; gives its last statistics.
    pub(crate) fn finish(self) -> WorkerStatistics {
        self.stop.request();
        self.thread.join().unwrap().unwrap();
        Arc::unwrap_or_clone(self.statistics.read())
    }
}

/// Runs a worker that was asked to stop before: it answers what waits.
pub(crate) fn drain(worker: &mut Worker, policy: Policy) -> WorkerStatistics {
    let mut reader = PolicyReader::new(Arc::new(PolicyCell::new(policy)));
    let (stop, statistics) = (Stop::default(), StatisticsCell::default());
    stop.request();
    worker.run(&mut reader, &stop, &statistics).unwrap();
    Arc::unwrap_or_clone(statistics.read())
}

/// A connected socket: it hears answers from the asked address alone.
pub(crate) fn client<A>(bind: A, server: SocketAddr) -> UdpSocket
where
    (A, u16): ToSocketAddrs,
{
    let socket = UdpSocket::bind((bind, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

/// Waits until somebody listens where a client is connected to: until then the
/// system refuses what it sends. Nobody answers what it sends here.
pub(crate) fn await_open(client: &UdpSocket) {
    let deadline = Instant::now() + Duration::from_secs(10);
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let is_refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    // A refusal is told by the next call, be it to send or to receive.
    while client
        .send(b"?")
        .and_then(|_| client.recv(&mut [0]))
        .is_err_and(|error| is_refused(&error))
    {
        assert!(Instant::now() < deadline, "nobody listens");
        thread::sleep(Duration::from_millis(1));
    }
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
}

/// Sends one probe; whether the same octets came back.
pub(crate) fn is_answered(client: &UdpSocket, payload: &[u8]) -> bool {
    client.send(payload).unwrap();
    let mut room = vec![0; 65_536];
    matches!(client.recv(&mut room), Ok(octets) if room[..octets] == *payload)
}

/// Sends `count` probes, `window` of them under way at most; says how many
/// different ones came back before `limit` ran out.
pub(crate) fn answered(client: &UdpSocket, count: u32, window: u32, limit: Duration) -> u32 {
    let deadline = Instant::now() + limit;
    client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut seen = vec![false; count as usize];
    let (mut sent, mut back) = (0, 0);
    let mut room = [0; 2_048];
    while back < count && Instant::now() < deadline {
        while sent < count && sent - back < window {
            client.send(&probe(sent, 64)).unwrap();
            sent += 1;
        }
        let Ok(octets) = client.recv(&mut room) else { continue };
        let number = u32::from_be_bytes(room[octets - 4..octets].try_into().unwrap());
        back += u32::from(!std::mem::replace(&mut seen[number as usize], true));
    }
    back
}
