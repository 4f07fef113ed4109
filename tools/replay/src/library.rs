//! What was recorded, to be asked.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use farend_cassette::{
    Cassette, FLAG_BODY_ELSEWHERE, HEADER_OCTETS, Kind, OpenError, ReadError, Record, RecordHead,
    Step, Stream,
    file::CassetteFile,
    payload::{BodyPlace, Exchange, How, Scheme, parse_end},
};
use farend_http::{
    self as http, Origin,
    canonical::{self, Request, Rules},
    parse_request, redact,
};

use crate::{
    settings::{Repeat, Settings},
    tape::Tape,
};

/// Which of several equal exchanges is next, for each scope and key.
pub(crate) type Cursors = Mutex<HashMap<(String, u64), usize>>;

/// A request that is looked for.
pub(crate) struct Asked<'a> {
    /// As it came.
    pub(crate) request: Request<'a>,
    /// The head as it would be stored.
    pub(crate) stored: &'a [u8],
    /// Whose cursor counts.
    pub(crate) scope: &'a str,
    /// Whether it asks for a WebSocket.
    pub(crate) is_upgrade: bool,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A whole exchange: see [`Library::whole`].
    Whole { is_exact: bool },
    /// An exchange in pieces.
    Stream { offset: u64 },
    /// None.
    Miss,
    /// Asked more often than recorded.
    Exhausted,
    /// One, but it cannot be read.
    Damaged(ReadError),
}

pub(crate) struct Library {
    cassette: Cassette<Arc<CassetteFile>>,
    file: Arc<CassetteFile>,
    tape: Option<Arc<Tape>>,
    cursors: Arc<Cursors>,
    settings: Arc<Settings>,
    /// Canonical keys under other rules than the file's.
    other_keys: Option<HashMap<u64, Vec<u64>>>,
    /// Offsets that were answered from.
    pub(crate) used: HashSet<u64>,
    /// Streams that have their end, or not.
    ended: HashMap<u64, bool>,
    places: Vec<u64>,
    octets: Vec<u8>,
    shared: Vec<u8>,
    text: Vec<u8>,
    other: Vec<u8>,
}

impl Library {
    pub(crate) fn open(
        path: &Path,
        settings: Arc<Settings>,
        tape: Option<Arc<Tape>>,
        cursors: Arc<Cursors>,
    ) -> Result<Self> {
        let name = || path.display().to_string();
        let file = Arc::new(CassetteFile::read(path).with_context(name)?);
        let cassette = Cassette::open(Arc::clone(&file));
        let cassette =
            cassette.map_err(|error: OpenError| anyhow::anyhow!("{}: {error}", name()))?;
        let has_other_rules = settings.rules != Rules::default();
        let other_keys =
            has_other_rules.then(|| keys_of(&cassette, &settings.rules)).transpose()?;
        Ok(Self {
            cassette,
            file,
            tape,
            cursors,
            settings,
            other_keys,
            used: HashSet::new(),
            ended: HashMap::new(),
            places: Vec::new(),
            octets: Vec::new(),
            shared: Vec::new(),
            text: Vec::new(),
            other: Vec::new(),
        })
    }

    pub(crate) fn cassette(&self) -> &Cassette<Arc<CassetteFile>> {
        &self.cassette
    }

    /// Looks for a request: as it came, then by its canonical text.
    pub(crate) fn find(&mut self, asked: &Asked<'_>) -> Found {
        let exact = canonical::exact_key(&asked.request, &Rules::default());
        match self.choose(asked, exact, true) {
            Found::Miss => {}
            found => return found,
        }
        let kind = asked.request.fields.first("content-type").unwrap_or_default();
        let body = asked.request.body;
        let clean = if self.settings.redacts { redact::body(kind, body) } else { None };
        let Ok(Some(head)) = parse_request(asked.stored) else { return Found::Miss };
        let request = Request {
            method: head.method,
            origin: asked.request.origin,
            path: head.target,
            fields: head.fields,
            body: clean.as_deref().unwrap_or(body),
        };
        canonical::write(&request, &self.settings.rules, &mut self.text);
        let key = canonical::key(&self.text);
        self.choose(asked, key, false)
    }

    fn choose(&mut self, asked: &Asked<'_>, key: u64, is_exact: bool) -> Found {
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        let found = match (&self.other_keys, &self.tape) {
            (Some(keys), _) if !is_exact => {
                places.extend(keys.get(&key).into_iter().flatten());
                Ok(())
            }
            (_, Some(tape)) => tape.lock().find(key, &mut places),
            (_, None) => self.cassette.find(key, &mut places),
        };
        let found = match found {
            Ok(()) => self.choose_of(asked, key, is_exact, &mut places),
            Err(error) => Found::Damaged(error),
        };
        self.places = places;
        found
    }

    fn choose_of(
        &mut self,
        asked: &Asked<'_>,
        key: u64,
        is_exact: bool,
        places: &mut Vec<u64>,
    ) -> Found {
        if let [place] = places[..]
            && self.settings.repeat != Repeat::Stop
        {
            return self.take_used(place, asked, is_exact);
        }
        // A key that two have is no proof: others than the asked are left out.
        let mut damaged = None;
        places.retain(|place| match self.take(*place, asked, is_exact) {
            Found::Miss => false,
            Found::Damaged(error) => {
                damaged = Some(error);
                false
            }
            _ => true,
        });
        if places.is_empty() {
            return damaged.map_or(Found::Miss, Found::Damaged);
        }
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let cursor = cursors.entry((asked.scope.to_owned(), key)).or_default();
        let chosen = match self.settings.repeat {
            Repeat::Last => (*cursor).min(places.len() - 1),
            Repeat::Cycle => *cursor % places.len(),
            Repeat::Stop if *cursor >= places.len() => return Found::Exhausted,
            Repeat::Stop => *cursor,
        };
        *cursor += 1;
        drop(cursors);
        self.take_used(places[chosen], asked, is_exact)
    }

    fn take_used(&mut self, place: u64, asked: &Asked<'_>, is_exact: bool) -> Found {
        let found = self.take(place, asked, is_exact);
        if matches!(found, Found::Whole { .. } | Found::Stream { .. }) {
            self.used.insert(place);
        }
        found
    }

    /// Reads one exchange and compares it with what is asked.
    fn take(&mut self, place: u64, asked: &Asked<'_>, is_exact: bool) -> Found {
        let record = match self.cassette.read(place, &mut self.octets) {
            Ok(record) => record,
            Err(error) => return Found::Damaged(error),
        };
        let damaged = Found::Damaged(ReadError::Content { offset: place });
        let Some(content) = Exchange::parse(record.payload()) else { return damaged };
        if (content.status == 101) != asked.is_upgrade {
            return Found::Miss;
        }
        let Some((origin, head)) = stored(&content) else { return damaged };
        let request = Request {
            method: head.method,
            origin: &origin,
            path: head.target,
            fields: head.fields,
            body: content.request_body,
        };
        let rules = &self.settings.rules;
        let is_equal = if is_exact {
            canonical::is_exactly(&request, &asked.request, rules)
        } else {
            canonical::write(&request, rules, &mut self.other);
            self.other == self.text
        };
        let (kind, flags) = (record.head.kind, record.head.flags);
        match kind {
            _ if !is_equal => Found::Miss,
            Kind::EXCHANGE if flags & FLAG_BODY_ELSEWHERE != 0 => {
                let Some(body) = BodyPlace::parse(content.answer_body) else { return damaged };
                match self.cassette.body(&body, &mut self.shared) {
                    Ok(_) => Found::Whole { is_exact },
                    Err(error) => Found::Damaged(error),
                }
            }
            Kind::EXCHANGE => Found::Whole { is_exact },
            Kind::OPEN if asked.is_upgrade || self.has_end(place) => {
                Found::Stream { offset: place }
            }
            _ => Found::Miss,
        }
    }

    /// Header, content and answer body of the exchange that was found last.
    pub(crate) fn whole(&self) -> Option<(RecordHead, Exchange<'_>, &[u8])> {
        let (head, _) = self.octets.first_chunk().and_then(RecordHead::parse)?;
        let end = self.octets.len().checked_sub(usize::from(head.padding))?;
        let content = Exchange::parse(self.octets.get(HEADER_OCTETS..end)?)?;
        let body = if head.flags & FLAG_BODY_ELSEWHERE == 0 {
            content.answer_body
        } else {
            // Its record: header, digest, octets, padding.
            let (head, _) = self.shared.first_chunk().and_then(RecordHead::parse)?;
            let end = self.shared.len().checked_sub(usize::from(head.padding))?;
            self.shared.get(HEADER_OCTETS + 32..end)?
        };
        Some((head, content, body))
    }

    /// The records of an exchange in pieces.
    pub(crate) fn stream(&self, offset: u64) -> Result<Stream<Arc<CassetteFile>>, ReadError> {
        self.cassette.stream_from(Arc::clone(&self.file), offset)
    }

    /// Whether a stream was recorded to its end, whatever the end was.
    fn has_end(&mut self, offset: u64) -> bool {
        if let Some(known) = self.ended.get(&offset) {
            return *known;
        }
        let mut has_end = false;
        if let Ok(mut stream) = self.cassette.stream(offset) {
            while let Ok(Some(record)) = stream.next() {
                has_end = is_end(&record);
            }
        }
        self.ended.insert(offset, has_end);
        has_end
    }
}

/// The canonical keys of all exchanges under some rules.
fn keys_of(
    cassette: &Cassette<Arc<CassetteFile>>,
    rules: &Rules,
) -> Result<HashMap<u64, Vec<u64>>> {
    let mut keys: HashMap<u64, Vec<u64>> = HashMap::new();
    let (mut walk, mut text) = (cassette.walk()?, Vec::new());
    loop {
        let record = match walk.step()? {
            Step::Record(record) => record,
            Step::Damage(_) => continue,
            Step::End(_) => return Ok(keys),
        };
        if matches!(record.head.kind, Kind::EXCHANGE | Kind::OPEN)
            && let Some(content) = Exchange::parse(record.payload())
            && let Some((origin, head)) = stored(&content)
        {
            let (path, fields, body) = (head.target, head.fields, content.request_body);
            let request = Request { method: head.method, origin: &origin, path, fields, body };
            canonical::write(&request, rules, &mut text);
            keys.entry(canonical::key(&text)).or_default().push(record.offset);
        }
    }
}

fn is_end(record: &Record<'_>) -> bool {
    let how = parse_end(record.payload()).map(|(how, _)| how);
    record.head.kind == Kind::END && how.is_some_and(|how| how != How::STOPPED)
}

/// The server and the head of a stored request.
pub(crate) fn stored<'a>(content: &Exchange<'a>) -> Option<(Origin, http::RequestHead<'a>)> {
    let head = parse_request(content.request_head).ok().flatten()?;
    let scheme = match content.scheme {
        Scheme::HTTP => http::Scheme::Http,
        Scheme::HTTPS => http::Scheme::Https,
        _ => return None,
    };
    Some((Origin::parse(scheme, head.fields.first("host")?)?, head))
}
