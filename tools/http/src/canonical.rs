//! What counts as the same request: canonical text and keys.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{
    Fields, Origin, json,
    percent::{decode_form, encode, normalise},
};

/// A body over this is compared by its BLAKE3.
const RAW_OCTETS_MAX: usize = 64 << 10;

/// Fields that are part of a request's identity.
const MATCHED_FIELDS: [&str; 2] = ["range", "last-event-id"];

/// What is looked at and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Further fields that must be equal.
    pub match_fields: Vec<String>,
    /// Names in the query that are not looked at.
    pub ignored_query: Vec<String>,
    /// Names in a form that are not looked at.
    pub ignored_form: Vec<String>,
    /// Parts of JSON bodies that are not looked at.
    pub ignored_json: Vec<json::Path>,
    /// Whether bodies are not looked at.
    pub ignores_body: bool,
}

impl Rules {
    /// Adds what `--ignore` names: `query.NAME`, `form.NAME`, `json.$.PATH` or `body`.
    ///
    /// # Errors
    ///
    /// A sentence that says what can be named.
    pub fn ignore(&mut self, what: &str) -> Result<(), String> {
        if let Some(name) = what.strip_prefix("query.") {
            self.ignored_query.push(name.to_owned());
        } else if let Some(name) = what.strip_prefix("form.") {
            self.ignored_form.push(name.to_owned());
        } else if let Some(path) = what.strip_prefix("json.").and_then(json::Path::parse) {
            self.ignored_json.push(path);
        } else if what == "body" {
            self.ignores_body = true;
        } else {
            return Err(format!("{what}: not query.NAME, form.NAME, json.$.PATH or body"));
        }
        Ok(())
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        MATCHED_FIELDS.into_iter().chain(self.match_fields.iter().map(String::as_str))
    }
}

/// A request as far as it is compared.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The server.
    pub origin: &'a Origin,
    /// Path and query as they came.
    pub path: &'a [u8],
    /// The fields.
    pub fields: Fields<'a>,
    /// The content, without framing.
    pub body: &'a [u8],
}

/// The key of a request as it came.
#[must_use]
pub fn exact_key(request: &Request<'_>, rules: &Rules) -> u64 {
    let mut hash = Xxh3::new();
    // A separator that no part can hold, so that no two requests run together.
    let mut add = |part: &[u8]| {
        hash.update(part);
        hash.update(b"\n");
    };
    add(request.method);
    add(request.origin.scheme.name().as_bytes());
    add(request.origin.host.as_bytes());
    add(&request.origin.port.to_le_bytes());
    add(request.path);
    for name in rules.fields() {
        for value in request.fields.all(name) {
            add(name.as_bytes());
            add(value);
        }
    }
    add(b"");
    hash.update(request.body);
    hash.digest().max(1)
}

/// Whether two requests are the same as they came.
#[must_use]
pub fn is_exactly(one: &Request<'_>, other: &Request<'_>, rules: &Rules) -> bool {
    one.method == other.method
        && one.path == other.path
        && one.body == other.body
        && one.origin == other.origin
        && rules.fields().all(|name| one.fields.all(name).eq(other.fields.all(name)))
}

/// The key of a canonical text.
#[must_use]
pub fn key(text: &[u8]) -> u64 {
    xxh3_64(text).max(1)
}

/// Writes the canonical text of a request into `text`, which is emptied before.
pub fn write(request: &Request<'_>, rules: &Rules, text: &mut Vec<u8>) {
    text.clear();
    text.extend_from_slice(request.method);
    text.push(b' ');
    text.extend_from_slice(request.origin.to_string().as_bytes());
    let (path, query) = split_once(request.path, b'?');
    if path.is_empty() {
        text.push(b'/');
    }
    normalise(path, text);
    text.push(b'\n');
    write_query(query, rules, text);
    for name in rules.fields() {
        for value in request.fields.all(name) {
            text.extend_from_slice(name.to_ascii_lowercase().as_bytes());
            text.push(b':');
            text.extend_from_slice(value);
            text.push(b'\n');
        }
    }
    text.push(b'\n');
    if !rules.ignores_body {
        write_body(request, rules, text);
    }
}

fn write_query(query: Option<&[u8]>, rules: &Rules, text: &mut Vec<u8>) {
    let Some(query) = query else { return };
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for pair in query.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty()) {
        let (name, value) = split_once(pair, b'=');
        let mut parts = (Vec::new(), Vec::new());
        normalise(name, &mut parts.0);
        if let Some(value) = value {
            parts.1.push(b'=');
            normalise(value, &mut parts.1);
        }
        if !rules.ignored_query.iter().any(|ignored| ignored.as_bytes() == parts.0) {
            pairs.push(parts);
        }
    }
    // Stable: values of one name keep their order.
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in pairs {
        text.extend_from_slice(&name);
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
}

fn write_body(request: &Request<'_>, rules: &Rules, text: &mut Vec<u8>) {
    let body = request.body;
    let kind = request.fields.first("content-type").unwrap_or_default();
    let (kind, parameters) = split_once(kind, b';');
    let kind = kind.trim_ascii().to_ascii_lowercase();
    let start = text.len();
    if kind == b"application/json" || kind.ends_with(b"+json") {
        text.extend_from_slice(b"json ");
        if json::canonical(body, &rules.ignored_json, text).is_some() {
            return;
        }
    } else if kind == b"application/x-www-form-urlencoded" {
        text.extend_from_slice(b"form ");
        return write_form(body, rules, text);
    } else if kind == b"multipart/form-data"
        && let Some(boundary) = boundary(parameters.unwrap_or_default())
    {
        text.extend_from_slice(b"multipart ");
        if write_multipart(body, boundary, text).is_some() {
            return;
        }
    }
    text.truncate(start);
    text.extend_from_slice(b"raw ");
    if body.len() > RAW_OCTETS_MAX {
        text.extend_from_slice(blake3::hash(body).to_hex().as_bytes());
    } else {
        text.extend_from_slice(body);
    }
}

fn write_form(body: &[u8], rules: &Rules, text: &mut Vec<u8>) {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for pair in body.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty()) {
        let (name, value) = split_once(pair, b'=');
        let name = decode_form(name);
        if !rules.ignored_form.iter().any(|ignored| ignored.as_bytes() == name) {
            pairs.push((name, decode_form(value.unwrap_or_default())));
        }
    }
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in pairs {
        encode(&name, text);
        text.push(b'=');
        encode(&value, text);
        text.push(b'&');
    }
}

/// The boundary of a multipart body, from its type's parameters.
fn boundary(parameters: &[u8]) -> Option<&[u8]> {
    let mut all = parameters.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    let found = all.find_map(|parameter| {
        let (name, value) = split_once(parameter, b'=');
        value.filter(|_| name.eq_ignore_ascii_case(b"boundary"))
    })?;
    let found = found.strip_prefix(b"\"").and_then(|f| f.strip_suffix(b"\"")).unwrap_or(found);
    (1..=70).contains(&found.len()).then_some(found)
}

/// Each part behind its length: what clients draw by chance is left out.
fn write_multipart(body: &[u8], boundary: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let mut rest = body.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let mut mark = b"\r\n--".to_vec();
    mark.extend_from_slice(boundary);
    while !rest.starts_with(b"--") {
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, &mark)?;
        text.extend_from_slice(format!("{end}:").as_bytes());
        text.extend_from_slice(&rest[..end]);
        rest = &rest[end + mark.len()..];
    }
    Some(())
}

fn find(octets: &[u8], mark: &[u8]) -> Option<usize> {
    let first = *mark.first()?;
    let mut at = 0;
    loop {
        at += octets.get(at..)?.iter().position(|octet| *octet == first)?;
        if octets[at..].starts_with(mark) {
            return Some(at);
        }
        at += 1;
    }
}

fn split_once(octets: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match octets.iter().position(|octet| *octet == at) {
        Some(place) => (&octets[..place], Some(&octets[place + 1..])),
        None => (octets, None),
    }
}
