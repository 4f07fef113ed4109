//! How near a recorded request is to one that missed, and what differs.

use crate::{
    canonical::{Request, Rules},
    json::{self, Step},
};

/// How near, and why not equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// More is nearer.
    pub points: u32,
    /// What differs, each with the option that would have matched.
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What, such as `query.page`.
    pub what: String,
    /// What was recorded; empty if nothing was.
    pub recorded: String,
    /// What was asked; empty if nothing was.
    pub asked: String,
    /// The option with which it would not matter, if there is one.
    pub option: Option<String>,
}

/// Weights: method 8, host 4, path segments 4, query 2, body leaves 2, fields 1.
#[must_use]
pub fn compare(recorded: &Request<'_>, asked: &Request<'_>, rules: &Rules) -> Score {
    let mut score = Score::default();
    score.one("method", 8, recorded.method, asked.method, None);
    let authorities = (recorded.origin.to_string(), asked.origin.to_string());
    score.one("origin", 4, authorities.0.as_bytes(), authorities.1.as_bytes(), None);
    let split = |path: &[u8]| match path.iter().position(|octet| *octet == b'?') {
        Some(place) => (path[..place].to_vec(), path[place + 1..].to_vec()),
        None => (path.to_vec(), Vec::new()),
    };
    let (recorded_path, recorded_query) = split(recorded.path);
    let (asked_path, asked_query) = split(asked.path);
    score.path(&recorded_path, &asked_path);
    let (pairs, others) = (pairs(&recorded_query), pairs(&asked_query));
    score.named("query", 2, &pairs, &others, |name| Some(format!("--ignore query.{name}")));
    score.body(recorded, asked, rules);
    for name in &rules.match_fields {
        let value = |request: &Request<'_>| request.fields.first(name).unwrap_or_default().to_vec();
        score.one(&format!("header {name}"), 1, &value(recorded), &value(asked), None);
    }
    score
}

impl Score {
    fn one(&mut self, what: &str, weight: u32, one: &[u8], other: &[u8], option: Option<String>) {
        if one == other {
            self.points += weight;
        } else {
            let (recorded, asked) = (shown(one), shown(other));
            self.differences.push(Difference { what: what.to_owned(), recorded, asked, option });
        }
    }

    fn path(&mut self, recorded: &[u8], asked: &[u8]) {
        let segments = |path: &[u8]| path.split(|o| *o == b'/').map(<[u8]>::to_vec).collect();
        let (one, other): (Vec<_>, Vec<_>) = (segments(recorded), segments(asked));
        let equal = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        self.points += 4 * u32::try_from(equal).unwrap_or(u32::MAX / 4);
        if one != other {
            let (recorded, asked) = (shown(recorded), shown(asked));
            self.differences.push(Difference {
                what: "path".to_owned(),
                recorded,
                asked,
                option: None,
            });
        }
    }

    fn named(
        &mut self,
        kind: &str,
        weight: u32,
        recorded: &[(String, String)],
        asked: &[(String, String)],
        option: impl Fn(&str) -> Option<String>,
    ) {
        for (name, value) in recorded {
            let found = asked.iter().find(|(other, _)| other == name);
            let other = found.map_or("", |(_, value)| value);
            let what = format!("{kind}.{name}");
            self.one(&what, weight, value.as_bytes(), other.as_bytes(), option(name));
        }
        for (name, value) in asked {
            if !recorded.iter().any(|(other, _)| other == name) {
                let what = format!("{kind}.{name}");
                self.one(&what, weight, b"", value.as_bytes(), option(name));
            }
        }
    }

    fn body(&mut self, recorded: &Request<'_>, asked: &Request<'_>, rules: &Rules) {
        if rules.ignores_body || recorded.body == asked.body {
            self.points += 2;
            return;
        }
        if let (Some(one), Some(other)) = (leaves(recorded.body), leaves(asked.body)) {
            return self
                .named("json", 2, &one, &other, |path| Some(format!("--ignore 'json.{path}'")));
        }
        self.one("body", 2, recorded.body, asked.body, Some("--ignore body".to_owned()));
    }
}

fn pairs(query: &[u8]) -> Vec<(String, String)> {
    let pairs = query.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let text = String::from_utf8_lossy(pair);
        let (name, value) = text.split_once('=').unwrap_or((&text, ""));
        (name.to_owned(), value.to_owned())
    });
    pairs.take(64).collect()
}

fn leaves(body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    json::leaves(body, &mut |steps, place| {
        if found.len() < 64 {
            let path = steps.iter().fold(String::from("$"), |path, step| match step {
                Step::Name(name) => path + "." + &String::from_utf8_lossy(name),
                Step::Index(index) => path + &format!("[{index}]"),
            });
            found.push((path, String::from_utf8_lossy(&body[place]).into_owned()));
        }
    })?;
    Some(found)
}

/// As much as a person reads.
fn shown(octets: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(&octets[..octets.len().min(MOST)]).into_owned();
    if octets.len() > MOST { format!("{text}… ({} octets)", octets.len()) } else { text }
}
