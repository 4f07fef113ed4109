//! Looking at cassettes: `ls`, `show`, `check`, `compact`.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use farend_cassette::{
    Cassette, FLAG_BODY_ELSEWHERE, FLAG_CHUNK, FLAG_SERVER, FileHead, Kind, Record, Step, Tail,
    Writer,
    file::{self, CassetteFile},
    payload::{BodyPlace, Exchange, parse_end, parse_frame},
};
use farend_http::redact;
use serde_json::json;

use crate::{body::dechunked, library::stored, miss::Missed, options, say};

fn open(path: &Path) -> Result<Cassette<CassetteFile>> {
    let name = || path.display().to_string();
    let file = CassetteFile::read(path).with_context(name)?;
    Cassette::open(file).map_err(|error| anyhow::anyhow!("{} {error}", name()))
}

/// Calls `each` for every whole record.
fn every(
    cassette: &Cassette<CassetteFile>,
    mut each: impl FnMut(&Record<'_>) -> Result<()>,
) -> Result<()> {
    let mut walk = cassette.walk()?;
    loop {
        match walk.step()? {
            Step::Record(record) => each(&record)?,
            Step::Damage(damage) => {
                say::line(&format!("damaged: octets {} to {}", damage.from, damage.to));
            }
            Step::End(_) => return Ok(()),
        }
    }
}

fn name(content: &Exchange<'_>) -> String {
    let Some((origin, _)) = stored(content) else { return "?".to_owned() };
    Missed { origin, head: content.request_head.to_vec(), body: Vec::new() }.name()
}

pub(crate) fn list(path: &Path, is_json: bool) -> Result<ExitCode> {
    let cassette = open(path)?;
    every(&cassette, |record| {
        let form = match record.head.kind {
            Kind::EXCHANGE => "whole",
            Kind::OPEN => "pieces",
            _ => return Ok(()),
        };
        let Some(content) = Exchange::parse(record.payload()) else { return Ok(()) };
        let (number, status) = (record.head.exchange, content.status);
        let (name, first_ns) = (name(&content), content.first_ns);
        let octets = content.answer_body.len();
        if is_json {
            let line = json!({
                "exchange": number, "request": name, "status": status, "form": form,
                "answer_octets": octets, "time_ns": record.head.time_ns, "first_ns": first_ns,
                "connection": record.head.connection,
            });
            say::out(&line.to_string());
        } else {
            let size = if form == "whole" { octets.to_string() } else { form.to_owned() };
            say::out(&format!("{number:>6}  {status:>3}  {size:>8}  {name}"));
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn one(what: &options::Show) -> Result<ExitCode> {
    let cassette = open(&what.cassette)?;
    let mut has_found = false;
    every(&cassette, |record| {
        if record.head.exchange != what.exchange {
            return Ok(());
        }
        has_found = true;
        let mut out = io::stdout().lock();
        if what.body {
            return body(&cassette, record, &mut out);
        }
        if what.json {
            let line = json!({
                "kind": record.head.kind.0, "flags": record.head.flags,
                "time_ns": record.head.time_ns, "content": text_of(record),
            });
            writeln!(out, "{line}")?;
            return Ok(());
        }
        writeln!(out, "{}", text_of(record))?;
        Ok(())
    })?;
    if !has_found {
        bail!("{} has no exchange {}; `ls` lists them", what.cassette.display(), what.exchange);
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer's content: its framing removed.
fn body(
    cassette: &Cassette<CassetteFile>,
    record: &Record<'_>,
    out: &mut impl io::Write,
) -> Result<()> {
    let (flags, payload) = (record.head.flags, record.payload());
    match record.head.kind {
        Kind::EXCHANGE => {
            let Some(content) = Exchange::parse(payload) else { bail!("contradicts itself") };
            let (mut octets, mut body) = (Vec::new(), content.answer_body);
            if flags & FLAG_BODY_ELSEWHERE != 0 {
                let place = BodyPlace::parse(body).context("contradicts itself")?;
                body = cassette.body(&place, &mut octets)?;
            }
            let whole = (flags & FLAG_CHUNK != 0).then(|| dechunked(body)).flatten();
            out.write_all(whole.as_deref().unwrap_or(body))?;
        }
        Kind::PIECE if flags & FLAG_SERVER != 0 => out.write_all(payload)?,
        _ => {}
    }
    Ok(())
}

fn text_of(record: &Record<'_>) -> String {
    let payload = record.payload();
    let from = if record.head.flags & FLAG_SERVER != 0 { "server" } else { "client" };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match record.head.kind {
        Kind::EXCHANGE | Kind::OPEN => match Exchange::parse(payload) {
            Some(content) => {
                let Exchange { request_head, request_body, answer_head, answer_body, .. } = content;
                let parts = [request_head, request_body, answer_head, answer_body];
                parts.map(text).concat()
            }
            None => "contradicts itself".to_owned(),
        },
        Kind::FRAME => match parse_frame(payload) {
            Some((first, payload)) => format!("{from} {first:#04x}: {}", text(payload)),
            None => "contradicts itself".to_owned(),
        },
        Kind::END => match parse_end(payload) {
            Some((how, trailers)) => format!("end: {} {}", how.name(), text(trailers)),
            None => "contradicts itself".to_owned(),
        },
        _ => text(payload),
    }
}

pub(crate) fn check(what: &options::Check) -> Result<ExitCode> {
    let cassette = open(&what.cassette)?;
    let found = cassette.check()?;
    let secrets = if what.secrets { secrets(&cassette)? } else { Vec::new() };
    let tail = match found.tail {
        Tail::Clean => "clean",
        Tail::Zeros { .. } => "zeros",
        Tail::Torn { .. } => "torn",
    };
    if what.json {
        let damage: Vec<_> = found.damage.iter().map(|part| [part.from, part.to]).collect();
        let line = json!({
            "closed": cassette.is_closed(), "records": found.records,
            "exchanges": found.exchanges, "streams": found.streams, "frames": found.frames,
            "unfinished": found.unfinished, "damage": damage, "tail": tail,
            "contradictions": found.contradictions, "secrets": secrets,
        });
        say::out(&line.to_string());
    } else {
        say::out(&format!(
            "{} exchanges ({} in pieces, {} unfinished), {} WebSocket frames, {} records",
            found.exchanges, found.streams, found.unfinished, found.frames, found.records
        ));
        for damage in &found.damage {
            say::out(&format!("damaged: octets {} to {}", damage.from, damage.to));
        }
        for offset in &found.contradictions {
            say::out(&format!("contradicts itself: the record at octet {offset}"));
        }
        if tail != "clean" {
            say::out(&format!("behind the last whole record: {tail}; the next recording cuts it"));
        }
        for secret in &secrets {
            say::out(&format!("secret: {secret}"));
        }
        if !found.damage.is_empty() {
            say::out("`farend-replay compact` keeps all that is whole");
        }
    }
    Ok(match (found.is_sound(), secrets.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(3),
        (true, true) => ExitCode::SUCCESS,
    })
}

/// Where secrets stand, by exchange.
fn secrets(cassette: &Cassette<CassetteFile>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    every(cassette, |record| {
        let number = record.head.exchange;
        let mut look = |octets: &[u8], what: &str| {
            if redact::body(b"", octets).is_some_and(|clean| clean != octets) {
                found.push(format!("exchange {number}, {what}"));
            }
        };
        match record.head.kind {
            Kind::EXCHANGE | Kind::OPEN => {
                let Some(content) = Exchange::parse(record.payload()) else { return Ok(()) };
                look(content.request_body, "request body");
                look(content.answer_body, "answer body");
                for (head, what) in
                    [(content.request_head, "request"), (content.answer_head, "answer")]
                {
                    if has_secret(head) {
                        found.push(format!("exchange {number}, {what} head"));
                    }
                }
            }
            Kind::PIECE => look(record.payload(), "piece"),
            Kind::FRAME => {
                look(parse_frame(record.payload()).map_or(&[], |(_, payload)| payload), "frame");
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}

fn has_secret(head: &[u8]) -> bool {
    let Some(end) = head.iter().position(|octet| *octet == b'\n') else { return false };
    let (line, fields) = head.split_at(end + 1);
    let target = line.split(|octet| *octet == b' ').nth(1).unwrap_or_default();
    if redact::path(target).is_some_and(|clean| clean != target) {
        return true;
    }
    let Ok(Some((fields, _))) = farend_http::parse_fields(fields) else { return false };
    fields.iter().any(|field| {
        let mut clean = Vec::new();
        redact::field(&field, &mut clean) && clean.trim_ascii() != field.line.trim_ascii()
    })
}

pub(crate) fn compact(path: &Path, is_json: bool) -> Result<ExitCode> {
    // Held to the end: nobody records meanwhile.
    let file = CassetteFile::append(path).with_context(|| path.display().to_string())?;
    let cassette =
        Cassette::open(file).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))?;
    let beside = file::beside(path);
    let id = fastrand::u128(..).to_le_bytes();
    let head = FileHead { id, ..*cassette.head() };
    let new = CassetteFile::create_new(&beside)
        .with_context(|| format!("{} (left by a compaction that was killed?)", beside.display()))?;
    let before = fs::metadata(path)?.len();
    let done = Writer::create(new, head).and_then(|mut writer| {
        let done = farend_cassette::compact(&cassette, &mut writer)?;
        writer.close(0).map(|_| done)
    });
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            let _nothing_left = fs::remove_file(&beside);
            return Err(error.into());
        }
    };
    file::replace(&beside, path)?;
    let after = fs::metadata(path)?.len();
    if is_json {
        let line = json!({
            "exchanges": done.exchanges, "bodies_joined": done.bodies_joined,
            "damage": done.damage, "octets_before": before, "octets_after": after,
        });
        say::out(&line.to_string());
    } else {
        say::out(&format!(
            "{} exchanges, {} bodies joined, {} damaged places left out; {before} octets, now {after}",
            done.exchanges, done.bodies_joined, done.damage
        ));
    }
    Ok(ExitCode::SUCCESS)
}
