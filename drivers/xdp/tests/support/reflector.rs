//! A worker of the af-packet tier on the far end, and what a tester does.

use std::{
    net::UdpSocket,
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use farend_core::{MacAddress, Policy, reflect::policy::Builder};
use farend_driver::worker::{PolicyCell, PolicyReader, StatisticsCell, Stop, WorkerStatistics};
use farend_xdp::tier::af_packet::{Options, RunError, Worker};

use super::{
    PATIENCE,
    frame::{FAR, Ip, number, probe},
    namespace::{Pair, enter},
    raw::Raw,
};

pub(crate) const LONG: Duration = Duration::from_millis(500);
pub(crate) const SHORT: Duration = Duration::from_millis(100);

/// What workers told the user; tests look for their own lines in it.
static NOTICES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether the user is told so within some seconds.
pub(crate) fn is_told(what: &str) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if NOTICES.lock().unwrap().iter().any(|line| line.contains(what)) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

pub(crate) struct Running {
    pub(crate) policy: Arc<PolicyCell>,
    stop: Arc<Stop>,
    statistics: Arc<StatisticsCell>,
    thread: JoinHandle<(Result<(), RunError>, Duration)>,
}

impl Running {
    pub(crate) fn start(pair: &Pair, policy: Builder) -> Self {
        Self::start_on(pair, "far", policy)
    }

    pub(crate) fn start_on(pair: &Pair, interface: &'static str, policy: Builder) -> Self {
        let namespace = pair.far.clone();
        let cell = Arc::new(PolicyCell::new(policy.build().unwrap()));
        let policy = Arc::clone(&cell);
        let (stop, statistics) = (Arc::new(Stop::default()), Arc::new(StatisticsCell::default()));
        let (flag, leave) = (Arc::clone(&stop), Arc::clone(&statistics));
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            enter(&namespace);
            let index = index_of(interface);
            let options = Options {
                notice: |line| NOTICES.lock().unwrap().push(line.to_owned()),
                ..Options::new(index, interface, 1_500)
            };
            let mut worker = Worker::open(&options).unwrap();
            ready.send(()).unwrap();
            let outcome = worker.run(&mut PolicyReader::new(cell), &flag, &leave);
            let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            (outcome, Duration::try_from(used).unwrap())
        });
        is_ready.recv().unwrap();
        Self { policy, stop, statistics, thread }
    }

    pub(crate) fn finish(self) -> WorkerStatistics {
        self.stop.request();
        self.thread.join().unwrap().0.unwrap();
        Arc::unwrap_or_clone(self.statistics.read())
    }

    /// Ends the worker; gives the CPU time of its thread.
    pub(crate) fn cpu_time(self) -> Duration {
        self.stop.request();
        self.thread.join().unwrap().1
    }

    /// Waits until the worker ends by itself.
    pub(crate) fn fail(self) -> RunError {
        self.thread.join().unwrap().0.unwrap_err()
    }
}

pub(crate) fn policy() -> Builder {
    Policy::builder().own_mac(MacAddress(FAR))
}

pub(crate) fn lost(statistics: &WorkerStatistics) -> u64 {
    statistics.losses.iter().map(|(_, frames)| frames).sum()
}

/// Sends numbered probes, `window` of them under way at most. Gives the
/// different ones that came back, and all that came back.
pub(crate) fn exchange(raw: &Raw, count: u32, window: u32, limit: Duration) -> (u32, u32) {
    let deadline = Instant::now() + limit;
    let mut seen = vec![false; count as usize];
    let (mut sent, mut back, mut all) = (0, 0, 0);
    while back < count && Instant::now() < deadline {
        while sent < count && sent - back < window {
            assert!(raw.send(&probe(Ip::V4, &[], 60 + sent as usize % 1_000, sent)));
            sent += 1;
        }
        let Some(frame) = raw.receive_probe(SHORT) else { continue };
        all += 1;
        back += u32::from(!std::mem::replace(&mut seen[number(&frame) as usize], true));
    }
    while raw.receive_probe(SHORT).is_some() {
        all += 1;
    }
    (back, all)
}

/// The index of an interface of this thread's namespace.
pub(crate) fn index_of(interface: &str) -> u32 {
    let any = UdpSocket::bind("127.0.0.1:0").unwrap();
    rustix::net::netdevice::name_to_index(&any, interface).unwrap()
}
