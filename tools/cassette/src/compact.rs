//! Writing a cassette anew: without damage and old indexes, equal bodies once.

use std::{collections::HashMap, io};

use crate::{
    AppendError, Cassette, FLAG_BODY_ELSEWHERE, ReadError, Sink, Source, Writer,
    build::{NewExchange, NewRecord},
    payload::{BodyPlace, Exchange},
    record::{Kind, Record},
    walk::Step,
};

/// Shorter bodies are not worth a reference of 40 octets and a record.
const SHARED_OCTETS_MIN: usize = 256;

/// So many octets are collected before they are written.
const FLUSH_OCTETS: usize = 1 << 20;

type Digest = [u8; 32];

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Exchanges that were taken over.
    pub exchanges: u64,
    /// Bodies that are written once and stood there several times.
    pub bodies_joined: u64,
    /// Damaged places that were left out.
    pub damage: u64,
    /// Records of kinds that this program does not know, left out.
    pub unknown: u64,
}

/// Copies all that is whole into a new cassette, which is left open.
///
/// # Errors
///
/// [`AppendError`], also for what cannot be read.
pub fn compact<S: Source, T: Sink>(
    from: &Cassette<S>,
    to: &mut Writer<T>,
) -> Result<Compacted, AppendError> {
    let mut work = Work { from, to, seen: count_bodies(from)?, done: Compacted::default() };
    let mut walk = from.walk()?;
    loop {
        match walk.step()? {
            Step::Record(record) => work.take(&record)?,
            Step::Damage(_) => work.done.damage += 1,
            Step::End(_) => break,
        }
        if work.to.waiting_octets() > FLUSH_OCTETS {
            work.to.flush()?;
        }
    }
    work.to.flush()?;
    Ok(work.done)
}

/// How often a body stands there, and where it was written.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    times: u32,
    place: Option<u64>,
}

fn count_bodies<S: Source>(from: &Cassette<S>) -> io::Result<HashMap<Digest, Seen>> {
    let mut seen: HashMap<Digest, Seen> = HashMap::new();
    let mut walk = from.walk()?;
    loop {
        match walk.step()? {
            Step::Record(record) => {
                if let Some(digest) = digest_of(&record) {
                    seen.entry(digest).or_default().times += 1;
                }
            }
            Step::Damage(_) => {}
            Step::End(_) => return Ok(seen),
        }
    }
}

/// The digest of an exchange's answer body, if it is one that could be shared.
fn digest_of(record: &Record<'_>) -> Option<Digest> {
    let content = Exchange::parse(record.payload())?;
    match record.head.kind {
        Kind::EXCHANGE if record.head.flags & FLAG_BODY_ELSEWHERE != 0 => {
            BodyPlace::parse(content.answer_body).map(|place| place.digest)
        }
        Kind::EXCHANGE if content.answer_body.len() >= SHARED_OCTETS_MIN => {
            Some(*blake3::hash(content.answer_body).as_bytes())
        }
        _ => None,
    }
}

struct Work<'a, S, T> {
    from: &'a Cassette<S>,
    to: &'a mut Writer<T>,
    seen: HashMap<Digest, Seen>,
    done: Compacted,
}

impl<S: Source, T: Sink> Work<'_, S, T> {
    fn take(&mut self, record: &Record<'_>) -> Result<(), AppendError> {
        match record.head.kind {
            Kind::EXCHANGE | Kind::OPEN => self.take_exchange(record),
            Kind::SETTINGS | Kind::PIECE | Kind::ANSWER | Kind::FRAME | Kind::END => {
                let head = record.head;
                let new = NewRecord {
                    kind: head.kind,
                    flags: head.flags,
                    connection: head.connection,
                    exchange: head.exchange,
                    time_ns: head.time_ns,
                    payload: [record.payload(), &[]],
                };
                self.to.record(&new).map(drop)
            }
            Kind::BODY | Kind::INDEX | Kind::CLOSE => Ok(()),
            _ => {
                self.done.unknown += 1;
                Ok(())
            }
        }
    }

    fn take_exchange(&mut self, record: &Record<'_>) -> Result<(), AppendError> {
        let head = record.head;
        let Some(content) = Exchange::parse(record.payload()) else {
            self.done.damage += 1;
            return Ok(());
        };
        let mut new = NewExchange {
            flags: head.flags,
            connection: head.connection,
            exchange: head.exchange,
            time_ns: head.time_ns,
            content,
        };
        if head.kind == Kind::OPEN {
            self.done.exchanges += 1;
            return self.to.open(&new);
        }
        let mut octets = Vec::new();
        if head.flags & FLAG_BODY_ELSEWHERE != 0 {
            let place = BodyPlace::parse(content.answer_body);
            let body = place.map(|place| self.from.body(&place, &mut octets));
            match body {
                Some(Ok(body)) => new.content.answer_body = body,
                Some(Err(ReadError::Io(error))) => return Err(error.into()),
                // Its body is damaged, so it has no answer any more.
                Some(Err(_)) | None => {
                    self.done.damage += 1;
                    return Ok(());
                }
            }
            new.flags &= !FLAG_BODY_ELSEWHERE;
        }
        let place =
            self.share(new.content.answer_body, head.time_ns)?.map(|place| place.to_octets());
        if let Some(place) = &place {
            new.flags |= FLAG_BODY_ELSEWHERE;
            new.content.answer_body = place;
        }
        self.done.exchanges += 1;
        self.to.exchange(&new)
    }

    /// Writes a body that several have, once, and says where it is.
    fn share(&mut self, body: &[u8], time_ns: u64) -> Result<Option<BodyPlace>, AppendError> {
        if body.len() < SHARED_OCTETS_MIN {
            return Ok(None);
        }
        let digest = *blake3::hash(body).as_bytes();
        let Some(seen) = self.seen.get_mut(&digest).filter(|seen| seen.times > 1) else {
            return Ok(None);
        };
        let offset = if let Some(offset) = seen.place {
            self.done.bodies_joined += 1;
            offset
        } else {
            let new = NewRecord {
                kind: Kind::BODY,
                flags: 0,
                connection: 0,
                exchange: 0,
                time_ns,
                payload: [&digest, body],
            };
            *seen.place.insert(self.to.record(&new)?)
        };
        Ok(Some(BodyPlace { digest, offset }))
    }
}
