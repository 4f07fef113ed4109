//! What is not about single packets: handshakes, echoes, the path's MTU.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use farend_core::link::{
    header::{Epoch, HEADER_OCTETS, Header, Kind},
    mtu::{Outcome, PathMtu},
};
use farend_driver::worker::Stop;

use crate::{
    handshake::{Established, Handshakes},
    inbound::Foreign,
    options::Remote,
    seal::{Opening, Sealing},
    shared::{Shared, unix_ns},
};

/// Nothing is sent or taken under a key that is older.
const KEY_TIME_MAX: Duration = Duration::from_mins(3);
/// A new key after so many frames: half of what one may seal.
const REKEY_FRAMES: u64 = 1 << 27;
/// A peer that is silent for so long is asked for a new handshake.
const SILENCE_MS_MAX: u64 = 3_000;
/// Between two handshakes that this side begins.
const RETRY_TIME: Duration = Duration::from_secs(1);
/// Between two echo requests with traffic, and without.
const ECHO_TIME: Duration = Duration::from_millis(300);
const IDLE_ECHO_TIME: Duration = Duration::from_secs(1);
/// Between two looks for a path that has grown.
const RAISE_TIME: Duration = Duration::from_mins(1);
/// Longest wait, so that a stop is seen.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// Octets of the largest echo request.
const ECHO_OCTETS_MAX: usize = 1 << 16;

/// What the thread is to do.
pub(crate) struct Plan {
    /// `None` without encryption.
    pub(crate) handshakes: Option<Handshakes>,
    /// Where to begin handshakes.
    pub(crate) connect: Option<Remote>,
    /// Between two of them.
    pub(crate) rekey: Duration,
    /// The path's size to begin with.
    pub(crate) path_octets: u16,
}

/// The thread's own.
pub(crate) struct Control {
    shared: Arc<Shared>,
    incoming: Receiver<Foreign>,
    handshakes: Option<Handshakes>,
    connect: Option<Remote>,
    rekey: Duration,
    installed: [Option<Instant>; Epoch::COUNT],
    begun: Option<Instant>,
    mtu: PathMtu,
    probe: Option<Probe>,
    raised: Instant,
    room: Box<[u8]>,
    sent_before: u64,
    is_up: bool,
}

/// A small echo request and one with padding, sent together.
#[derive(Clone, Copy)]
struct Probe {
    sent: Instant,
    small_unix_ns: u64,
    large_unix_ns: u64,
    octets: u16,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>, incoming: Receiver<Foreign>, plan: Plan) -> Self {
        Self {
            shared,
            incoming,
            handshakes: plan.handshakes,
            connect: plan.connect,
            rekey: plan.rekey,
            installed: [None; Epoch::COUNT],
            begun: None,
            mtu: PathMtu::new(plan.path_octets),
            probe: None,
            raised: Instant::now(),
            room: vec![0; ECHO_OCTETS_MAX].into_boxed_slice(),
            sent_before: 0,
            is_up: false,
        }
    }

    /// Looks after the link until it is asked to stop.
    pub(crate) fn run(&mut self, stop: &Stop) {
        while !stop.is_requested() {
            let now = Instant::now();
            let due = self.handshakes.as_mut().and_then(Handshakes::next_due);
            let wait = due.map_or(WAIT_MAX, |due| due.saturating_duration_since(now).min(WAIT_MAX));
            match self.incoming.recv_timeout(wait) {
                Ok(datagram) => self.receive(&datagram),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.shake_hands(Instant::now());
            self.retire_keys(Instant::now());
            self.probe_path(Instant::now());
            self.tell_state();
        }
    }

    /// Takes a datagram that is no frame.
    fn receive(&mut self, datagram: &Foreign) {
        let shared = Arc::clone(&self.shared);
        let mut send = |to: SocketAddr, octets: &[u8]| {
            // A datagram that is lost here is sent again by QUIC.
            let _ = shared.socket.send_one(to, octets);
        };
        let Some(handshakes) = &mut self.handshakes else {
            return self.shared.counts.lost_stranger.add(1);
        };
        if !handshakes.receive(Instant::now(), datagram.from, &datagram.octets, &mut send) {
            self.shared.counts.lost_stranger.add(1);
        }
    }

    /// Begins handshakes, goes on with them, and takes their keys.
    fn shake_hands(&mut self, now: Instant) {
        self.begin_if_due(now);
        let Some(handshakes) = &mut self.handshakes else { return };
        let shared = Arc::clone(&self.shared);
        let established = handshakes.turn(now, &mut |to, octets| {
            let _ = shared.socket.send_one(to, octets);
        });
        if let Some(failure) = handshakes.take_failure() {
            self.shared.notice(format!("handshake failed: {failure}"));
        }
        for keys in established {
            self.install(&keys, now);
        }
        // What the turn after an installation sends, such as the last message of
        // a handshake, finds its keys in place.
        if let Some(handshakes) = &mut self.handshakes {
            let late = handshakes.turn(now, &mut |to, octets| {
                let _ = shared.socket.send_one(to, octets);
            });
            for keys in late {
                self.install(&keys, now);
            }
        }
    }

    fn begin_if_due(&mut self, now: Instant) {
        let (Some(handshakes), Some(connect)) = (&mut self.handshakes, &self.connect) else {
            return;
        };
        let is_recent = self.begun.is_some_and(|begun| now - begun < RETRY_TIME);
        let keys = self.shared.keyring.now();
        let newest = self.installed.iter().flatten().max();
        let is_old = newest.is_none_or(|installed| now - *installed >= self.rekey);
        let is_used_up = keys.sending.as_ref().is_some_and(|key| key.frames() >= REKEY_FRAMES);
        let is_silent = self.shared.silence_ms() > SILENCE_MS_MAX;
        let is_due = keys.sending.is_none() || is_old || is_used_up || is_silent;
        // One that gets no answer is not waited for when the peer is gone.
        let is_waiting = handshakes.is_beginning() && !(is_silent || keys.sending.is_none());
        if is_recent || !is_due || is_waiting {
            return;
        }
        self.begun = Some(now);
        // A peer that has moved is where it was heard last; one that has begun
        // anew is where it is configured.
        let known = self.shared.peer.address().filter(|_| !is_silent);
        match known.map_or_else(|| connect.resolve(), Ok) {
            Ok(address) => handshakes.begin(now, address),
            Err(error) => self.shared.notice(format!("{}: {error}", connect.place)),
        }
    }

    fn install(&mut self, keys: &Established, now: Instant) {
        let sealing = Sealing::new(keys.cipher, keys.epoch, &keys.sending);
        let opening = Opening::new(keys.cipher, &keys.receiving);
        let (Some(sealing), Some(opening)) = (sealing, opening) else {
            return self.shared.notice("the library refuses a key");
        };
        let at = usize::from(keys.epoch.number());
        self.shared.keyring.change(|ring| {
            ring.receiving[at] = Some(Arc::new(opening));
            if keys.is_initiator {
                ring.pending = Some(Arc::new(sealing));
            } else {
                ring.sending = Some(Arc::new(sealing));
            }
        });
        self.installed[at] = Some(now);
        if self.shared.peer.address().is_none() || self.shared.silence_ms() > SILENCE_MS_MAX {
            self.shared.peer.move_to(keys.peer);
        }
        if !keys.is_initiator {
            // The initiator waits for a frame of the new epoch.
            self.echo(HEADER_OCTETS);
        }
    }

    /// Forgets keys that are too old.
    fn retire_keys(&mut self, now: Instant) {
        for (at, installed) in self.installed.iter_mut().enumerate() {
            if installed.is_none_or(|installed| now - installed < KEY_TIME_MAX) {
                continue;
            }
            *installed = None;
            self.shared.keyring.change(|ring| {
                ring.receiving[at] = None;
                let is_it = |key: &mut Arc<Sealing>| usize::from(key.epoch().number()) == at;
                ring.sending.take_if(is_it);
                ring.pending.take_if(is_it);
            });
        }
    }

    /// Sends echo requests, and learns from their answers what passes.
    fn probe_path(&mut self, now: Instant) {
        let refused = self.shared.refused_octets.swap(0, Ordering::Relaxed);
        if let Ok(octets @ 1..) = u16::try_from(refused)
            && octets <= self.mtu.octets()
        {
            let outcome = self.mtu.refused(octets);
            self.tell_path(outcome);
            self.probe = None;
        }
        if now - self.raised >= RAISE_TIME {
            self.raised = now;
            self.mtu.try_larger();
        }
        let sent = self.shared.counts.sent_frames.get();
        if let Some(probe) = self.probe {
            let has_large = self.shared.echoes.is_answered(probe.large_unix_ns);
            let has_small = self.shared.echoes.is_answered(probe.small_unix_ns);
            let patience = Duration::from_nanos(self.shared.echoes.rtt().timeout_ns());
            let is_over = now - probe.sent >= patience;
            if !has_large && !is_over {
                return;
            }
            let octets = probe.octets;
            if has_large || has_small {
                let outcome = if has_large {
                    self.mtu.confirmed(octets)
                } else {
                    self.mtu.unanswered(octets)
                };
                self.tell_path(outcome);
            }
            // The two echo requests are no traffic.
            let is_idle = sent.wrapping_sub(self.sent_before) <= 4 && !self.mtu.is_searching();
            let pause = match (is_idle && has_large, self.mtu.is_searching()) {
                (true, _) => IDLE_ECHO_TIME,
                (_, true) => Duration::from_millis(20),
                _ => ECHO_TIME,
            };
            if now - probe.sent < pause {
                return;
            }
        }
        self.sent_before = sent;
        let octets = self.mtu.probe_octets();
        let outer = self.shared.overhead_octets(0) - HEADER_OCTETS;
        let large = usize::from(octets).saturating_sub(outer);
        let Some(small_unix_ns) = self.echo(HEADER_OCTETS) else {
            self.probe = None;
            return;
        };
        let Some(large_unix_ns) = self.echo(large) else { return };
        self.probe = Some(Probe { sent: now, small_unix_ns, large_unix_ns, octets });
    }

    fn tell_path(&mut self, outcome: Outcome) {
        if outcome == Outcome::Same {
            return;
        }
        let octets = self.mtu.octets();
        self.shared.path_octets.store(octets.into(), Ordering::Relaxed);
        let how = if outcome == Outcome::Lowered { "lost larger packets" } else { "has grown" };
        self.shared.notice(format!("the path {how}: {octets} octets pass"));
        self.raised = Instant::now();
    }

    /// Sends an echo request of so many octets, tag in, or of the least; gives
    /// its time, which is its name.
    fn echo(&mut self, octets: usize) -> Option<u64> {
        let keys = self.shared.keyring.now();
        let sealing = keys.sending.as_ref()?;
        let to = self.shared.peer.address()?;
        let _turn = sealing.turn();
        let least = HEADER_OCTETS + sealing.tag_octets();
        let frame = self.room.get_mut(..octets.max(least))?;
        let sequence = sealing.next_sequence()?;
        let time_unix_ns = unix_ns();
        let header = Header {
            sequence,
            kind: Kind::EchoRequest,
            epoch: sealing.epoch(),
            time_unix_ns,
            size_octets: u16::try_from(frame.len() - HEADER_OCTETS).ok()?,
        };
        frame.fill(0);
        frame[..HEADER_OCTETS].copy_from_slice(&header.to_octets());
        if !sealing.seal(sequence, frame) {
            return None;
        }
        let frame = &self.room[..octets.max(least)];
        match self.shared.socket.send_one(to, frame) {
            Ok(()) => {
                self.shared.counts.sent_frames.add(1);
                self.shared.counts.sent_octets.add(frame.len() as u64);
                self.shared.counts.sent_messages.add(1);
            }
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                let outer = frame.len() + self.shared.overhead_octets(0) - HEADER_OCTETS;
                self.shared.refused_octets.store(outer as u64, Ordering::Relaxed);
            }
            // As good as lost on the way.
            Err(_) => self.shared.counts.lost_socket_send.add(1),
        }
        Some(time_unix_ns)
    }

    /// Says when the link comes up and when it goes.
    fn tell_state(&mut self) {
        let has_key = self.shared.keyring.now().sending.is_some();
        let was_heard = self.shared.counts.received_frames.get() > 0;
        let is_up = has_key && was_heard && self.shared.silence_ms() <= SILENCE_MS_MAX;
        if is_up != self.is_up {
            self.is_up = is_up;
            let peer = self.shared.peer.address();
            let peer = peer.map_or_else(|| "the peer".to_owned(), |peer| peer.to_string());
            let state = if is_up { "answers" } else { "is silent" };
            self.shared.notice(format!("{peer} {state}"));
        }
    }
}
