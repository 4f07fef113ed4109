//! One exchange on its way into the cassette.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use farend_cassette::{
    FLAG_CHUNK, FLAG_DECODED, FLAG_SERVER, Kind, NewExchange, NewRecord,
    payload::{Exchange, How, Protocol, Scheme},
};
use farend_http::{
    self as http, Origin, Version,
    canonical::{self, Request, Rules},
    chunks::{Chunks, Part},
    parse_request, redact, ws,
};

use crate::{body::dechunked, decode::decoded, message::with_length, tape::Tape};

/// A longer exchange is recorded in pieces.
const WHOLE_OCTETS_MAX: usize = 64 << 10;
/// So is one whose answer pauses so long.
const PAUSE: Duration = Duration::from_millis(10);
/// Longer pieces are divided.
const PIECE_OCTETS_MAX: usize = 1 << 20;
/// With a longer body, nothing is recorded.
pub(crate) const REQUEST_OCTETS_MAX: usize = 8 << 20;

/// What is known when the head of a request is there.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) connection: u32,
    pub(crate) origin: Origin,
    pub(crate) version: Version,
    /// The head as it is stored, and whether something was taken out.
    pub(crate) head: Vec<u8>,
    pub(crate) is_redacted: bool,
    /// The request's own path and fields, for the exact key.
    pub(crate) original: Vec<u8>,
    pub(crate) redacts: bool,
}

pub(crate) struct Recording {
    tape: Arc<Tape>,
    begin: Begin,
    exchange: u64,
    started: Instant,
    request_body: Vec<u8>,
    request_at: Instant,
    keys: [u64; 2],
    status: u16,
    answer_head: Vec<u8>,
    is_chunked: bool,
    answer_body: Vec<u8>,
    first_at: Option<Instant>,
    last_at: Instant,
    pieces: Option<Pieces>,
    /// The time of what is written late.
    written_at: Option<Instant>,
    /// Too long, or the cassette is full.
    is_dropped: bool,
}

/// An exchange that is already partly in the cassette.
#[derive(Default)]
struct Pieces {
    chunks: Chunks,
    /// What the chunk reader has not taken yet.
    raw: Vec<u8>,
    /// The chunk, as far as it came.
    chunk: Vec<u8>,
    is_begun: bool,
}

impl Recording {
    pub(crate) fn new(tape: Arc<Tape>, begin: Begin) -> Self {
        let exchange = tape.lock().next_exchange();
        let now = Instant::now();
        Self {
            is_dropped: tape.has_ended(),
            tape,
            begin,
            exchange,
            started: now,
            request_body: Vec::new(),
            request_at: now,
            keys: [0; 2],
            status: 0,
            answer_head: Vec::new(),
            is_chunked: false,
            answer_body: Vec::new(),
            first_at: None,
            last_at: now,
            pieces: None,
            written_at: None,
        }
    }

    pub(crate) fn request_content(&mut self, octets: &[u8]) {
        if self.request_body.len() + octets.len() > REQUEST_OCTETS_MAX {
            self.is_dropped = true;
            self.request_body = Vec::new();
        }
        if !self.is_dropped {
            self.request_body.extend_from_slice(octets);
        }
    }

    /// The request is whole: keys are made, and what is secret goes.
    pub(crate) fn request_done(&mut self) {
        self.request_at = Instant::now();
        if self.is_dropped {
            return;
        }
        let Ok(Some(head)) = parse_request(&self.begin.original) else { return };
        // Keys in a file are made by one rule set, whatever rules are in force.
        let (origin, rules) = (&self.begin.origin, &Rules::default());
        let (path, fields) = (head.target, head.fields);
        let body = &self.request_body[..];
        let original = Request { method: head.method, origin, path, fields, body };
        let exact = canonical::exact_key(&original, rules);
        let kind = fields.first("content-type").unwrap_or_default();
        let clean = if self.begin.redacts { redact::body(kind, body) } else { None };
        let is_redacted = self.begin.is_redacted || clean.is_some();
        self.keys[0] = if is_redacted { 0 } else { exact };
        if let Some(clean) = clean {
            self.request_body = clean;
        }
        let Ok(Some(head)) = parse_request(&self.begin.head) else { return };
        let mut text = Vec::new();
        let (path, body) = (head.target, &self.request_body[..]);
        let request = Request { method: head.method, origin, path, fields: head.fields, body };
        canonical::write(&request, rules, &mut text);
        self.keys[1] = canonical::key(&text);
    }

    /// The head of the answer, as it is stored, with its empty line.
    pub(crate) fn answer_head(&mut self, status: u16, head: Vec<u8>, is_chunked: bool) {
        let now = Instant::now();
        (self.status, self.answer_head, self.is_chunked) = (status, head, is_chunked);
        (self.first_at, self.last_at) = (Some(now), now);
    }

    /// Octets of the answer as they came, chunked framing included.
    pub(crate) fn answer_octets(&mut self, octets: &[u8]) {
        if self.is_dropped || octets.is_empty() {
            return;
        }
        let now = Instant::now();
        let is_pause = !self.answer_body.is_empty() && now - self.last_at > PAUSE;
        let length = self.answer_body.len() + octets.len() + self.request_body.len();
        if self.pieces.is_none() && (is_pause || length > WHOLE_OCTETS_MAX) {
            self.begin_pieces();
        }
        self.last_at = now;
        if self.pieces.is_some() {
            self.piece(octets);
        } else {
            self.answer_body.extend_from_slice(octets);
        }
    }

    /// The answer has ended, somehow.
    pub(crate) fn finish(mut self, how: How) {
        if self.is_dropped {
            return;
        }
        if self.pieces.is_none() {
            if how == How::COMPLETE {
                return self.whole();
            }
            if self.first_at.is_none() {
                return;
            }
            self.begin_pieces();
        }
        let trailers = self.pieces.take().map(|pieces| pieces.raw).unwrap_or_default();
        self.add(Kind::END, 0, &[how.0], &trailers);
    }

    /// From here on the exchange is a WebSocket.
    pub(crate) fn begin_frames(&mut self) {
        self.open();
        self.pieces = Some(Pieces::default());
    }

    /// A whole frame, unmasked.
    pub(crate) fn frame(&mut self, is_from_server: bool, first: u8, payload: &[u8]) {
        let is_text = first & 15 == ws::Opcode::TEXT.0;
        let redacts = self.begin.redacts && is_text && first & ws::FIN != 0;
        let clean = if redacts { redact::body(b"", payload) } else { None };
        let flags = if is_from_server { FLAG_SERVER } else { 0 };
        self.add(Kind::FRAME, flags, &[first], clean.as_deref().unwrap_or(payload));
    }

    fn content<'a>(&'a self, head: &'a [u8], body: &'a [u8]) -> Exchange<'a> {
        let since = |time: Instant| {
            let since = time.saturating_duration_since(self.started).as_nanos();
            u64::try_from(since).unwrap_or(u64::MAX)
        };
        Exchange {
            exact: self.keys[0],
            canonical: self.keys[1],
            request_head: &self.begin.head,
            request_body: &self.request_body,
            answer_head: head,
            answer_body: body,
            status: self.status,
            protocol: match self.begin.version {
                Version::Http10 => Protocol::HTTP_10,
                Version::Http11 => Protocol::HTTP_11,
            },
            scheme: match self.begin.origin.scheme {
                http::Scheme::Http => Scheme::HTTP,
                http::Scheme::Https => Scheme::HTTPS,
            },
            request_ns: since(self.request_at),
            first_ns: self.first_at.map_or(0, since),
            last_ns: since(self.last_at),
        }
    }

    fn whole(&mut self) {
        let mut flags = if self.is_chunked { FLAG_CHUNK } else { 0 };
        if self.begin.redacts
            && let Some((head, body)) = self.clean_answer()
        {
            flags = FLAG_DECODED;
            (self.answer_head, self.answer_body) = (head, body);
        }
        self.last_at = Instant::now();
        let new = self.new_exchange(flags, self.content(&self.answer_head, &self.answer_body));
        if let Err(error) = self.tape.lock().exchange(&new) {
            self.tape.failed(&error);
        }
    }

    /// Head and body with their secrets taken out, if there are any.
    fn clean_answer(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let raw =
            if self.is_chunked { dechunked(&self.answer_body)? } else { self.answer_body.clone() };
        let head = http::parse_answer(&self.answer_head).ok().flatten()?;
        let coding = head.fields.first("content-encoding");
        let plain = coding.and_then(|coding| decoded(coding, &raw));
        let kind = head.fields.first("content-type").unwrap_or_default();
        let clean = redact::body(kind, plain.as_deref().unwrap_or(&raw))?;
        let also = if plain.is_some() { "content-encoding" } else { "" };
        Some((with_length(&self.answer_head, clean.len(), also), clean))
    }

    fn new_exchange<'a>(&'a self, flags: u8, content: Exchange<'a>) -> NewExchange<'a> {
        NewExchange {
            flags,
            connection: self.begin.connection,
            exchange: self.exchange,
            time_ns: self.tape.at_ns(self.started),
            content,
        }
    }

    fn open(&mut self) {
        let mut content = self.content(&[], &[]);
        content.status = self.status;
        let opened = self.tape.lock().open(&self.new_exchange(0, content));
        if let Err(error) = opened {
            self.tape.failed(&error);
            self.is_dropped = true;
        }
        let head = mem::take(&mut self.answer_head);
        self.add(Kind::ANSWER, if self.is_chunked { FLAG_CHUNK } else { 0 }, &head, &[]);
    }

    /// What came before keeps its times.
    fn begin_pieces(&mut self) {
        self.written_at = self.first_at;
        self.open();
        self.pieces = Some(Pieces::default());
        let before = mem::take(&mut self.answer_body);
        self.written_at = Some(self.last_at);
        if !before.is_empty() {
            self.piece(&before);
        }
        self.written_at = None;
    }

    fn piece(&mut self, octets: &[u8]) {
        if !self.is_chunked {
            for part in octets.chunks(PIECE_OCTETS_MAX) {
                self.add_piece(FLAG_SERVER, part);
            }
            return;
        }
        let Some(mut pieces) = self.pieces.take() else { return };
        pieces.raw.extend_from_slice(octets);
        let mut at = 0;
        while let Ok((part, taken)) = pieces.chunks.next(&pieces.raw[at..]) {
            match part {
                Part::Begins { .. } => pieces.is_begun = true,
                Part::Data(data) => pieces.chunk.extend_from_slice(data),
                // What is left in `raw` then is the trailers.
                Part::Trailers(_) => break,
                Part::Ends | Part::Nothing => {}
            }
            // A chunk that was divided may have ended with its last part.
            let is_whole = part == Part::Ends && !pieces.chunk.is_empty();
            if is_whole || pieces.chunk.len() >= PIECE_OCTETS_MAX {
                let flag = if mem::take(&mut pieces.is_begun) { FLAG_CHUNK } else { 0 };
                self.add_piece(FLAG_SERVER | flag, &mem::take(&mut pieces.chunk));
            }
            at += taken;
            if taken == 0 {
                break;
            }
        }
        pieces.raw.drain(..at);
        self.pieces = Some(pieces);
    }

    fn add_piece(&mut self, flags: u8, octets: &[u8]) {
        let clean = if self.begin.redacts { redact::patterns(octets) } else { None };
        // The same length, so that Content-Length stays true.
        let clean = clean.map(|mut clean| {
            clean.resize(octets.len(), b' ');
            clean
        });
        self.add(Kind::PIECE, flags, clean.as_deref().unwrap_or(octets), &[]);
    }

    fn add(&mut self, kind: Kind, flags: u8, one: &[u8], other: &[u8]) {
        if self.is_dropped {
            return;
        }
        let new = NewRecord {
            kind,
            flags,
            connection: self.begin.connection,
            exchange: self.exchange,
            time_ns: self.tape.at_ns(self.written_at.unwrap_or_else(Instant::now)),
            payload: [one, other],
        };
        if let Err(error) = self.tape.lock().record(&new) {
            self.tape.failed(&error);
            self.is_dropped = true;
        }
    }
}
