//! Answers from exchanges in pieces, at once or at the recorded times.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use farend_cassette::{
    FLAG_CHUNK, FLAG_SERVER, Kind, Stream,
    file::CassetteFile,
    payload::{How, parse_end},
};
use farend_http::Version;

use crate::{
    client::{Client, Context, Phase, WAITING_OCTETS_MAX},
    counters::Outcome,
    message::hop_fields,
    settings::Pace,
};

pub(crate) struct Play {
    stream: Stream<Arc<CassetteFile>>,
    version: Version,
    is_kept: bool,
    is_head: bool,
    pace: Pace,
    started: Instant,
    /// The time of the first record.
    base_ns: Option<u64>,
    is_chunked: bool,
    /// What is due later.
    next: Option<(Instant, Part)>,
}

enum Part {
    Head { head: Vec<u8>, is_chunked: bool },
    Piece(Vec<u8>),
    End { how: How, trailers: Vec<u8> },
}

impl Play {
    pub(crate) fn new(
        stream: Stream<Arc<CassetteFile>>,
        version: Version,
        is_kept: bool,
        is_head: bool,
        pace: Pace,
    ) -> Self {
        let started = Instant::now();
        let (base_ns, is_chunked, next) = (None, false, None);
        Self { stream, version, is_kept, is_head, pace, started, base_ns, is_chunked, next }
    }

    pub(crate) fn step(
        mut self: Box<Self>,
        client: &mut Client,
        context: &mut Context<'_>,
    ) -> bool {
        let before = client.output.len();
        while client.output.len() < WAITING_OCTETS_MAX {
            let next = match self.next.take() {
                Some(next) => Ok(Some(next)),
                None => self.read(),
            };
            let Ok(Some((due, part))) = next else {
                // No end, or damage: the client must not believe that this was all.
                context.counters.count(Outcome::Damaged);
                client.lost();
                return false;
            };
            if Instant::now() < due {
                context.wake_at = Some(due);
                self.next = Some((due, part));
                break;
            }
            if let Part::End { how, trailers } = part {
                self.end(how, &trailers, client);
                return true;
            }
            self.put(part, client);
        }
        client.phase = Phase::Play(self);
        client.output.len() > before
    }

    fn read(&mut self) -> Result<Option<(Instant, Part)>, ()> {
        loop {
            let Some(record) = self.stream.next().map_err(|_| ())? else { return Ok(None) };
            let (flags, payload) = (record.head.flags, record.payload());
            // The first is the exchange's beginning: the wait for the head counts.
            let base_ns = *self.base_ns.get_or_insert(record.head.time_ns);
            let part = match record.head.kind {
                Kind::ANSWER => {
                    Part::Head { head: payload.to_vec(), is_chunked: flags & FLAG_CHUNK != 0 }
                }
                Kind::PIECE if flags & FLAG_SERVER != 0 => Part::Piece(payload.to_vec()),
                Kind::END => {
                    let (how, trailers) = parse_end(payload).ok_or(())?;
                    Part::End { how, trailers: trailers.to_vec() }
                }
                _ => continue,
            };
            let since = Duration::from_nanos(record.head.time_ns.saturating_sub(base_ns));
            let due = match self.pace {
                Pace::None => self.started,
                Pace::Fixed(delay) => self.started + delay,
                Pace::Recorded(factor) => self.started + since.mul_f64(factor),
            };
            return Ok(Some((due, part)));
        }
    }

    fn put(&mut self, part: Part, client: &mut Client) {
        match part {
            Part::Head { head, is_chunked } => {
                self.is_chunked = is_chunked && self.version == Version::Http11;
                let has_length = is_chunked || has_length(&head);
                self.is_kept &= has_length && self.is_chunked == is_chunked;
                client.output.push(head.strip_suffix(b"\r\n").unwrap_or(&head));
                client.output.push(hop_fields(self.is_chunked, self.version, self.is_kept));
            }
            Part::Piece(_) if self.is_head => {}
            // As a chunk it would end the answer.
            Part::Piece(octets) if octets.is_empty() => {}
            Part::Piece(octets) if self.is_chunked => {
                client.output.push(format!("{:x}\r\n", octets.len()).as_bytes());
                client.output.push(&octets);
                client.output.push(b"\r\n");
            }
            Part::Piece(octets) => client.output.push(&octets),
            Part::End { .. } => {}
        }
    }

    /// Ends as the recorded answer did.
    fn end(&self, how: How, trailers: &[u8], client: &mut Client) {
        match how {
            How::COMPLETE if self.is_chunked && !self.is_head => {
                client.output.push(b"0\r\n");
                client.output.push(if trailers.is_empty() { b"\r\n" } else { trailers });
                client.answered(self.is_kept);
            }
            How::COMPLETE => client.answered(self.is_kept),
            How::RESET => client.lost(),
            // Breaks off.
            _ => client.is_closing = true,
        }
    }
}

fn has_length(head: &[u8]) -> bool {
    head.split(|octet| *octet == b'\n').any(|line| {
        line.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"content-length:"))
    })
}
