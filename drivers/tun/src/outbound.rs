//! From the virtual interface to the socket.

use std::{
    io::IoSlice,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use farend_core::link::{
    header::{HEADER_OCTETS, Header, Kind, TAG_OCTETS},
    offload::{OFFLOAD_OCTETS, Offload, Segmentation},
    packet::Packet,
    segment::{Checksums, HEADERS_OCTETS_MAX, Segmenter, complete_checksum},
};
use farend_driver::worker::{POLL_INTERVAL_MS, Stop};

use crate::{
    device::READ_OCTETS_MAX,
    name::Name,
    seal::Sealing,
    shared::{Shared, unix_ns},
    socket::{TRAIN_FRAMES_MAX, TRAIN_OCTETS_MAX},
    sys::{MESSAGES_MAX, Message},
};

/// Packets that are read in one go, and octets of them.
const READS_MAX: usize = 256;
const ARENA_OCTETS: usize = 1 << 20;
/// Frames that are sent in one go.
const FRAMES_MAX: usize = 512;
/// Room for headers, or for whole frames that are sealed: the arena once more,
/// and headers and tags for all frames.
const ROOM_OCTETS: usize = ARENA_OCTETS + FRAMES_MAX * 256;
/// Parts of messages: the header of a frame and its payload.
const PARTS_MAX: usize = 2 * FRAMES_MAX;

/// A frame that is ready: two pieces, of which the second may be empty.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// In the room.
    start: usize,
    octets: usize,
    /// In the arena.
    payload_start: usize,
    payload_octets: usize,
}

impl Frame {
    const fn whole_octets(&self) -> usize {
        self.octets + self.payload_octets
    }
}

/// The thread's own.
pub(crate) struct Outbound {
    shared: Arc<Shared>,
    arena: Box<[u8]>,
    reads: Vec<(usize, usize)>,
    room: Box<[u8]>,
    used: usize,
    frames: Vec<Frame>,
    sealing: Option<Arc<Sealing>>,
    key_generation: u64,
    to: Option<Name>,
    peer_generation: u64,
    frame_octets_max: usize,
    now_unix_ns: u64,
}

impl Outbound {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            arena: vec![0; ARENA_OCTETS].into_boxed_slice(),
            reads: Vec::with_capacity(READS_MAX),
            room: vec![0; ROOM_OCTETS].into_boxed_slice(),
            used: 0,
            frames: Vec::with_capacity(FRAMES_MAX),
            sealing: None,
            key_generation: u64::MAX,
            to: None,
            peer_generation: u64::MAX,
            frame_octets_max: 0,
            now_unix_ns: 0,
        }
    }

    /// Carries packets until it is asked to stop.
    pub(crate) fn run(&mut self, stop: &Stop) -> Result<(), String> {
        while !stop.is_requested() {
            let waited = self.shared.device.wait(Duration::from_millis(POLL_INTERVAL_MS.into()));
            if !waited.map_err(|error| format!("cannot wait for packets: {error}"))? {
                continue;
            }
            self.read()?;
            self.look_around();
            let sealing = self.sealing.clone();
            let turn = sealing.as_ref().map(|sealing| sealing.turn());
            // Apart from the rest, so that frames can be made while it is read.
            let mut arena = std::mem::take(&mut self.arena);
            for at in 0..self.reads.len() {
                let (start, end) = self.reads[at];
                self.carry(&mut arena, start, end);
            }
            self.send(&arena);
            self.arena = arena;
            drop(turn);
        }
        Ok(())
    }

    /// Reads what waits, as far as there is room.
    fn read(&mut self) -> Result<(), String> {
        self.reads.clear();
        let mut start = 0;
        while self.reads.len() < READS_MAX {
            let Some(room) = self.arena.get_mut(start..start + READ_OCTETS_MAX) else { break };
            match self.shared.device.read(room) {
                Ok(Some(octets)) => {
                    self.reads.push((start, start + octets));
                    // Payloads begin at lines of the cache.
                    start = (start + octets).next_multiple_of(64);
                }
                Ok(None) => break,
                Err(error) => return Err(format!("cannot read packets: {error}")),
            }
        }
        Ok(())
    }

    /// Once a batch: clock, key, peer, path.
    fn look_around(&mut self) {
        self.now_unix_ns = unix_ns();
        let generation = self.shared.keyring.generation();
        if generation != self.key_generation {
            self.key_generation = generation;
            self.sealing.clone_from(&self.shared.keyring.now().sending);
        }
        let generation = self.shared.peer.generation();
        if generation != self.peer_generation {
            self.peer_generation = generation;
            let address = self.shared.peer.address();
            self.to = address.map(|address| self.shared.socket.name_of(address));
        }
        let path = self.shared.path_octets.load(Ordering::Relaxed);
        let outer = self.shared.overhead_octets(0) - HEADER_OCTETS;
        self.frame_octets_max = usize::try_from(path).unwrap_or(0).saturating_sub(outer);
    }

    /// Makes frames of one packet.
    fn carry(&mut self, arena: &mut [u8], start: usize, end: usize) {
        let (Some(sealing), Some(_)) = (self.sealing.clone(), &self.to) else {
            return self.shared.counts.lost_no_key.add(1);
        };
        let offload = arena.get(start..end).and_then(<[u8]>::first_chunk);
        let Some(offload) = offload.and_then(Offload::parse) else {
            return self.shared.counts.lost_unsound.add(1);
        };
        let start = start + OFFLOAD_OCTETS;
        if offload.segmentation == Segmentation::None {
            self.carry_one(arena, &sealing, &offload, (start, end));
        } else {
            self.carry_large(arena, &sealing, &offload, (start, end));
        }
    }

    fn carry_one(
        &mut self,
        arena: &mut [u8],
        sealing: &Sealing,
        offload: &Offload,
        (start, end): (usize, usize),
    ) {
        let Some(packet) = arena.get_mut(start..end) else { return };
        let mut kind = Kind::Data;
        if offload.is_partial {
            let is_told = sealing.is_sealed()
                && Packet::inspect(packet).is_some_and(|inspected| {
                    u16::from(inspected.transport_offset) == offload.checksum_start
                        && inspected.transport.checksum_offset() == offload.checksum_offset
                });
            if is_told {
                kind = Kind::DataPartial;
            } else if !complete_checksum(offload, packet) {
                return self.shared.counts.lost_unsound.add(1);
            }
        }
        self.make_room(arena);
        self.frame(arena, sealing, kind, 0, (start, end));
    }

    fn carry_large(
        &mut self,
        arena: &[u8],
        sealing: &Sealing,
        offload: &Offload,
        (start, end): (usize, usize),
    ) {
        let (checksums, kind) = if sealing.is_sealed() {
            (Checksums::Partial, Kind::DataPartial)
        } else {
            (Checksums::Whole, Kind::Data)
        };
        let Ok(segmenter) = Segmenter::new(offload, arena.get(start..end).unwrap_or(&[])) else {
            return self.shared.counts.lost_unsound.add(1);
        };
        let step = usize::from(offload.segment_octets);
        for at in 0..segmenter.count() {
            self.make_room(arena);
            let headers = self.room.get_mut(self.used + HEADER_OCTETS..).unwrap_or(&mut []);
            let Some(piece) = segmenter.piece(at, checksums, headers) else { return };
            let payload = start + piece.header_octets + at * step;
            let range = (payload, payload + piece.payload.len());
            self.frame(arena, sealing, kind, piece.header_octets, range);
        }
    }

    /// Finishes a frame whose inner headers, if it has any of its own, stand
    /// already in the room behind where the frame's header goes.
    fn frame(
        &mut self,
        arena: &[u8],
        sealing: &Sealing,
        kind: Kind,
        inner_octets: usize,
        (payload_start, payload_end): (usize, usize),
    ) {
        let payload_octets = payload_end - payload_start;
        let size = inner_octets + payload_octets + sealing.tag_octets();
        let whole = HEADER_OCTETS + size;
        let Some(size_octets) = u16::try_from(size).ok().filter(|_| whole <= self.frame_octets_max)
        else {
            return self.shared.counts.lost_oversize.add(1);
        };
        let Some(sequence) = sealing.next_sequence() else {
            return self.shared.counts.lost_no_key.add(1);
        };
        let header = Header {
            sequence,
            kind,
            epoch: sealing.epoch(),
            time_unix_ns: self.now_unix_ns,
            size_octets,
        };
        let start = self.used;
        let octets = if sealing.is_sealed() { whole } else { HEADER_OCTETS + inner_octets };
        let Some(room) = self.room.get_mut(start..start + octets) else { return };
        room[..HEADER_OCTETS].copy_from_slice(&header.to_octets());
        let mut frame = Frame { start, octets, payload_start, payload_octets };
        if sealing.is_sealed() {
            let at = HEADER_OCTETS + inner_octets;
            room[at..at + payload_octets].copy_from_slice(&arena[payload_start..payload_end]);
            if !sealing.seal(sequence, room) {
                return self.shared.counts.lost_unsound.add(1);
            }
            frame.payload_octets = 0;
        }
        self.used += octets;
        self.frames.push(frame);
    }

    /// Sends what is there, if there may be no room for one more frame.
    fn make_room(&mut self, arena: &[u8]) {
        let needed = READ_OCTETS_MAX + HEADERS_OCTETS_MAX + HEADER_OCTETS + TAG_OCTETS;
        if self.frames.len() == FRAMES_MAX || self.used + needed > self.room.len() {
            self.send(arena);
        }
    }

    /// Sends all frames.
    fn send(&mut self, arena: &[u8]) {
        if let Some(to) = self.to {
            let mut next = 0;
            while next < self.frames.len() {
                next += self.send_some(&to, arena, &self.frames[next..]);
            }
        }
        self.frames.clear();
        self.used = 0;
    }

    /// Sends as many of these frames as one call takes; gives how many are done
    /// with.
    fn send_some(&self, to: &Name, arena: &[u8], frames: &[Frame]) -> usize {
        let has_trains = self.shared.socket.has_trains();
        let mut parts = [IoSlice::new(&[]); PARTS_MAX];
        // Of each message: frames and parts.
        let mut counts = [(0_usize, 0_usize); MESSAGES_MAX];
        let (mut taken, mut used, mut messages) = (0, 0, 0);
        while taken < frames.len() && messages < MESSAGES_MAX {
            let count = if has_trains { train(&frames[taken..]) } else { 1 };
            let begin = used;
            for frame in &frames[taken..taken + count] {
                parts[used] = IoSlice::new(&self.room[frame.start..frame.start + frame.octets]);
                used += 1;
                if frame.payload_octets > 0 {
                    let end = frame.payload_start + frame.payload_octets;
                    parts[used] = IoSlice::new(&arena[frame.payload_start..end]);
                    used += 1;
                }
            }
            counts[messages] = (count, used - begin);
            taken += count;
            messages += 1;
        }
        let (mut rest, mut left) = (&parts[..used], frames);
        let mut list = [Message { parts: &[], segment_octets: None }; MESSAGES_MAX];
        for (message, (frames, parts)) in list.iter_mut().zip(&counts[..messages]) {
            let (mine, others) = rest.split_at(*parts);
            let octets = left.first().map_or(0, Frame::whole_octets);
            let segment_octets = if *frames > 1 { u16::try_from(octets).ok() } else { None };
            *message = Message { parts: mine, segment_octets };
            (rest, left) = (others, &left[*frames..]);
        }
        match self.shared.socket.send(to, &list[..messages]) {
            Ok(sent) => {
                let done: usize = counts[..sent].iter().map(|(frames, _)| frames).sum();
                self.count_sent(&frames[..done], sent);
                done
            }
            Err(error) => {
                let is_train = list[0].segment_octets.is_some();
                self.refused(&error, &frames[..counts[0].0], is_train)
            }
        }
    }

    fn count_sent(&self, frames: &[Frame], messages: usize) {
        let octets: usize = frames.iter().map(Frame::whole_octets).sum();
        let counts = &self.shared.counts;
        counts.sent_frames.add(frames.len() as u64);
        counts.sent_octets.add(octets as u64);
        counts.sent_messages.add(messages as u64);
    }

    /// What to do when the host refuses the first message; gives how many
    /// frames are given up.
    fn refused(&self, error: &std::io::Error, frames: &[Frame], is_train: bool) -> usize {
        let code = error.raw_os_error();
        if matches!(code, Some(libc::EINTR)) {
            return 0;
        }
        // EIO: the interface has no checksum offload for what is cut late.
        if is_train && matches!(code, Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP)) {
            self.shared.socket.give_up_trains();
            self.shared.notice(format!(
                "the host sends no trains of datagrams here ({error}); sending one by one"
            ));
            return 0;
        }
        let counts = &self.shared.counts;
        if code == Some(libc::EMSGSIZE) {
            let frame = frames.first().map_or(0, Frame::whole_octets);
            let outer = frame + self.shared.overhead_octets(0) - HEADER_OCTETS;
            self.shared.refused_octets.store(outer as u64, Ordering::Relaxed);
            counts.lost_oversize.add(frames.len() as u64);
        } else {
            counts.lost_socket_send.add(frames.len() as u64);
        }
        frames.len()
    }
}

/// How many of the first frames fit into one message: all of one size, but the
/// last may be shorter.
fn train(frames: &[Frame]) -> usize {
    let Some(size) = frames.first().map(Frame::whole_octets) else { return 0 };
    let (mut count, mut octets) = (0, 0);
    for frame in frames.iter().take(TRAIN_FRAMES_MAX) {
        let mine = frame.whole_octets();
        octets += mine;
        if mine > size || octets > TRAIN_OCTETS_MAX {
            break;
        }
        count += 1;
        if mine < size {
            break;
        }
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(octets: &[usize]) -> Vec<Frame> {
        octets.iter().map(|octets| Frame { octets: *octets, ..Frame::default() }).collect()
    }

    #[test]
    fn train_is_of_one_size_but_for_its_end() {
        assert_eq!(train(&frames(&[100, 100, 60, 60])), 3);
        assert_eq!(train(&frames(&[100, 101])), 1);
        assert_eq!(train(&frames(&[60, 100])), 1);
        assert_eq!(train(&frames(&[])), 0);
    }

    #[test]
    fn train_is_no_longer_than_a_datagram_may_be() {
        assert_eq!(train(&frames(&[1_472; 100])), 44);
        assert_eq!(train(&frames(&[100; 100])), TRAIN_FRAMES_MAX);
        assert_eq!(train(&frames(&[70_000])), 1);
    }
}
