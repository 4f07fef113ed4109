//! One exchange between a client and an origin, recorded or not.

use std::{io, net::SocketAddr, sync::Arc, time::Instant};

use farend_cassette::payload::How;
use farend_http::{
    AnswerHead, Origin, RequestHead, Version,
    framing::{self, Framing},
    parse_answer,
};

use crate::{
    body::Body,
    buffer::Buffer,
    client::{Client, Context, OriginSocket, Phase, WAITING_OCTETS_MAX},
    counters::Outcome,
    message::{self, Place, answer, hop_fields, is_websocket},
    outward::Reached,
    recording::{Begin, Recording},
    relay::Relay,
};

/// A longer request is not sent a second time if a kept connection turns out closed.
const RETRY_OCTETS_MAX: usize = 64 << 10;

#[expect(clippy::struct_excessive_bools, reason = "both sides are kept or not, new or not")]
pub(crate) struct Forward {
    origin: Origin,
    socket: Option<OriginSocket>,
    is_reused: bool,
    method: Vec<u8>,
    version: Version,
    is_kept: bool,
    is_upgrade: bool,
    request: Body,
    /// What is not sent yet.
    waiting: Buffer,
    /// What was sent, as long as it could be sent again.
    sent: Option<Vec<u8>>,
    /// The answer's body, once its head has come.
    answer: Option<Body>,
    is_origin_kept: bool,
    recording: Option<Recording>,
    /// When something moved last.
    moved_at: Instant,
    /// When the connection is looked at again.
    wakes_at: Option<Instant>,
}

impl Forward {
    /// `raw` is what was read of the body before.
    pub(crate) fn new(
        head: &RequestHead<'_>,
        place: Place,
        framing: Framing,
        raw: &[u8],
        client: &Client,
        context: &Context<'_>,
    ) -> Box<Self> {
        let settings = context.settings;
        let tape = context.tape.filter(|tape| settings.mode.records() && !tape.has_ended());
        let mut recording = tape.map(|tape| {
            let stored = message::stored_request(head, &place, settings);
            let begin = Begin {
                connection: client.number,
                origin: place.origin.clone(),
                version: head.version,
                head: stored.head,
                is_redacted: stored.is_redacted,
                original: message::original(head, &place),
                redacts: settings.redacts,
            };
            Recording::new(Arc::clone(tape), begin)
        });
        let mut waiting = Buffer::default();
        waiting.push(&message::onward_request(head, &place, framing, recording.is_some()));
        waiting.push(raw);
        let mut request = Body::new(framing);
        // It was read whole before, so it is sound.
        let _taken = request.take(raw, &mut |content| {
            if let Some(recording) = &mut recording {
                recording.request_content(content);
            }
        });
        if let Some(recording) = recording.as_mut().filter(|_| request.has_ended()) {
            recording.request_done();
        }
        let sent = Some(waiting.as_slice().to_vec()).filter(|sent| sent.len() <= RETRY_OCTETS_MAX);
        Box::new(Self {
            origin: place.origin,
            socket: None,
            is_reused: false,
            method: head.method.to_vec(),
            version: head.version,
            is_kept: framing::is_kept(head.version, &head.fields),
            is_upgrade: is_websocket(head),
            request,
            waiting,
            sent,
            answer: None,
            is_origin_kept: false,
            recording,
            moved_at: Instant::now(),
            wakes_at: None,
        })
    }

    pub(crate) fn origin_socket(&mut self) -> Option<&mut OriginSocket> {
        self.socket.as_mut()
    }

    /// Gets a connection to the origin.
    pub(crate) fn reach(
        mut self: Box<Self>,
        client: &mut Client,
        is_fresh: bool,
        context: &mut Context<'_>,
    ) {
        // What may have an effect twice is not risked on a connection that may be closed.
        let is_safe =
            matches!(&self.method[..], b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE");
        let is_fresh = is_fresh || !is_safe;
        let ticket = context.ticket;
        let Some(outward) = &mut context.outward else {
            return client.refuse(502, "this proxy opens no connection", Outcome::Missed, context);
        };
        let reached = outward.reach(&self.origin, is_fresh, ticket);
        self.is_reused = false;
        self.reached(client, reached, context);
    }

    /// The origin's name was looked up.
    pub(crate) fn resolved(
        self: Box<Self>,
        client: &mut Client,
        found: io::Result<SocketAddr>,
        context: &mut Context<'_>,
    ) {
        let reached = match (&mut context.outward, found) {
            (Some(outward), Ok(address)) => outward.resolved(&self.origin, address),
            (_, Err(error)) => Err(error),
            (None, _) => Err(io::ErrorKind::Unsupported.into()),
        };
        self.reached(client, reached, context);
    }

    fn reached(
        mut self: Box<Self>,
        client: &mut Client,
        reached: io::Result<Reached>,
        context: &mut Context<'_>,
    ) {
        let opened = reached.and_then(|reached| match reached {
            Reached::Socket { socket, is_reused } => {
                self.is_reused = is_reused;
                OriginSocket::new(socket, is_reused, context).map(Some)
            }
            Reached::Later => Ok(None),
        });
        match opened {
            Ok(socket) => {
                self.socket = socket;
                client.phase = Phase::Forward(self);
            }
            Err(error) => self.failed(client, &error.to_string(), context),
        }
    }

    pub(crate) fn step(
        mut self: Box<Self>,
        client: &mut Client,
        context: &mut Context<'_>,
    ) -> bool {
        let mut has_moved = match self.send(client) {
            Ok(has_moved) => has_moved,
            Err(why) => {
                client.refuse(400, why, Outcome::RefusedRequest, context);
                return true;
            }
        };
        if self.is_late(client, context) {
            return true;
        }
        let Some(socket) = &mut self.socket else {
            client.phase = Phase::Forward(self);
            return has_moved;
        };
        let has_room = client.output.len() < WAITING_OCTETS_MAX;
        let moved = socket
            .write(&mut self.waiting)
            .and_then(|wrote| Ok(wrote | (has_room && socket.read()?)));
        match moved {
            Ok(moved) => has_moved |= moved,
            Err(error) => return self.broken(client, &error, context),
        }
        if has_moved {
            self.moved_at = Instant::now();
        }
        if self.answer.is_none() {
            return self.head(client, has_moved, context);
        }
        self.body(client, has_moved, context)
    }

    /// Ends an exchange whose origin says nothing any more; else has it looked at in time.
    fn is_late(&mut self, client: &mut Client, context: &mut Context<'_>) -> bool {
        let now = Instant::now();
        if self.wakes_at.is_some_and(|wakes_at| now < wakes_at) {
            return false;
        }
        let timeout = context.settings.origin_timeout;
        // A client that reads slowly is not the origin's fault.
        let is_late = now >= self.moved_at + timeout && client.output.is_empty();
        if !is_late {
            let due = (self.moved_at + timeout).max(now + timeout / 4);
            (self.wakes_at, context.wake_at) = (Some(due), Some(due));
            return false;
        }
        self.end(How::TIMEOUT);
        if self.answer.is_some() {
            context.counters.count(Outcome::OriginFailed);
            client.lost();
        } else {
            let why = format!("{} said nothing for {} s", self.origin, timeout.as_secs());
            client.refuse(504, &why, Outcome::OriginFailed, context);
        }
        true
    }

    /// Takes what the client sends of the body.
    fn send(&mut self, client: &mut Client) -> Result<bool, &'static str> {
        if self.request.has_ended() || self.waiting.len() > WAITING_OCTETS_MAX {
            return Ok(false);
        }
        let (octets, recording) = (client.input.as_slice(), &mut self.recording);
        let taken = self.request.take(octets, &mut |content| {
            if let Some(recording) = recording {
                recording.request_content(content);
            }
        });
        let taken = taken.map_err(|_| "the request's chunks are broken")?;
        self.waiting.push(&octets[..taken]);
        if let Some(sent) = &mut self.sent {
            sent.extend_from_slice(&octets[..taken]);
        }
        if self.sent.as_ref().is_some_and(|sent| sent.len() > RETRY_OCTETS_MAX) {
            self.sent = None;
        }
        client.input.consume(taken);
        if self.request.has_ended()
            && let Some(recording) = &mut self.recording
        {
            recording.request_done();
        }
        if taken == 0 && client.has_ended {
            client.lost();
        }
        Ok(taken > 0)
    }

    fn head(
        mut self: Box<Self>,
        client: &mut Client,
        has_moved: bool,
        context: &mut Context<'_>,
    ) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let octets = socket.input.as_slice();
        let head = match parse_answer(octets) {
            Ok(Some(head)) => head,
            Ok(None) if socket.has_ended => {
                let error =
                    io::Error::new(io::ErrorKind::UnexpectedEof, "it closed without answer");
                return self.broken(client, &error, context);
            }
            Ok(None) => {
                client.phase = Phase::Forward(self);
                return has_moved;
            }
            Err(error) => {
                let why = format!("the origin's answer is refused: {error}");
                client.refuse(502, &why, Outcome::OriginRefused, context);
                return true;
            }
        };
        self.sent = None;
        if head.status < 200 && head.status != 101 {
            let octets = head.octets;
            client.output.push(&socket.input.as_slice()[..octets]);
            socket.input.consume(octets);
            client.phase = Phase::Forward(self);
            return true;
        }
        let framing = match framing::of_answer(&head, &self.method) {
            Ok(Framing::Chunked) if self.version == Version::Http10 => {
                let why = "the origin answers HTTP/1.0 with chunks";
                client.refuse(502, why, Outcome::OriginRefused, context);
                return true;
            }
            Ok(framing) => framing,
            Err(error) => {
                let why = format!("the origin's answer is refused: it {error}");
                client.refuse(502, &why, Outcome::OriginRefused, context);
                return true;
            }
        };
        if framing == Framing::Tunnel {
            return self.upgrade(client, context);
        }
        let (shown, is_kept) = Self::shown(&head, framing, self.version, self.is_kept);
        client.output.push(&shown);
        if let Some(recording) = &mut self.recording {
            let redacts = context.settings.redacts;
            let mut stored = answer(head.line, &head.fields, redacts);
            stored.extend_from_slice(b"\r\n");
            recording.answer_head(head.status, stored, framing == Framing::Chunked);
        }
        self.is_kept = is_kept;
        self.is_origin_kept =
            framing::is_kept(head.version, &head.fields) && framing != Framing::UntilClose;
        let octets = head.octets;
        self.answer = Some(Body::new(framing));
        socket.input.consume(octets);
        self.body(client, true, context)
    }

    /// The head as the client sees it, and whether its connection is kept.
    fn shown(
        head: &AnswerHead<'_>,
        framing: Framing,
        version: Version,
        is_kept: bool,
    ) -> (Vec<u8>, bool) {
        let mut shown = answer(head.line, &head.fields, false);
        let is_kept = is_kept && framing != Framing::UntilClose;
        let is_chunked = framing == Framing::Chunked;
        shown.extend_from_slice(hop_fields(is_chunked, version, is_kept));
        (shown, is_kept)
    }

    fn body(
        mut self: Box<Self>,
        client: &mut Client,
        has_moved: bool,
        context: &mut Context<'_>,
    ) -> bool {
        let (Some(socket), Some(body)) = (&mut self.socket, &mut self.answer) else { return false };
        let octets = socket.input.as_slice();
        let Ok(taken) = body.take(octets, &mut |_| {}) else {
            context.counters.count(Outcome::OriginRefused);
            self.end(How::SERVER_LEFT);
            client.lost();
            return true;
        };
        client.output.push(&octets[..taken]);
        if let Some(recording) = &mut self.recording {
            recording.answer_octets(&octets[..taken]);
        }
        socket.input.consume(taken);
        let is_closed = socket.has_ended && socket.input.is_empty();
        let is_until_close = matches!(body, Body::UntilClose);
        if body.has_ended() || is_closed && is_until_close {
            self.whole(client, context);
            return true;
        }
        if is_closed {
            context.counters.count(Outcome::OriginFailed);
            self.end(How::SERVER_LEFT);
            // The client sees the same: an answer that breaks off.
            client.is_closing = true;
            return true;
        }
        if client.is_dead {
            self.end(How::CLIENT_LEFT);
            return false;
        }
        client.phase = Phase::Forward(self);
        has_moved || taken > 0
    }

    fn whole(mut self: Box<Self>, client: &mut Client, context: &mut Context<'_>) {
        context.counters.count(Outcome::Forwarded);
        if self.recording.is_some() {
            context.counters.count(Outcome::Recorded);
        }
        self.end(How::COMPLETE);
        let is_request_whole = self.request.has_ended() && self.waiting.is_empty();
        if let Some(socket) = self.socket.take()
            && self.is_origin_kept
            && is_request_whole
            && socket.input.is_empty()
            && !socket.has_ended
            && let Some(outward) = &mut context.outward
        {
            outward.give_back(&self.origin, socket.socket, context.registry);
        }
        // The rest of a request that was answered early would be taken for the next one.
        client.answered(self.is_kept && is_request_whole);
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

    fn broken(
        mut self: Box<Self>,
        client: &mut Client,
        error: &io::Error,
        context: &mut Context<'_>,
    ) -> bool {
        if self.answer.is_some() {
            context.counters.count(Outcome::OriginFailed);
            self.end(How::RESET);
            client.lost();
        } else if let Some(sent) = self.sent.take().filter(|_| self.is_reused) {
            // A kept connection that the origin closed meanwhile.
            self.waiting.clear();
            self.waiting.push(&sent);
            self.sent = Some(sent);
            self.socket = None;
            self.reach(client, true, context);
        } else {
            self.failed(client, &error.to_string(), context);
        }
        true
    }

    fn failed(self: Box<Self>, client: &mut Client, why: &str, context: &mut Context<'_>) {
        let why = format!("{} cannot be reached: {why}", self.origin);
        client.refuse(502, &why, Outcome::OriginFailed, context);
    }

    /// The origin agreed to a WebSocket.
    fn upgrade(mut self: Box<Self>, client: &mut Client, context: &mut Context<'_>) -> bool {
        let Some(mut socket) = self.socket.take() else { return false };
        let octets = socket.input.as_slice();
        let Ok(Some(head)) = parse_answer(octets) else { return false };
        if !self.is_upgrade {
            client.refuse(502, "the origin upgrades unasked", Outcome::OriginRefused, context);
            return true;
        }
        let mut shown = answer(head.line, &head.fields, false);
        shown.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        client.output.push(&shown);
        if let Some(recording) = &mut self.recording {
            let mut stored = answer(head.line, &head.fields, context.settings.redacts);
            stored.extend_from_slice(b"\r\n");
            recording.answer_head(head.status, stored, false);
            recording.begin_frames();
            context.counters.count(Outcome::RecordedWebSocket);
        }
        context.counters.count(Outcome::Forwarded);
        let octets = head.octets;
        socket.input.consume(octets);
        client.phase = Phase::Relay(Box::new(Relay::new(socket, self.recording.take())));
        true
    }
}
