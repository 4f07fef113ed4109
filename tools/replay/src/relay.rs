//! A WebSocket between client and origin: octets pass as they come, frames are recorded.

use farend_cassette::payload::How;
use farend_http::ws::{self, Header};

use crate::{
    buffer::Buffer,
    client::{Client, Context, OriginSocket, Phase, WAITING_OCTETS_MAX},
    recording::Recording,
};

/// A longer frame ends the recording.
const FRAME_OCTETS_MAX: usize = 8 << 20;

pub(crate) struct Relay {
    pub(crate) origin: OriginSocket,
    to_origin: Buffer,
    recording: Option<Recording>,
    from_client: Frames,
    from_origin: Frames,
}

/// Cuts octets into frames without holding them up.
struct Frames {
    is_from_client: bool,
    octets: Vec<u8>,
}

impl Frames {
    /// Shows every whole frame; `None` if what came is none or too long.
    fn add(&mut self, octets: &[u8], show: &mut impl FnMut(u8, &[u8])) -> Option<()> {
        self.octets.extend_from_slice(octets);
        let mut at = 0;
        // Reserved bits are an extension's: the frame passes as it is.
        while let Some(header) =
            Header::parse(&self.octets[at..], self.is_from_client, ws::RESERVED).ok()?
        {
            let payload = usize::try_from(header.payload_octets).ok()?;
            if payload > FRAME_OCTETS_MAX {
                return None;
            }
            let start = at + header.header_octets;
            let Some(frame) = self.octets.get_mut(start..start + payload) else { break };
            if let Some(mask) = header.mask {
                ws::mask(frame, mask, 0);
            }
            show(header.first, frame);
            at = start + payload;
        }
        self.octets.drain(..at);
        Some(())
    }
}

impl Relay {
    pub(crate) fn new(origin: OriginSocket, recording: Option<Recording>) -> Self {
        let frames = |is_from_client| Frames { is_from_client, octets: Vec::new() };
        Self {
            origin,
            to_origin: Buffer::default(),
            recording,
            from_client: frames(true),
            from_origin: frames(false),
        }
    }

    pub(crate) fn step(
        mut self: Box<Self>,
        client: &mut Client,
        _context: &mut Context<'_>,
    ) -> bool {
        let mut has_moved = false;
        if !client.input.is_empty() && self.to_origin.len() < WAITING_OCTETS_MAX {
            self.record(true, client.input.as_slice());
            self.to_origin.push(client.input.as_slice());
            client.input.clear();
            has_moved = true;
        }
        let has_room = client.output.len() < WAITING_OCTETS_MAX;
        let moved = self
            .origin
            .write(&mut self.to_origin)
            .and_then(|wrote| Ok(wrote | (has_room && self.origin.read()?)));
        let Ok(moved) = moved else {
            self.end(How::RESET);
            client.lost();
            return false;
        };
        if !self.origin.input.is_empty() {
            let octets = std::mem::take(&mut self.origin.input);
            self.record(false, octets.as_slice());
            client.output.push(octets.as_slice());
            has_moved = true;
        }
        if self.origin.has_ended {
            self.end(How::COMPLETE);
            client.is_closing = true;
            return true;
        }
        if client.has_ended && self.to_origin.is_empty() {
            self.end(How::CLIENT_LEFT);
            client.is_closing = true;
            return true;
        }
        client.phase = Phase::Relay(self);
        has_moved | moved
    }

    fn record(&mut self, is_from_client: bool, octets: &[u8]) {
        let Some(recording) = &mut self.recording else { return };
        let frames = if is_from_client { &mut self.from_client } else { &mut self.from_origin };
        let added = frames
            .add(octets, &mut |first, payload| recording.frame(!is_from_client, first, payload));
        if added.is_none() {
            self.end(How::LIMIT);
        }
    }

    fn end(&mut self, how: How) {
        if let Some(recording) = self.recording.take() {
            recording.finish(how);
        }
    }

    /// The client is gone.
    pub(crate) fn abandoned(mut self: Box<Self>) {
        self.end(How::CLIENT_LEFT);
    }
}
