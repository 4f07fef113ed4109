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

/// Probes under way at most: fewer than the ring of a veth pair has room for.
const WINDOW: u32 = 32;

/// Nothing that is under way takes so long, even on a busy machine.
const SILENCE: Duration = Duration::from_millis(300);

/// Sends this many probes of as many flows, drawn by chance, a bounded number of
/// them under way; how many came back.
pub(crate) fn flows(raw: &Raw, flows: u16, rounds: u32) -> u32 {
    let first = fastrand::u16(20_000..60_000 - flows);
    println!("flows from source port {first} on");
    let ports: Vec<_> = (first..first + flows).collect();
    probe_each(raw, &ports, rounds)
}

/// Sends this many probes from each source port; how many came back. Those that
/// nobody answers do not hold up the others.
pub(crate) fn probe_each(raw: &Raw, source_ports: &[u16], rounds: u32) -> u32 {
    let all = u32::try_from(source_ports.len()).unwrap() * rounds;
    let (mut sent, mut back, mut unanswered) = (0_u32, 0, 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while back < all && Instant::now() < deadline {
        while sent < all && sent.saturating_sub(back + unanswered) < WINDOW {
            assert!(raw.send(&probe_from(source_ports[sent as usize % source_ports.len()], sent)));
            sent += 1;
        }
        match raw.receive_probe(SILENCE) {
            Some(frame) => back += u32::from(!is_icmp(&frame)),
            None if sent == all => break,
            // Nothing is under way any more.
            None => unanswered = sent - back,
        }
    }
    back
}

/// A numbered probe of the flow of a source port, which is looked at by nobody but
/// the interface.
pub(crate) fn probe_from(source_port: u16, number: u32) -> Vec<u8> {
    let mut frame = probe(Ip::V4, &[], OCTETS, number);
    frame[34..36].copy_from_slice(&source_port.to_be_bytes());
    frame
}

/// Whether it is the far host's own error, which quotes a probe that nobody
/// answered.
fn is_icmp(frame: &[u8]) -> bool {
    frame.get(23) == Some(&1)
}
