//! Heads as they are sent on, stored and answered.

use std::fmt::Write as _;

use farend_http::{
    Field, Fields, Origin, RequestHead, Version, framing::Framing, is_hop_by_hop, redact,
    without_hops,
};

use crate::settings::Settings;

/// Fields that ask for an answer only if something changed.
const CONDITIONAL: [&str; 4] =
    ["if-none-match", "if-modified-since", "if-unmodified-since", "if-match"];

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) origin: Origin,
    /// Path and query.
    pub(crate) path: Vec<u8>,
}

/// A request as it is stored and compared: what is redacted is gone from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) head: Vec<u8>,
    /// Whether something was taken out.
    pub(crate) is_redacted: bool,
}

/// The head of a request without what is meant for this hop, secrets replaced.
pub(crate) fn stored_request(head: &RequestHead<'_>, place: &Place, settings: &Settings) -> Stored {
    let mut stored = Stored::default();
    let redacted = if settings.redacts { redact::path(&place.path) } else { None };
    stored.is_redacted = redacted.is_some();
    line(head, redacted.as_deref().unwrap_or(&place.path), &mut stored.head);
    let authority = place.origin.authority();
    for field in without_hops(&head.fields).filter(|field| !is_conditional(field)) {
        if field.is("host") {
            host(field.name, &authority, &mut stored.head);
        } else if settings.redacts {
            stored.is_redacted |= redact::field(&field, &mut stored.head);
        } else {
            stored.head.extend_from_slice(field.line);
        }
    }
    if head.fields.first("host").is_none() {
        host(b"Host", &authority, &mut stored.head);
    }
    stored.head.extend_from_slice(b"\r\n");
    stored
}

/// The head of a request as it came, its target reduced to path and query.
pub(crate) fn original(head: &RequestHead<'_>, place: &Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.octets);
    line(head, &place.path, &mut out);
    out.extend_from_slice(head.fields.as_octets());
    out.extend_from_slice(b"\r\n");
    out
}

/// The head of a request as it goes to the origin.
pub(crate) fn onward_request(
    head: &RequestHead<'_>,
    place: &Place,
    framing: Framing,
    is_recorded: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.octets + 64);
    line(head, &place.path, &mut out);
    let authority = place.origin.authority();
    let is_upgrade = is_websocket(head);
    for field in without_hops(&head.fields) {
        if is_recorded && is_conditional(&field) {
            continue;
        }
        if field.is("host") {
            host(field.name, &authority, &mut out);
        } else if is_recorded && is_upgrade && field.is("sec-websocket-extensions") {
            // A compressed message could be neither matched nor redacted.
        } else if is_recorded && field.is("accept-encoding") {
            accept_encoding(&field, &mut out);
        } else {
            out.extend_from_slice(field.line);
        }
    }
    if head.fields.first("host").is_none() {
        host(b"Host", &authority, &mut out);
    }
    if framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if is_upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else if head.version == Version::Http10 {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Only codings that are searched for secrets are asked for.
fn accept_encoding(field: &Field<'_>, out: &mut Vec<u8>) {
    let known = |coding: &&[u8]| {
        let name = coding.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        ["gzip", "x-gzip", "deflate", "identity"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    let all = field.value.split(|octet| *octet == b',');
    let kept: Vec<&[u8]> = all.map(<[u8]>::trim_ascii).filter(known).collect();
    out.extend_from_slice(field.name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(if kept.is_empty() { b"identity" } else { b"" });
    out.extend_from_slice(&kept.join(&b", "[..]));
    out.extend_from_slice(b"\r\n");
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_websocket(head: &RequestHead<'_>) -> bool {
    head.method == b"GET"
        && head.fields.lists("connection", "upgrade")
        && head.fields.lists("upgrade", "websocket")
}

/// First line and fields of an answer without what is meant for this hop; secrets are
/// replaced if asked. No empty line.
pub(crate) fn answer(line: &[u8], fields: &Fields<'_>, redacts: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len() + fields.as_octets().len() + 8);
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
    for field in without_hops(fields) {
        if redacts {
            redact::field(&field, &mut out);
        } else {
            out.extend_from_slice(field.line);
        }
    }
    out
}

/// The fields of this hop: how the body ends and whether the connection is kept.
pub(crate) fn hop_fields(is_chunked: bool, version: Version, is_kept: bool) -> &'static [u8] {
    match (is_chunked, is_kept, version) {
        (true, true, _) => b"Transfer-Encoding: chunked\r\n\r\n",
        (true, false, _) => b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        (false, true, Version::Http11) => b"\r\n",
        (false, true, Version::Http10) => b"Connection: keep-alive\r\n\r\n",
        (false, false, _) => b"Connection: close\r\n\r\n",
    }
}

/// An answer of the proxy itself.
pub(crate) fn own_answer(status: u16, content: &str, is_head: bool, is_kept: bool) -> Vec<u8> {
    let reason = match status {
        400 => "Bad Request",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Bad Gateway",
    };
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    let kind = if content.starts_with('{') { "application/json" } else { "text/plain" };
    let _infallible = write!(
        head,
        "Content-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nX-Farend-Replay: own\r\n",
        content.len()
    );
    head.push_str(if is_kept { "\r\n" } else { "Connection: close\r\n\r\n" });
    if !is_head {
        head.push_str(content);
    }
    head.into_bytes()
}

fn line(head: &RequestHead<'_>, path: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(head.method);
    out.push(b' ');
    out.extend_from_slice(path);
    let version = if head.version == Version::Http10 { "1.0" } else { "1.1" };
    out.extend_from_slice(b" HTTP/");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn host(name: &[u8], authority: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(authority.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn is_conditional(field: &Field<'_>) -> bool {
    CONDITIONAL.iter().any(|name| field.is(name))
}

/// Takes `Content-Length` (and what `also` names) out of a stored head and puts a length.
pub(crate) fn with_length(head: &[u8], octets: usize, also: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len() + 32);
    for line in head.split_inclusive(|octet| *octet == b'\n') {
        let name = line.split(|octet| *octet == b':').next().unwrap_or_default();
        let is_old = name.eq_ignore_ascii_case(b"content-length")
            || name.eq_ignore_ascii_case(also.as_bytes())
            || is_hop_by_hop(name);
        if !is_old && line != b"\r\n" {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(format!("Content-Length: {octets}\r\n\r\n").as_bytes());
    out
}
