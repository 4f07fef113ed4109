//! A WebSocket answered from a recording, in lockstep: what the server sent behind the
//! client's n-th message goes when the n-th message has come and is equal.

use std::sync::Arc;

use farend_cassette::{
    FLAG_SERVER, Kind, Stream,
    file::CassetteFile,
    payload::{parse_end, parse_frame},
};
use farend_http::{
    json, redact,
    ws::{self, FIN, Header, Opcode},
};
use sha1::{Digest as _, Sha1};

use crate::{
    client::{Client, Context, Phase, WAITING_OCTETS_MAX},
    counters::Outcome,
};

/// A longer message is a miss.
const MESSAGE_OCTETS_MAX: usize = 8 << 20;
/// RFC 6455 7.4.1: a message that the other side's policy does not allow.
const CLOSE_POLICY: u16 = 1008;
/// RFC 6455 7.4.1: frames that are none.
const CLOSE_PROTOCOL: u16 = 1002;

pub(crate) struct Lockstep {
    stream: Stream<Arc<CassetteFile>>,
    key: Vec<u8>,
    /// The message that the client must send next: opcode and payload.
    expected: Option<(u8, Vec<u8>)>,
    /// The client's message, as far as it came.
    message: Option<(u8, Vec<u8>)>,
    /// Messages of the client that were equal.
    messages: u64,
    /// Nothing more was recorded.
    has_ended: bool,
    has_closed: bool,
}

impl Lockstep {
    pub(crate) fn new(stream: Stream<Arc<CassetteFile>>, key: &[u8]) -> Self {
        Self {
            stream,
            key: key.to_vec(),
            expected: None,
            message: None,
            messages: 0,
            has_ended: false,
            has_closed: false,
        }
    }

    pub(crate) fn step(
        mut self: Box<Self>,
        client: &mut Client,
        context: &mut Context<'_>,
    ) -> bool {
        let mut has_moved = false;
        while self.expected.is_none() && !self.has_ended && client.output.len() < WAITING_OCTETS_MAX
        {
            has_moved = true;
            if self.play(client).is_err() {
                context.counters.count(Outcome::Damaged);
                client.lost();
                return false;
            }
        }
        let taken = match self.take(client, context) {
            Ok(taken) => taken,
            Err(Close(code, why)) => {
                context.counters.count(Outcome::MissedFrame);
                crate::say::line(&format!("WebSocket: {why}"));
                Self::close(client, code, &why);
                return true;
            }
        };
        if self.has_closed || self.has_ended && self.expected.is_none() && client.has_ended {
            client.is_closing = true;
            return true;
        }
        if client.has_ended && taken == 0 {
            client.lost();
            return false;
        }
        client.phase = Phase::Lockstep(self);
        has_moved || taken > 0
    }

    /// Sends what the server sent, up to the client's next message.
    fn play(&mut self, client: &mut Client) -> Result<(), ()> {
        let Some(record) = self.stream.next().map_err(|_| ())? else {
            // Without its end: answered as far as it goes.
            self.has_ended = true;
            return Ok(());
        };
        match record.head.kind {
            Kind::ANSWER => {
                let head = with_accept(record.payload(), &self.key);
                client.output.push(&head);
            }
            Kind::FRAME => {
                let (first, payload) = parse_frame(record.payload()).ok_or(())?;
                let opcode = Opcode(first & 15);
                if record.head.flags & FLAG_SERVER != 0 {
                    // A pong answers a ping that this client may not send.
                    if opcode != Opcode::PONG {
                        ws::write(first, payload, client.output.tail());
                    }
                } else if opcode == Opcode::CLOSE || !opcode.is_control() {
                    let payload = payload.to_vec();
                    self.expect(first, payload);
                }
            }
            Kind::END => {
                self.has_ended = true;
                let _how = parse_end(record.payload()).ok_or(())?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Joins recorded fragments: the client may cut its message in another way.
    fn expect(&mut self, first: u8, payload: Vec<u8>) {
        let mut message = (first & 15, payload);
        let mut is_final = first & FIN != 0;
        while !is_final && message.1.len() <= MESSAGE_OCTETS_MAX {
            let Ok(Some(record)) = self.stream.next() else { break };
            let is_from_client = record.head.flags & FLAG_SERVER == 0;
            let Some((first, payload)) = parse_frame(record.payload()) else { break };
            let is_more = Opcode(first & 15) == Opcode::CONTINUATION;
            if record.head.kind == Kind::FRAME && is_from_client && is_more {
                message.1.extend_from_slice(payload);
                is_final = first & FIN != 0;
            }
        }
        self.expected = Some(message);
    }

    /// Takes frames of the client; says how many octets.
    fn take(&mut self, client: &mut Client, context: &Context<'_>) -> Result<usize, Close> {
        let mut taken = 0;
        loop {
            let header = Header::parse(client.input.as_slice(), true, 0)
                .map_err(|error| Close(CLOSE_PROTOCOL, error.name().to_owned()))?;
            let Some(header) = header else { return Ok(taken) };
            let length = usize::try_from(header.payload_octets).unwrap_or(usize::MAX);
            if length > MESSAGE_OCTETS_MAX {
                return Err(Close(CLOSE_POLICY, "the message is over 8 MiB".into()));
            }
            let end = header.header_octets + length;
            let Some(payload) = client.input.as_slice().get(header.header_octets..end) else {
                return Ok(taken);
            };
            // Before an answer is due, further messages wait.
            let is_early = self.expected.is_none() && !self.has_ended;
            if is_early && !matches!(header.opcode(), Opcode::PING | Opcode::PONG) {
                return Ok(taken);
            }
            let mut payload = payload.to_vec();
            ws::mask(&mut payload, header.mask.unwrap_or_default(), 0);
            client.input.consume(end);
            taken += end;
            self.frame(&header, payload, client, context)?;
            if self.has_closed {
                return Ok(taken);
            }
        }
    }

    fn frame(
        &mut self,
        header: &Header,
        payload: Vec<u8>,
        client: &mut Client,
        context: &Context<'_>,
    ) -> Result<(), Close> {
        match header.opcode() {
            Opcode::PING => {
                ws::write(FIN | Opcode::PONG.0, &payload, client.output.tail());
                return Ok(());
            }
            Opcode::PONG => return Ok(()),
            Opcode::CLOSE => {
                self.closed(&payload, client);
                return Ok(());
            }
            Opcode::CONTINUATION => {
                let Some(message) = &mut self.message else {
                    return Err(Close(CLOSE_PROTOCOL, "a fragment continues nothing".into()));
                };
                message.1.extend_from_slice(&payload);
            }
            opcode => self.message = Some((opcode.0, payload)),
        }
        if self.message.as_ref().is_some_and(|message| message.1.len() > MESSAGE_OCTETS_MAX) {
            return Err(Close(CLOSE_POLICY, "the message is over 8 MiB".into()));
        }
        if !header.is_final() {
            return Ok(());
        }
        let number = self.messages + 1;
        let (Some((opcode, asked)), Some((wanted, recorded))) =
            (self.message.take(), self.expected.take())
        else {
            return Err(Close(CLOSE_POLICY, format!("message {number} was not recorded")));
        };
        if opcode != wanted || !is_equal(&recorded, &asked, context) {
            let (recorded, asked) = (shown(&recorded), shown(&asked));
            let why = format!("message {number}: recorded {recorded}, asked {asked}");
            return Err(Close(CLOSE_POLICY, why));
        }
        self.messages = number;
        Ok(())
    }

    /// The client closes: as recorded, or earlier.
    fn closed(&mut self, payload: &[u8], client: &mut Client) {
        match self.expected.take() {
            // What the server sent behind it, its own closing frame, follows.
            Some((8, _)) => {
                while !self.has_ended {
                    if self.play(client).is_err() {
                        break;
                    }
                }
            }
            _ => ws::write(FIN | Opcode::CLOSE.0, payload, client.output.tail()),
        }
        self.has_closed = true;
    }

    fn close(client: &mut Client, code: u16, why: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        // A closing frame has 125 octets at most, RFC 6455 5.5.
        let end = (0..=why.len().min(120)).rev().find(|end| why.is_char_boundary(*end));
        payload.extend_from_slice(&why.as_bytes()[..end.unwrap_or(0)]);
        ws::write(FIN | Opcode::CLOSE.0, &payload, client.output.tail());
        client.is_closing = true;
    }
}

/// Why a WebSocket is closed, with the code.
struct Close(u16, String);

fn is_equal(recorded: &[u8], asked: &[u8], context: &Context<'_>) -> bool {
    if recorded == asked {
        return true;
    }
    let clean = if context.settings.redacts { redact::body(b"", asked) } else { None };
    let asked = clean.as_deref().unwrap_or(asked);
    let ignored = &context.settings.rules.ignored_json;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    recorded == asked
        || json::canonical(recorded, ignored, &mut one).is_some()
            && json::canonical(asked, ignored, &mut other).is_some()
            && one == other
}

fn shown(octets: &[u8]) -> String {
    String::from_utf8_lossy(&octets[..octets.len().min(40)]).into_owned()
}

/// The recorded head with the answer to this client's key.
fn with_accept(head: &[u8], key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + 128);
    for line in head.split_inclusive(|octet| *octet == b'\n') {
        let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(b"sec-websocket-accept") {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(accept(key).as_bytes());
            out.extend_from_slice(b"\r\n");
        } else if line != b"\r\n" {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    out
}

/// RFC 6455 4.2.2.
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&hash.finalize())
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let part = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let is_there = place <= three.len();
            let digit = usize::try_from(digit).unwrap_or(0);
            text.push(if is_there { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_that_of_the_rfc() {
        // RFC 6455 1.3.
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
