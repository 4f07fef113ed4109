//! From the socket to the virtual interface.

use std::{
    io::IoSlice,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering, mpsc::SyncSender},
};

use farend_core::link::{
    arrivals::Arrivals,
    coalesce::{PACKETS_MAX, Run},
    header::{Epoch, HEADER_OCTETS, Header, Kind, NotAFrame, TAG_OCTETS},
    offload::{OFFLOAD_OCTETS, Offload, Segmentation},
    packet::{Packet, Transport, Version},
    replay::{ReplayWindow, Sighting},
};
use farend_driver::worker::Stop;

use crate::{
    seal::Opening,
    shared::{Shared, unix_ns},
    socket::SLOT_OCTETS,
    sys::{ARRIVALS_MAX, Arrival},
};

/// The first frames of a peer in clear, of which one shows that it has begun anew: the
/// very first may be lost.
const RESTART_FRAMES: u64 = 64;

/// Parts of one packet: offload header, headers, payloads.
const PARTS_MAX: usize = PACKETS_MAX as usize + 2;

/// A datagram of the handshake, for the control thread.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) from: SocketAddr,
    pub(crate) octets: Vec<u8>,
}

/// One key, and what was seen under it.
struct Session {
    opening: Arc<Opening>,
    window: ReplayWindow,
    is_confirmed: bool,
}

/// The thread's own.
pub(crate) struct Inbound {
    shared: Arc<Shared>,
    handshake: SyncSender<Foreign>,
    room: Box<[u8]>,
    sessions: [Option<Box<Session>>; Epoch::COUNT],
    key_generation: u64,
    peer: Option<SocketAddr>,
    peer_generation: u64,
    arrivals: Arrivals,
    joined: Joined,
    overflow: u64,
    now_unix_ns: u64,
}

impl Inbound {
    pub(crate) fn new(shared: Arc<Shared>, handshake: SyncSender<Foreign>) -> Self {
        Self {
            shared,
            handshake,
            room: vec![0; ARRIVALS_MAX * SLOT_OCTETS].into_boxed_slice(),
            sessions: Default::default(),
            key_generation: u64::MAX,
            peer: None,
            peer_generation: u64::MAX,
            arrivals: Arrivals::default(),
            joined: Joined::default(),
            overflow: 0,
            now_unix_ns: 0,
        }
    }

    /// Carries packets until it is asked to stop.
    pub(crate) fn run(&mut self, stop: &Stop) -> Result<(), String> {
        let mut arrivals = [Arrival::EMPTY; ARRIVALS_MAX];
        while !stop.is_requested() {
            let received = self.shared.socket.receive(&mut self.room, &mut arrivals);
            let count = received.map_err(|error| format!("cannot receive: {error}"))?;
            if count == 0 {
                continue;
            }
            self.look_around();
            self.shared.counts.received_messages.add(count as u64);
            for (slot, arrival) in arrivals[..count].iter().enumerate() {
                self.take_message(slot * SLOT_OCTETS, arrival);
            }
            self.flush();
            self.shared.counts.missing_frames.set(self.arrivals.lost());
            self.shared.counts.reordered_frames.set(self.arrivals.reordered);
            self.shared.counts.lost_socket_overflow.set(self.overflow);
        }
        Ok(())
    }

    /// Once a batch: clock, keys, peer.
    fn look_around(&mut self) {
        self.now_unix_ns = unix_ns();
        let generation = self.shared.keyring.generation();
        if generation != self.key_generation {
            self.key_generation = generation;
            let keys = self.shared.keyring.now();
            for (session, key) in self.sessions.iter_mut().zip(&keys.receiving) {
                let Some(key) = key else {
                    *session = None;
                    continue;
                };
                let is_known =
                    session.as_ref().is_some_and(|known| Arc::ptr_eq(&known.opening, key));
                if !is_known {
                    let (opening, window) = (Arc::clone(key), ReplayWindow::default());
                    *session = Some(Box::new(Session { opening, window, is_confirmed: false }));
                }
            }
        }
        let generation = self.shared.peer.generation();
        if generation != self.peer_generation {
            self.peer_generation = generation;
            self.peer = self.shared.peer.address();
        }
    }

    /// Cuts a message into its datagrams.
    fn take_message(&mut self, start: usize, arrival: &Arrival) {
        if let Some(overflow) = arrival.overflow {
            self.overflow = u64::from(overflow);
        }
        let Some(from) = arrival.from.address() else { return };
        if arrival.is_truncated || arrival.octets > SLOT_OCTETS {
            return self.shared.counts.lost_malformed.add(1);
        }
        let end = start + arrival.octets;
        let step = match arrival.segment_octets {
            0 => arrival.octets.max(1),
            octets => octets,
        };
        let mut at = start;
        while at < end {
            let next = end.min(at + step);
            self.take_frame(from, at, next);
            at = next;
        }
    }

    fn take_frame(&mut self, from: SocketAddr, start: usize, end: usize) {
        let counts = &self.shared.counts;
        let frame = &mut self.room[start..end];
        let header = match Header::parse(frame) {
            Ok(header) => header,
            Err(NotAFrame::Foreign) => {
                let octets = frame.to_vec();
                // A full channel is a flood: the handshake sends again.
                if self.handshake.try_send(Foreign { from, octets }).is_err() {
                    counts.lost_stranger.add(1);
                }
                return;
            }
            Err(_) => return counts.lost_malformed.add(1),
        };
        let slot = &mut self.sessions[usize::from(header.epoch.number())];
        let Some(session) = slot.as_mut() else {
            return counts.lost_authentication.add(1);
        };
        let is_sealed = session.opening.is_sealed();
        if !is_sealed && self.peer != Some(from) {
            return counts.lost_stranger.add(1);
        }
        // In clear nothing says that a peer has begun anew, but that it counts from 0.
        let is_first = match header.sequence {
            0 => session.window.has_passed(0),
            number => number < RESTART_FRAMES && session.window.has_passed(RESTART_FRAMES),
        };
        if !is_sealed && header.kind != Kind::EchoReply && is_first {
            session.window = ReplayWindow::default();
        }
        // In clear, a reply has the number of its request.
        let is_numbered = is_sealed || header.kind != Kind::EchoReply;
        if is_numbered && !session.window.look(header.sequence).is_new() {
            return counts.lost_replay.add(1);
        }
        let Some(octets) = session.opening.open(header.sequence, frame) else {
            return counts.lost_authentication.add(1);
        };
        if is_numbered {
            let passed = session.window.passed_by(header.sequence);
            let sighting = session.window.mark(header.sequence);
            self.arrivals.count(sighting, passed);
            if sighting == Sighting::Newest && self.peer != Some(from) {
                self.shared.peer.move_to(from);
                self.peer = Some(from);
            }
        }
        if is_sealed && !session.is_confirmed {
            session.is_confirmed = true;
            self.shared.keyring.confirm(header.epoch);
        }
        counts.received_frames.add(1);
        counts.received_octets.add((end - start) as u64);
        self.shared.hear();
        let payload = start + HEADER_OCTETS;
        match header.kind {
            Kind::Data => self.deliver(payload, payload + octets, false),
            Kind::DataPartial if is_sealed => self.deliver(payload, payload + octets, true),
            Kind::DataPartial => counts.lost_malformed.add(1),
            Kind::EchoRequest => self.reply(&header, from),
            Kind::EchoReply => {
                self.shared.echoes.answered(header.time_unix_ns, self.now_unix_ns);
            }
        }
    }

    /// Answers an echo request.
    fn reply(&self, request: &Header, to: SocketAddr) {
        let keys = self.shared.keyring.now();
        let Some(sealing) = &keys.sending else { return };
        let _turn = sealing.turn();
        let sequence =
            if sealing.is_sealed() { sealing.next_sequence() } else { Some(request.sequence) };
        let Some(sequence) = sequence else { return };
        let reply = Header {
            sequence,
            kind: Kind::EchoReply,
            epoch: sealing.epoch(),
            time_unix_ns: request.time_unix_ns,
            size_octets: u16::try_from(sealing.tag_octets()).unwrap_or(0),
        };
        let mut frame = [0; HEADER_OCTETS + TAG_OCTETS];
        frame[..HEADER_OCTETS].copy_from_slice(&reply.to_octets());
        let frame = &mut frame[..HEADER_OCTETS + sealing.tag_octets()];
        if !sealing.seal(sequence, frame) || self.shared.socket.send_one(to, frame).is_err() {
            return self.shared.counts.lost_socket_send.add(1);
        }
        self.shared.counts.sent_frames.add(1);
        self.shared.counts.sent_octets.add(frame.len() as u64);
        self.shared.counts.sent_messages.add(1);
    }

    /// Gives a packet to the host, or keeps it to be joined with the next ones.
    fn deliver(&mut self, start: usize, end: usize, is_partial: bool) {
        let octets = &self.room[start..end];
        let inspected = Packet::inspect(octets);
        let Some(packet) = inspected else {
            // The sender says that a checksum is partial which nobody can find.
            if is_partial {
                return self.shared.counts.lost_malformed.add(1);
            }
            self.flush();
            return self.write_alone(start, end, &Offload::default());
        };
        let is_right = if is_partial {
            packet.has_partial_checksum(octets)
        } else {
            packet.has_sound_checksum(octets)
        };
        let payload = start + usize::from(packet.payload_offset);
        let may_join = is_right && self.may_join(&packet);
        if may_join && self.joined.join(&packet, octets, payload, end) {
            return;
        }
        self.flush();
        let octets = &self.room[start..end];
        if may_join && self.joined.begin(&packet, octets, payload, end) {
            return;
        }
        // A packet that is wrong goes through as it came: the host drops it, and
        // counts it where a person looks.
        let offload = Offload {
            is_partial,
            checksum_start: if is_partial { packet.transport_offset.into() } else { 0 },
            checksum_offset: if is_partial { packet.transport.checksum_offset() } else { 0 },
            ..Offload::default()
        };
        self.write_alone(start, end, &offload);
    }

    fn may_join(&self, packet: &Packet) -> bool {
        let segmentation = match (packet.transport, packet.version) {
            (Transport::Udp, _) => Segmentation::Udp,
            (Transport::Tcp, Version::V4) => Segmentation::TcpV4,
            (Transport::Tcp, Version::V6) => Segmentation::TcpV6,
        };
        self.shared.device.offloads().takes(segmentation)
            && self.shared.joins.load(Ordering::Relaxed)
    }

    fn write_alone(&self, start: usize, end: usize, offload: &Offload) {
        let header = offload.to_octets();
        let parts = [IoSlice::new(&header), IoSlice::new(&self.room[start..end])];
        self.count_written(self.shared.device.write(&parts).is_ok(), 1);
    }

    /// Gives the joined packets to the host.
    fn flush(&mut self) {
        let Some(mut run) = self.joined.run.take() else { return };
        let count = u64::from(run.packets());
        let (offload, headers) = run.finish();
        let header: [u8; OFFLOAD_OCTETS] = offload.to_octets();
        let mut parts = [IoSlice::new(&[]); PARTS_MAX];
        parts[0] = IoSlice::new(&header);
        parts[1] = IoSlice::new(headers);
        for (part, (start, end)) in parts[2..].iter_mut().zip(&self.joined.payloads) {
            *part = IoSlice::new(&self.room[*start..*end]);
        }
        let used = 2 + self.joined.payloads.len();
        let outcome = self.shared.device.write(&parts[..used]);
        let is_refused =
            matches!(&outcome, Err(error) if error.raw_os_error() == Some(libc::EINVAL));
        if is_refused && count > 1 {
            self.shared.joins.store(false, Ordering::Relaxed);
            self.shared.notice("the host takes no joined packets here; writing one by one");
        }
        self.count_written(outcome.is_ok(), count);
        self.joined.payloads.clear();
    }

    fn count_written(&self, is_written: bool, packets: u64) {
        if is_written {
            self.shared.counts.written_packets.add(1);
        } else {
            self.shared.counts.lost_tun_write.add(packets);
        }
    }
}

/// Packets that are being joined: their payloads stay in the room.
#[derive(Default)]
struct Joined {
    run: Option<Run>,
    payloads: Vec<(usize, usize)>,
}

impl Joined {
    fn join(&mut self, packet: &Packet, octets: &[u8], payload: usize, end: usize) -> bool {
        let is_joined = self.run.as_mut().is_some_and(|run| run.join(packet, octets));
        if is_joined {
            self.payloads.push((payload, end));
        }
        is_joined
    }

    fn begin(&mut self, packet: &Packet, octets: &[u8], payload: usize, end: usize) -> bool {
        self.run = Run::begin(packet, octets);
        self.payloads.clear();
        self.payloads.push((payload, end));
        self.run.is_some()
    }
}
