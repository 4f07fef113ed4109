//! A cassette, for readers.

use std::{collections::BTreeSet, io};

use crate::{
    FileHead, HEAD_OCTETS, OpenError, ReadError, Source, Stream,
    chain::Chain,
    payload::{BodyPlace, Close, Exchange, parse_body},
    record::{HEADER_OCTETS, Kind, Record, RecordHead},
    recovery::{Damage, Tail, Trust, recover},
    walk::{Step, Walk},
};

/// Octets of the record that ends a file which was closed well.
const CLOSE_OCTETS: usize = 48;

/// Octets that are read of a record before its length is known.
const READ_AHEAD_OCTETS: usize = 4_096;

/// An opened cassette.
#[derive(Debug)]
pub struct Cassette<S> {
    pub(crate) source: S,
    pub(crate) head: FileHead,
    pub(crate) chain: Chain,
    pub(crate) end: u64,
    pub(crate) exchanges: u64,
    pub(crate) tail: Tail,
    pub(crate) is_closed: bool,
    damage: Vec<Damage>,
    unfinished: BTreeSet<u64>,
}

impl<S: Source> Cassette<S> {
    /// Opens a cassette: in constant time if it was closed well, else by a walk over all
    /// records.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Damage behind the head is no error: see [`damage`](Self::damage).
    pub fn open(source: S) -> Result<Self, OpenError> {
        let head = read_head(&source)?;
        if let Some(close) = read_close(&source, &head)? {
            let end = source.octets()?;
            return Ok(Self {
                head,
                chain: Chain::of(close.last_index),
                end,
                exchanges: close.exchanges,
                tail: Tail::Clean,
                is_closed: true,
                damage: Vec::new(),
                unfinished: BTreeSet::new(),
                source,
            });
        }
        Ok(Self::walked(source, head, Trust::Indexes)?)
    }

    /// Opens a cassette by a walk over all records and believes no index.
    ///
    /// # Errors
    ///
    /// Like [`open`](Self::open).
    pub fn open_by_walk(source: S) -> Result<Self, OpenError> {
        let head = read_head(&source)?;
        Ok(Self::walked(source, head, Trust::Exchanges)?)
    }

    fn walked(source: S, head: FileHead, trust: Trust) -> io::Result<Self> {
        let found = recover(&source, head.id, HEAD_OCTETS as u64, trust)?;
        Ok(Self {
            source,
            head,
            chain: found.chain,
            end: found.end,
            exchanges: found.exchanges,
            tail: found.tail,
            is_closed: false,
            damage: found.damage,
            unfinished: found.unfinished,
        })
    }

    /// The file's head.
    #[must_use]
    pub fn head(&self) -> &FileHead {
        &self.head
    }

    /// Numbers of exchanges that were given out.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Whether the last writer closed the file.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Damage that was found so far. A file that was closed well is not walked over when
    /// it is opened: [`check`](Self::check) finds all.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What stands behind the last whole record.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Reads the record at an offset into `octets`.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn read<'o>(&self, offset: u64, octets: &'o mut Vec<u8>) -> Result<Record<'o>, ReadError> {
        read_record(&self.source, &self.head.id, offset, octets)
    }

    /// Adds the offsets of the exchanges with a key, in their recorded order. Whoever
    /// uses one compares: two requests can have one key.
    ///
    /// If an index is damaged, it is made anew from the exchanges, and the damage is
    /// noted.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`].
    pub fn find(&mut self, key: u64, places: &mut Vec<u64>) -> Result<(), ReadError> {
        let length = places.len();
        let found = self.chain.find(&self.source, &self.head.id, key, places);
        let Err(ReadError::Damaged { .. } | ReadError::Content { .. }) = found else {
            return found;
        };
        places.truncate(length);
        let found = recover(&self.source, self.head.id, HEAD_OCTETS as u64, Trust::Exchanges)?;
        self.chain = found.chain;
        self.damage = found.damage;
        self.unfinished = found.unfinished;
        self.chain.find(&self.source, &self.head.id, key, places)
    }

    /// Reads a body that several exchanges share into `octets`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; `Content` if another body stands there.
    pub fn body<'o>(
        &self,
        place: &BodyPlace,
        octets: &'o mut Vec<u8>,
    ) -> Result<&'o [u8], ReadError> {
        let record = self.read(place.offset, octets)?;
        let body = parse_body(record.payload()).filter(|(digest, _)| **digest == place.digest);
        match body {
            Some((_, body)) if record.head.kind == Kind::BODY => Ok(body),
            _ => Err(ReadError::Content { offset: place.offset }),
        }
    }

    /// All records from the first on.
    ///
    /// # Errors
    ///
    /// What the storage says.
    pub fn walk(&self) -> io::Result<Walk<&S>> {
        Walk::new(&self.source, self.head.id, HEAD_OCTETS as u64)
    }

    /// The records of the exchange in pieces that begins at `offset`, that one first.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; `Content` if no exchange in pieces begins there.
    pub fn stream(&self, offset: u64) -> Result<Stream<&S>, ReadError> {
        self.stream_from(&self.source, offset)
    }

    /// The same through another handle to the file, which the stream may keep.
    ///
    /// # Errors
    ///
    /// Like [`stream`](Self::stream).
    pub fn stream_from<T: Source>(&self, source: T, offset: u64) -> Result<Stream<T>, ReadError> {
        let mut header = [0; HEADER_OCTETS];
        self.source.read_at(offset, &mut header)?;
        let head = RecordHead::parse(&header).map(|(head, _)| head);
        let head = head.ok_or(ReadError::Damaged { offset })?;
        if head.kind != Kind::OPEN {
            return Err(ReadError::Content { offset });
        }
        Ok(Stream::new(Walk::new(source, self.head.id, offset)?, head.exchange))
    }

    /// Reads everything and compares every checksum, also those of shared bodies.
    ///
    /// # Errors
    ///
    /// What the storage says.
    pub fn check(&self) -> io::Result<Check> {
        let mut check = Check::default();
        let mut open = BTreeSet::new();
        let mut octets = Vec::new();
        let mut walk = self.walk()?;
        loop {
            match walk.step()? {
                Step::Record(record) => {
                    check.records += 1;
                    self.check_one(&record, &mut check, &mut open, &mut octets);
                }
                Step::Damage(damage) => check.damage.push(damage),
                Step::End(tail) => {
                    check.tail = tail;
                    check.unfinished = open.len();
                    return Ok(check);
                }
            }
        }
    }

    fn check_one(
        &self,
        record: &Record<'_>,
        check: &mut Check,
        open: &mut BTreeSet<u64>,
        octets: &mut Vec<u8>,
    ) {
        let exchange = record.head.exchange;
        let is_sound = match record.head.kind {
            Kind::EXCHANGE => {
                check.exchanges += 1;
                let is_elsewhere = record.head.flags & crate::FLAG_BODY_ELSEWHERE != 0;
                Exchange::parse(record.payload()).is_some_and(|content| {
                    let place = BodyPlace::parse(content.answer_body);
                    !is_elsewhere || place.is_some_and(|place| self.body(&place, octets).is_ok())
                })
            }
            Kind::OPEN => {
                check.exchanges += 1;
                check.streams += 1;
                open.insert(exchange) && Exchange::parse(record.payload()).is_some()
            }
            Kind::PIECE | Kind::ANSWER => open.contains(&exchange),
            Kind::FRAME => {
                check.frames += 1;
                open.contains(&exchange) && !record.payload().is_empty()
            }
            Kind::END => open.remove(&exchange) && !record.payload().is_empty(),
            Kind::BODY => parse_body(record.payload()).is_some(),
            _ => true,
        };
        if !is_sound {
            check.contradictions.push(record.offset);
        }
    }
}

/// What a whole check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Whole records.
    pub records: u64,
    /// Exchanges, those in pieces included.
    pub exchanges: u64,
    /// Exchanges in pieces.
    pub streams: u64,
    /// Exchanges in pieces without an end.
    pub unfinished: usize,
    /// WebSocket frames.
    pub frames: u64,
    /// Octets that are no record.
    pub damage: Vec<Damage>,
    /// Offsets of whole records that contradict themselves or others.
    pub contradictions: Vec<u64>,
    /// What stands behind the last whole record.
    pub tail: Tail,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            records: 0,
            exchanges: 0,
            streams: 0,
            unfinished: 0,
            frames: 0,
            damage: Vec::new(),
            contradictions: Vec::new(),
            tail: Tail::Clean,
        }
    }
}

impl Check {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.contradictions.is_empty()
    }
}

/// Reads and checks the record at an offset. Memory is taken only for octets that the
/// file has.
pub(crate) fn read_record<'o>(
    source: &impl Source,
    id: &[u8; 16],
    offset: u64,
    octets: &'o mut Vec<u8>,
) -> Result<Record<'o>, ReadError> {
    let damaged = ReadError::Damaged { offset };
    if offset < HEAD_OCTETS as u64 || !offset.is_multiple_of(8) {
        return Err(damaged);
    }
    // Most records are short: one read has them whole.
    octets.resize(READ_AHEAD_OCTETS, 0);
    let read = source.read_some_at(offset, octets)?;
    octets.truncate(read);
    let Some((head, _)) = octets.first_chunk().and_then(RecordHead::parse) else {
        return Err(damaged);
    };
    let length = head.octets as usize;
    if length > read {
        if offset + u64::from(head.octets) > source.octets()? {
            return Err(damaged);
        }
        octets.resize(length, 0);
        source.read_at(offset + read as u64, &mut octets[read..])?;
    }
    octets.truncate(length);
    Record::parse(octets, id, offset).ok_or(damaged)
}

fn read_head(source: &impl Source) -> Result<FileHead, OpenError> {
    let octets = source.octets()?;
    let mut head = [0; HEAD_OCTETS];
    if octets < HEAD_OCTETS as u64 {
        return Err(OpenError::HeadCut { octets });
    }
    source.read_at(0, &mut head)?;
    FileHead::parse(&head)
}

/// The record that closes the file, if it ends with one.
fn read_close(source: &impl Source, head: &FileHead) -> io::Result<Option<Close>> {
    let octets = source.octets()?;
    let first = (HEAD_OCTETS + CLOSE_OCTETS) as u64;
    if octets < first || !octets.is_multiple_of(8) {
        return Ok(None);
    }
    let offset = octets - CLOSE_OCTETS as u64;
    let mut last = [0; CLOSE_OCTETS];
    source.read_at(offset, &mut last)?;
    let record = Record::parse(&last, &head.id, offset);
    let record = record.filter(|record| record.head.kind == Kind::CLOSE);
    Ok(record.and_then(|record| Close::parse(record.payload())))
}
