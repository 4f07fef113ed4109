//! Why nothing was found: the nearest exchanges, and what differs.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use farend_cassette::{Cassette, Kind, Step, file::CassetteFile, payload::Exchange};
use farend_http::{
    Origin,
    canonical::Request,
    parse_request,
    score::{self, Score},
};

use crate::{library::stored, settings::Settings};

/// So many exchanges are looked at.
const CANDIDATES_MAX: usize = 10_000;
/// Or for so long.
const TIME_MAX: Duration = Duration::from_millis(5);
/// So many are named.
const NAMED: usize = 3;

/// A request that missed, its secrets replaced.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    pub(crate) origin: Origin,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Missed {
    /// Method and URL.
    pub(crate) fn name(&self) -> String {
        let Ok(Some(head)) = parse_request(&self.head) else { return String::new() };
        let (method, path) = (head.method, head.target);
        let (method, path) = (String::from_utf8_lossy(method), String::from_utf8_lossy(path));
        format!("{method} {}://{}{path}", self.origin.scheme.name(), self.origin.authority())
    }
}

struct Near {
    score: Score,
    exchange: u64,
    name: String,
}

/// Says what the nearest recorded requests are.
pub(crate) fn explain(missed: &Missed, cassette: &Path, settings: &Settings) -> String {
    let mut text = format!("nothing recorded answers {}\n", missed.name());
    let (nearest, looked_at) = nearest(missed, cassette, settings).unwrap_or_default();
    if nearest.is_empty() {
        let _infallible = writeln!(text, "the cassette has no exchange");
    }
    for near in nearest {
        let _infallible = writeln!(text, "\nnear: exchange {}, {}", near.exchange, near.name);
        if near.score.differences.is_empty() {
            let _infallible = writeln!(
                text,
                "  equal, but asked more often than recorded: --repeat last or cycle answers again"
            );
        }
        for difference in near.score.differences.iter().take(12) {
            let (what, recorded, asked) =
                (&difference.what, &difference.recorded, &difference.asked);
            let option = difference.option.as_deref();
            let option = option.map(|option| format!("; {option} would match")).unwrap_or_default();
            let _infallible =
                writeln!(text, "  {what}: recorded {recorded:?}, asked {asked:?}{option}");
        }
    }
    let _infallible = writeln!(text, "\n{looked_at} exchanges were compared");
    text
}

fn nearest(missed: &Missed, path: &Path, settings: &Settings) -> Option<(Vec<Near>, usize)> {
    let asked = parse_request(&missed.head).ok().flatten()?;
    let asked = Request {
        method: asked.method,
        origin: &missed.origin,
        path: asked.target,
        fields: asked.fields,
        body: &missed.body,
    };
    let cassette = Cassette::open(CassetteFile::read(path).ok()?).ok()?;
    let started = Instant::now();
    let mut walk = cassette.walk().ok()?;
    let (mut near, mut looked_at): (Vec<Near>, usize) = (Vec::new(), 0);
    while looked_at < CANDIDATES_MAX && started.elapsed() < TIME_MAX {
        let record = match walk.step().ok()? {
            Step::Record(record) => record,
            Step::Damage(_) => continue,
            Step::End(_) => break,
        };
        if !matches!(record.head.kind, Kind::EXCHANGE | Kind::OPEN) {
            continue;
        }
        let Some(content) = Exchange::parse(record.payload()) else { continue };
        let Some((origin, head)) = stored(&content) else { continue };
        let recorded = Request {
            method: head.method,
            origin: &origin,
            path: head.target,
            fields: head.fields,
            body: content.request_body,
        };
        looked_at += 1;
        let score = score::compare(&recorded, &asked, &settings.rules);
        let place = near.partition_point(|other| other.score.points >= score.points);
        if place < NAMED {
            let head = content.request_head.to_vec();
            let name = Missed { origin, head, body: Vec::new() }.name();
            near.insert(place, Near { score, exchange: record.head.exchange, name });
            near.truncate(NAMED);
        }
    }
    Some((near, looked_at))
}
