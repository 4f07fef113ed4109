//! From the octets of a request to what is done about it.

use std::{thread, time::Duration, time::Instant};

use farend_cassette::{FLAG_CHUNK, FLAG_DECODED};
use farend_http::{
    RequestHead, Target, Version,
    canonical::Request,
    framing::{self, Framing},
    parse_request, redact,
};

use crate::{
    body::{Body, dechunked},
    client::{Client, Context, Phase, WAITING_OCTETS_MAX},
    counters::Outcome,
    forward::Forward,
    jobs::Done,
    library::{Asked, Found},
    message::{self, Place, hop_fields, is_websocket},
    miss::{self, Missed},
    play::Play,
    recording::REQUEST_OCTETS_MAX,
    settings::{CursorPer, Mode, Pace, Settings},
    websocket::Lockstep,
};

/// A request that is looked for when it is whole.
pub(crate) struct Collect {
    head: Vec<u8>,
    body: Body,
    /// Body octets as they came.
    raw: Vec<u8>,
    content: Vec<u8>,
    is_too_long: bool,
}

/// Where a request goes, or why it goes nowhere.
fn place(head: &RequestHead<'_>, settings: &Settings) -> Result<Place, &'static str> {
    let target = Target::parse(head.method, head.target);
    match (target, &settings.to) {
        (Some(Target::Origin(path)), Some(origin)) => {
            Ok(Place { origin: origin.clone(), path: path.to_vec() })
        }
        (Some(Target::Asterisk), Some(origin)) => {
            Ok(Place { origin: origin.clone(), path: b"*".to_vec() })
        }
        (Some(Target::Absolute(origin, path)), _) => {
            let path = match path.iter().position(|octet| *octet == b'#') {
                Some(fragment) => &path[..fragment],
                None => path,
            };
            let path = if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() };
            Ok(Place { origin, path })
        }
        (Some(Target::Origin(_) | Target::Asterisk), None) => {
            Err("this is a proxy: ask it for a whole URL (curl --proxy), or start it with --to URL")
        }
        (Some(Target::Authority(_)), _) => {
            Err("CONNECT is not supported yet: record and replay plain HTTP, or use --to https://…")
        }
        (None, _) => Err("the target is no URL that a proxy can take"),
    }
}

impl Client {
    /// Looks for a whole head.
    pub(crate) fn step_idle(&mut self, context: &mut Context<'_>) -> bool {
        if self.output.len() > WAITING_OCTETS_MAX {
            return false;
        }
        let head = match parse_request(self.input.as_slice()) {
            Ok(Some(head)) => head,
            Ok(None) => {
                if self.has_ended {
                    self.is_closing = true;
                }
                return false;
            }
            Err(error) => {
                let (status, why) = (error.status(), error.to_string());
                self.refuse(status, &why, Outcome::RefusedRequest, context);
                return true;
            }
        };
        let framing = match framing::of_request(&head) {
            Ok(framing) => framing,
            Err(error) => {
                let why = format!("the request {error}");
                self.refuse(error.status(), &why, Outcome::RefusedRequest, context);
                return true;
            }
        };
        self.version = head.version;
        let place = match place(&head, context.settings) {
            Ok(place) => place,
            Err(why) => {
                let status = if head.method == b"CONNECT" { 501 } else { 400 };
                self.refuse(status, why, Outcome::RefusedRequest, context);
                return true;
            }
        };
        if place.origin.port == context.settings.listen.port() && is_own(&place, context.settings) {
            let why = "the request asks this proxy for itself";
            self.refuse(421, why, Outcome::Misdirected, context);
            return true;
        }
        let octets = head.octets;
        let head = self.input.as_slice()[..octets].to_vec();
        self.input.consume(octets);
        if !context.settings.mode.replays() {
            self.forward(&head, place, framing, &[], context);
        } else if framing == Framing::None {
            self.look_for(&head, place, &[], &[], context);
        } else {
            if parse_request(&head).is_ok_and(|head| head.is_some_and(|head| expects(&head))) {
                self.output.push(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            self.phase = Phase::Collect(Box::new(Collect {
                head,
                body: Body::new(framing),
                raw: Vec::new(),
                content: Vec::new(),
                is_too_long: false,
            }));
        }
        true
    }

    /// Reads the body of a request that is looked for.
    pub(crate) fn step_collect(
        &mut self,
        mut collect: Box<Collect>,
        context: &mut Context<'_>,
    ) -> bool {
        let (input, whole) = (self.input.as_slice(), &mut collect.content);
        let taken = collect.body.take(input, &mut |part| whole.extend_from_slice(part));
        let Ok(taken) = taken else {
            let why = "the request's chunks are broken";
            self.refuse(400, why, Outcome::RefusedRequest, context);
            return true;
        };
        collect.raw.extend_from_slice(&input[..taken]);
        self.input.consume(taken);
        if collect.content.len() > REQUEST_OCTETS_MAX {
            collect.is_too_long = true;
        }
        if collect.is_too_long {
            self.refuse(413, "the request's body is over 8 MiB", Outcome::RefusedRequest, context);
            return true;
        }
        if !collect.body.has_ended() {
            if self.has_ended {
                self.lost();
            }
            self.phase = Phase::Collect(collect);
            return taken > 0;
        }
        let Collect { head, raw, content, .. } = *collect;
        let parsed = parse_request(&head).ok().flatten();
        let Some(Ok(place)) = parsed.map(|head| place(&head, context.settings)) else {
            self.lost();
            return false;
        };
        self.look_for(&head, place, &content, &raw, context);
        true
    }

    /// Answers from the cassette, or says why not, or goes to the origin.
    fn look_for(
        &mut self,
        octets: &[u8],
        place: Place,
        body: &[u8],
        raw: &[u8],
        context: &mut Context<'_>,
    ) {
        let Ok(Some(head)) = parse_request(octets) else { return self.lost() };
        let settings = context.settings;
        let stored = message::stored_request(&head, &place, settings);
        let scope = self.scope(&head, settings);
        let request = Request {
            method: head.method,
            origin: &place.origin,
            path: &place.path,
            fields: head.fields,
            body,
        };
        let is_upgrade = is_websocket(&head);
        let asked = Asked { request, stored: &stored.head, scope: &scope, is_upgrade };
        let is_kept = framing::is_kept(head.version, &head.fields);
        let Some(library) = &mut context.library else { return self.lost() };
        match library.find(&asked) {
            Found::Whole { is_exact } => {
                let outcome =
                    if is_exact { Outcome::ReplayedExact } else { Outcome::ReplayedCanonical };
                context.counters.count(outcome);
                self.answer_whole(head.method == b"HEAD", is_kept, context);
            }
            Found::Stream { offset } if is_upgrade => match library.stream(offset) {
                Ok(stream) => {
                    context.counters.count(Outcome::ReplayedWebSocket);
                    let key = head.fields.first("sec-websocket-key").unwrap_or_default();
                    self.phase = Phase::Lockstep(Box::new(Lockstep::new(stream, key)));
                }
                Err(error) => self.damaged(&error.to_string(), context),
            },
            Found::Stream { offset } => match library.stream(offset) {
                Ok(stream) => {
                    context.counters.count(Outcome::ReplayedStream);
                    let is_head = head.method == b"HEAD";
                    let play = Play::new(stream, head.version, is_kept, is_head, settings.pace);
                    self.phase = Phase::Play(Box::new(play));
                }
                Err(error) => self.damaged(&error.to_string(), context),
            },
            Found::Damaged(error) => self.damaged(&error.to_string(), context),
            Found::Miss | Found::Exhausted if settings.mode == Mode::Auto => {
                let framing = framing::of_request(&head).unwrap_or(Framing::None);
                self.forward(octets, place, framing, raw, context);
            }
            Found::Miss | Found::Exhausted => {
                let kind = head.fields.first("content-type").unwrap_or_default();
                let clean = if settings.redacts { redact::body(kind, body) } else { None };
                let body = clean.unwrap_or_else(|| body.to_vec());
                let missed = Missed { origin: place.origin, head: stored.head, body };
                self.explain(missed, head.method == b"HEAD", is_kept, context);
            }
        }
    }

    /// Puts the exchange that was found into `output`, or lets it wait.
    fn answer_whole(&mut self, is_head: bool, is_kept: bool, context: &mut Context<'_>) {
        let Some((record, exchange, body)) =
            context.library.as_ref().and_then(|library| library.whole())
        else {
            return self.damaged("the exchange contradicts itself", context);
        };
        let is_chunked = record.flags & FLAG_CHUNK != 0 && record.flags & FLAG_DECODED == 0;
        let fields = exchange.answer_head;
        // Else the end of the connection is the end of the body.
        let has_none = is_head || matches!(exchange.status, 204 | 304);
        let has_length = is_chunked || has_none || has_length(fields);
        let is_kept = is_kept && has_length;
        let is_old = self.version == Version::Http10;
        let delay = match context.settings.pace {
            Pace::None => None,
            Pace::Fixed(delay) => Some(delay),
            Pace::Recorded(factor) => Some(Duration::from_nanos(exchange.first_ns).mul_f64(factor)),
        };
        let mut answer = Vec::new();
        let out = if delay.is_some() { &mut answer } else { self.output.tail() };
        out.extend_from_slice(fields.strip_suffix(b"\r\n").unwrap_or(fields));
        let is_kept = is_kept && !(is_old && is_chunked);
        out.extend_from_slice(hop_fields(is_chunked && !is_old, self.version, is_kept));
        if is_head {
        } else if is_old && is_chunked {
            out.extend_from_slice(&dechunked(body).unwrap_or_default());
        } else {
            out.extend_from_slice(body);
        }
        match delay {
            Some(delay) => {
                self.phase = Phase::Delay { due: Instant::now() + delay, answer, is_kept };
            }
            None => self.answered(is_kept),
        }
    }

    fn damaged(&mut self, why: &str, context: &Context<'_>) {
        self.refuse(502, &format!("the cassette is damaged: {why}"), Outcome::Damaged, context);
    }

    fn explain(&mut self, missed: Missed, is_head: bool, is_kept: bool, context: &Context<'_>) {
        context.counters.count(Outcome::Missed);
        context.counters.missed(missed.name());
        let (jobs, ticket) = (context.jobs.clone(), context.ticket);
        let settings = context.settings.clone();
        self.phase = Phase::Explain { is_head, is_kept };
        let spawned = thread::Builder::new().name("miss".into()).spawn(move || {
            let path = settings.cassette.clone().unwrap_or_default();
            jobs.done(ticket, Done::Explained(miss::explain(&missed, &path, &settings)));
        });
        if spawned.is_err() {
            let text = "nothing recorded answers this; no thread was left to say what is near\n";
            self.output.push(&message::own_answer(502, text, is_head, is_kept));
            self.answered(is_kept);
        }
    }

    fn forward(
        &mut self,
        octets: &[u8],
        place: Place,
        framing: Framing,
        raw: &[u8],
        context: &mut Context<'_>,
    ) {
        let Ok(Some(head)) = parse_request(octets) else { return self.lost() };
        let forward = Forward::new(&head, place, framing, raw, self, context);
        forward.reach(self, false, context);
    }

    fn scope(&self, head: &RequestHead<'_>, settings: &Settings) -> String {
        match &settings.cursor_per {
            CursorPer::Run => String::new(),
            CursorPer::Address => self.address.ip().to_string(),
            CursorPer::Connection => format!("{}", self.address),
            CursorPer::Header(name) => {
                let value = head.fields.first(name).unwrap_or_default();
                String::from_utf8_lossy(value).into_owned()
            }
        }
    }
}

fn expects(head: &RequestHead<'_>) -> bool {
    head.version == Version::Http11 && head.fields.lists("expect", "100-continue")
}

/// Whether the stored head says how long its body is.
fn has_length(head: &[u8]) -> bool {
    head.split(|octet| *octet == b'\n').any(|line| {
        line.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"content-length:"))
    })
}

/// Whether a request would come back to this proxy.
fn is_own(place: &Place, settings: &Settings) -> bool {
    let host = place.origin.host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    is_loopback && (settings.listen.ip().is_loopback() || settings.listen.ip().is_unspecified())
        || address == Some(settings.listen.ip())
}
