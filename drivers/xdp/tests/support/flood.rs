//! More probes than anybody can answer, and what came back of them.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    frame::{Ip, answer, number, probe},
    namespace::{Pair, enter},
    raw::Raw,
};

/// Octets of each probe.
const OCTETS: usize = 60;

/// What became of a flood.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    pub(crate) sent: u32,
    pub(crate) answers: u32,
    /// Answers to a probe that was answered before.
    pub(crate) twice: u32,
    /// Answers to a probe that was sent before one already answered.
    pub(crate) out_of_order: u32,
    /// Probes that came back, but not turned round as they should be.
    pub(crate) wrong: u32,
}

/// A flood under way.
pub(crate) struct Running {
    sender: JoinHandle<u32>,
    receiver: JoinHandle<Flood>,
}

impl Running {
    pub(crate) fn finish(self) -> Flood {
        let sent = self.sender.join().unwrap();
        Flood { sent, ..self.receiver.join().unwrap() }
    }
}

impl Flood {
    /// Sends numbered probes of one flow as fast as it goes.
    pub(crate) fn start(pair: &Pair, time: Duration) -> Running {
        let is_over = Arc::new(AtomicBool::new(false));
        let listening = Arc::new(Barrier::new(2));
        let (flag, barrier, name) =
            (Arc::clone(&is_over), Arc::clone(&listening), pair.near.clone());
        let sender = thread::spawn(move || {
            enter(&name);
            let raw = Raw::open("near");
            barrier.wait();
            let end = Instant::now() + time;
            let mut frame = probe(Ip::V4, &[], OCTETS, 0);
            let mut sent = 0_u32;
            while Instant::now() < end {
                for _ in 0..64 {
                    let tail = frame.len() - 4;
                    frame[tail..].copy_from_slice(&sent.to_be_bytes());
                    // One that the interface refuses was never sent.
                    sent += u32::from(raw.send(&frame));
                }
            }
            flag.store(true, Ordering::Relaxed);
            sent
        });
        let name = pair.near.clone();
        let receiver = thread::spawn(move || {
            enter(&name);
            let raw = Raw::open("near");
            listening.wait();
            receive(&raw, &is_over)
        });
        Running { sender, receiver }
    }

    /// As [`start`](Self::start), to its end.
    pub(crate) fn run(pair: &Pair, time: Duration) -> Self {
        Self::start(pair, time).finish()
    }
}

fn receive(raw: &Raw, is_over: &AtomicBool) -> Flood {
    let mut flood = Flood::default();
    let model = answer(Ip::V4, &[], &probe(Ip::V4, &[], OCTETS, 0));
    let mut last = None;
    let mut seen = vec![false; 1 << 24];
    loop {
        let Some(frame) = raw.receive_probe(Duration::from_millis(200)) else {
            if is_over.load(Ordering::Relaxed) {
                return flood;
            }
            continue;
        };
        if is_icmp(&frame) {
            continue;
        }
        if frame.len() != OCTETS || frame[..OCTETS - 4] != model[..OCTETS - 4] {
            flood.wrong += 1;
            continue;
        }
        let number = number(&frame);
        flood.answers += 1;
        if std::mem::replace(&mut seen[number as usize], true) {
            flood.twice += 1;
        }
        if last.is_some_and(|last| number < last) {
            flood.out_of_order += 1;
        }
        last = last.max(Some(number));
    }
}

/// Sends probes of as many flows, a bounded number of them under way; how many
/// came back.
pub(crate) fn flows(raw: &Raw, flows: u16, rounds: u32) -> u32 {
    let all = u32::from(flows) * rounds;
    let (mut sent, mut back) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(5);
    while back < all && Instant::now() < deadline {
        while sent < all && sent - back < 32 {
            let mut frame = probe(Ip::V4, &[], OCTETS, sent);
            let flow = u16::try_from(sent % u32::from(flows)).unwrap();
            // The source port: looked at by nobody but the interface.
            frame[34..36].copy_from_slice(&(20_000 + flow).to_be_bytes());
            assert!(raw.send(&frame));
            sent += 1;
        }
        match raw.receive_probe(Duration::from_millis(200)) {
            Some(frame) => back += u32::from(!is_icmp(&frame)),
            // Nothing is under way any more: what is missing stays away.
            None => break,
        }
    }
    back
}

/// Whether it is the far host's own error, which quotes a probe that nobody
/// answered.
fn is_icmp(frame: &[u8]) -> bool {
    frame.get(23) == Some(&1)
}
