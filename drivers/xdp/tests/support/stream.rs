//! A stream of numbered probes at a bounded rate, and a count of what came
//! back.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    frame::{Ip, number, probe},
    namespace::enter,
    raw::Raw,
};

/// A tester on threads of its own.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u32>,
    receiver: JoinHandle<Received>,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Different probes.
    pub(crate) probes: u32,
    /// Answers beyond the first to a probe.
    pub(crate) twice: u32,
    /// The highest number.
    pub(crate) last: u32,
}

impl Stream {
    /// Starts to send; a millisecond's worth at a time.
    pub(crate) fn start(namespace: &str, interface: &'static str, frames_per_ms: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        // Nothing is sent before somebody listens.
        let listening = Arc::new(Barrier::new(2));
        let is_listening = Arc::clone(&listening);
        let (flag, name) = (Arc::clone(&stop), namespace.to_owned());
        let sender = thread::spawn(move || {
            enter(&name);
            let raw = Raw::open(interface);
            is_listening.wait();
            let mut sent = 0;
            let mut next = Instant::now();
            while !flag.load(Ordering::Relaxed) {
                for _ in 0..frames_per_ms {
                    assert!(raw.send(&probe(Ip::V4, &[], 60, sent)));
                    sent += 1;
                }
                // No catching up: a burst would overflow the veth's ring.
                next = (next + Duration::from_millis(1)).max(Instant::now());
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            sent
        });
        let (flag, name) = (Arc::clone(&stop), namespace.to_owned());
        let receiver = thread::spawn(move || {
            enter(&name);
            let raw = Raw::open(interface);
            listening.wait();
            let mut received = Received::default();
            let mut seen = vec![false; 1 << 22];
            loop {
                let Some(frame) = raw.receive_probe(Duration::from_millis(300)) else {
                    if flag.load(Ordering::Relaxed) {
                        return received;
                    }
                    continue;
                };
                let number = number(&frame);
                received.last = received.last.max(number);
                if std::mem::replace(&mut seen[number as usize], true) {
                    received.twice += 1;
                } else {
                    received.probes += 1;
                }
            }
        });
        Self { stop, sender, receiver }
    }

    /// Stops sending, waits for stragglers; gives what was sent and what came
    /// back.
    pub(crate) fn finish(self) -> (u32, Received) {
        self.stop.store(true, Ordering::Relaxed);
        (self.sender.join().unwrap(), self.receiver.join().unwrap())
    }
}
