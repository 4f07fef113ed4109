//! The link as the runtime sees it: threads, and what is done once a second.

use std::{
    sync::{Arc, atomic::Ordering, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use farend_core::{
    Policy,
    link::{buffer, header::Epoch},
};
use farend_driver::{
    privileges,
    tier::{Tier, TierError},
    worker::{Stop, WorkerStatistics},
};

use crate::{
    control::{Control, Plan},
    inbound::Inbound,
    network::{IPV6_MTU_OCTETS, Network},
    options::Mtu,
    outbound::Outbound,
    seal::Sealing,
    shared::Shared,
};

/// Datagrams of handshakes that may wait.
const WAITING_MAX: usize = 64;
/// Between two lines about the traffic.
const PROFILE_TIME: Duration = Duration::from_secs(10);
/// Less is the echo requests' own rate, and says nothing about the path.
const RATE_BITS_PER_S_MIN: u64 = 1_000_000;

/// A thread, and what it is called.
type Thread = (&'static str, JoinHandle<Result<(), String>>);

/// One link.
pub(crate) struct Link {
    shared: Arc<Shared>,
    network: Network,
    mtu: Mtu,
    plan: Option<Plan>,
    stop: Arc<Stop>,
    threads: Vec<Thread>,
    profile: Profile,
}

/// What the last lines were about.
struct Profile {
    looked: Instant,
    told: Instant,
    sent_octets: u64,
    /// The highest rate lately: what the path surely carries.
    bits_per_s: u64,
    before: Totals,
    has_ipv6_warning: bool,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    sent: [u64; 3],
    received: [u64; 3],
}

impl Link {
    pub(crate) fn new(shared: Shared, network: Network, mtu: Mtu, plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            shared: Arc::new(shared),
            network,
            mtu,
            plan: Some(plan),
            stop: Arc::new(Stop::default()),
            threads: Vec::new(),
            profile: Profile {
                looked: now,
                told: now,
                sent_octets: 0,
                bits_per_s: 0,
                before: Totals::default(),
                has_ipv6_warning: false,
            },
        }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Stop) -> Result<(), String> + Send + 'static,
    ) -> Result<(), TierError> {
        let stop = Arc::clone(&self.stop);
        let thread = privileges::spawn(name, move || work(&stop))
            .map_err(|error| TierError::new(format!("cannot start a thread: {error}")))?;
        self.threads.push((name, thread));
        Ok(())
    }

    fn join(&mut self) -> Option<TierError> {
        self.stop.request();
        let mut failure = None;
        for (name, thread) in self.threads.drain(..) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    failure.get_or_insert(TierError::new(error));
                }
                Err(_) => {
                    failure.get_or_insert(TierError::new(format!("the thread {name} has failed")));
                }
            }
        }
        failure
    }

    fn counts(&self) -> WorkerStatistics {
        let rtt = self.shared.echoes.rtt();
        let keys = self.shared.keyring.now();
        let epoch = keys.sending.as_ref().map_or(0, |key| key.epoch().number());
        let mut figures = self.shared.counts.figures();
        figures.extend([
            ("rtt_ns", rtt.smoothed_ns().unwrap_or(0)),
            ("rtt_least_ns", rtt.least_ns()),
            ("rtt_variation_ns", rtt.variation_ns()),
            ("buffer_packets", self.queue_packets().into()),
            ("mtu_octets", self.network.mtu().into()),
            ("path_octets", self.shared.path_octets.load(Ordering::Relaxed)),
            ("epoch", epoch.into()),
            ("is_encrypted", keys.sending.as_ref().is_some_and(|key| key.is_sealed()).into()),
        ]);
        WorkerStatistics {
            figures,
            sent: Some(self.shared.counts.sent_frames.get()),
            losses: self.shared.counts.losses(),
            ..WorkerStatistics::default()
        }
    }

    /// The MTU of the interface on the path as it is.
    fn follow_path(&mut self, lines: &mut Vec<String>) {
        let path = self.shared.path_octets.load(Ordering::Relaxed);
        let tag = self.shared.keyring.now().sending.as_ref().map_or(0, |key| key.tag_octets());
        let overhead = self.shared.overhead_octets(tag) as u64;
        let takes = u32::try_from(path.saturating_sub(overhead)).unwrap_or(u32::MAX);
        let wanted = match self.mtu {
            Mtu::Auto => takes,
            Mtu::Octets(octets) => takes.min(octets.into()),
        };
        // Without a key nobody knows what the tag takes.
        if self.shared.keyring.now().sending.is_none() || wanted == self.network.mtu() {
            return;
        }
        match self.network.set_mtu(wanted) {
            Ok(()) => lines.push(format!("MTU {wanted}")),
            Err(error) => lines.push(format!("cannot set the MTU to {wanted}: {error}")),
        }
        let is_small = wanted < IPV6_MTU_OCTETS && self.network.has_ipv6();
        if is_small && !self.profile.has_ipv6_warning {
            lines.push(format!(
                "ipv6_mtu: IPv6 needs {IPV6_MTU_OCTETS} octets inside, and the path leaves \
                 {wanted}: IPv6 stops here, IPv4 goes on"
            ));
        }
        self.profile.has_ipv6_warning = is_small;
    }

    /// How many packets may wait, by what the path has carried.
    fn size_queue(&mut self, now: Instant, lines: &mut Vec<String>) {
        let sent = self.shared.counts.sent_octets.get();
        let time_ms = u64::try_from((now - self.profile.looked).as_millis()).unwrap_or(1).max(1);
        let bits = sent.wrapping_sub(self.profile.sent_octets).saturating_mul(8);
        let rate = bits.saturating_mul(1_000) / time_ms;
        (self.profile.looked, self.profile.sent_octets) = (now, sent);
        // Forgotten by half in about a minute.
        let kept = self.profile.bits_per_s - self.profile.bits_per_s / 86;
        self.profile.bits_per_s = kept.max(rate);
        if let Err(error) = self.network.set_queue(self.queue_packets()) {
            lines.push(format!("cannot size the queue: {error}"));
        }
    }

    fn queue_packets(&self) -> u32 {
        let rate = self.profile.bits_per_s;
        let rate = if rate < RATE_BITS_PER_S_MIN { 0 } else { rate };
        let rtt = self.shared.echoes.rtt().smoothed_ns().unwrap_or(0);
        let packets = buffer::packets(rate, rtt, self.network.mtu().into());
        u32::try_from(packets).unwrap_or(u32::MAX)
    }

    /// One line about the last seconds, if there was traffic.
    fn tell_profile(&mut self, now: Instant, lines: &mut Vec<String>) {
        let counts = &self.shared.counts;
        let totals = Totals {
            sent: [counts.sent_octets.get(), counts.sent_frames.get(), counts.sent_messages.get()],
            received: [
                counts.received_octets.get(),
                counts.received_frames.get(),
                counts.received_messages.get(),
            ],
        };
        let time_s = (now - self.profile.told).as_secs_f64().max(0.001);
        let before = std::mem::replace(&mut self.profile.before, totals);
        self.profile.told = now;
        let rate = |now: [u64; 3], before: [u64; 3]| {
            let [octets, frames, messages] = [0, 1, 2].map(|at| now[at].wrapping_sub(before[at]));
            #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
            let [octets, frames, messages] = [octets, frames, messages].map(|it| it as f64);
            format!(
                "{:.1} Mbit/s, {:.0} frames/s in batches of {:.1}",
                octets * 8e-6 / time_s,
                frames / time_s,
                frames / messages.max(1.0)
            )
        };
        let rtt = self.shared.echoes.rtt();
        let epoch =
            self.shared.keyring.now().sending.as_ref().map_or(0, |key| key.epoch().number());
        lines.push(format!(
            "profile: sent {}; received {}; rtt {}.{:03} ms; missing {}, reordered {}; buffer {} \
             packets, MTU {}, epoch {epoch}",
            rate(totals.sent, before.sent),
            rate(totals.received, before.received),
            rtt.smoothed_ns().unwrap_or(0) / 1_000_000,
            rtt.smoothed_ns().unwrap_or(0) / 1_000 % 1_000,
            counts.missing_frames.get(),
            counts.reordered_frames.get(),
            self.queue_packets(),
            self.network.mtu(),
        ));
    }
}

impl Tier for Link {
    fn start(&mut self) -> Result<(), TierError> {
        let Some(plan) = self.plan.take() else { return Ok(()) };
        let (to_control, incoming) = mpsc::sync_channel(WAITING_MAX);
        let shared = &self.shared;
        let mut outbound = Outbound::new(Arc::clone(shared));
        let mut inbound = Inbound::new(Arc::clone(shared), to_control);
        let shared = Arc::clone(shared);
        let mut control = Control::new(shared, incoming, plan);
        self.spawn("outbound", move |stop| outbound.run(stop))?;
        self.spawn("inbound", move |stop| inbound.run(stop))?;
        self.spawn("control", move |stop| {
            control.run(stop);
            Ok(())
        })
    }

    fn replace_policy(&mut self, _policy: &Policy) -> Result<(), TierError> {
        Ok(())
    }

    fn statistics(&mut self) -> Result<WorkerStatistics, TierError> {
        Ok(self.counts())
    }

    fn failure(&mut self) -> Option<TierError> {
        if !self.threads.iter().any(|(_, thread)| thread.is_finished()) {
            return None;
        }
        Some(self.join().unwrap_or_else(|| TierError::new("a thread has ended")))
    }

    fn look_after(&mut self) -> Vec<String> {
        let now = Instant::now();
        let mut lines = self.shared.take_notices();
        self.follow_path(&mut lines);
        self.size_queue(now, &mut lines);
        if now - self.profile.told >= PROFILE_TIME {
            self.tell_profile(now, &mut lines);
        }
        lines
    }

    fn stop(&mut self) -> WorkerStatistics {
        // What it died of is `failure`'s to tell.
        let _ = self.join();
        self.counts()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

/// Seals some frames with each cipher, and gives the faster one first.
pub(crate) fn ciphers_by_speed() -> [crate::seal::Cipher; 2] {
    use crate::seal::{Cipher, SECRET_OCTETS};
    const FRAMES: usize = 200;
    let time = |cipher| {
        let sealing = Sealing::new(cipher, Epoch::default(), &[7; SECRET_OCTETS]);
        let Some(sealing) = sealing else { return Duration::MAX };
        let mut frame = [0; 1_400];
        let mut best = Duration::MAX;
        // The best of a few, because others run here too.
        for _ in 0..3 {
            let begun = Instant::now();
            for _ in 0..FRAMES {
                sealing.seal(sealing.next_sequence().unwrap_or(0), &mut frame);
            }
            best = best.min(begun.elapsed());
        }
        best
    };
    if time(Cipher::ChaCha20Poly1305) < time(Cipher::Aes256Gcm) {
        [Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm]
    } else {
        [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305]
    }
}
