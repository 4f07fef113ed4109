//! What is taken out of a message before it is written.
//!
//! What stands in its place does not depend on the secret, so a request with another
//! secret is the same request.

use std::ops::Range;

use crate::{
    Field,
    json::{self, Step},
    percent::decode_form,
};

/// What stands in place of a secret.
pub const PLACEHOLDER: &str = "REDACTED";

/// Fields whose whole value is a secret.
const FIELDS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-csrf-token",
    "x-goog-api-key",
];

/// Names in queries, forms and JSON, without `-` and `_` and in lower case.
const NAMES: [&str; 23] = [
    "token",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "csrftoken",
    "sessiontoken",
    "secret",
    "clientsecret",
    "secretkey",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "apikey",
    "privatekey",
    "accesskey",
    "secretaccesskey",
    "signature",
    "sig",
    "xamzsignature",
    "xamzsecuritytoken",
    "sessionid",
];

/// Adds a field's line, redacted; says whether something was.
pub fn field(field: &Field<'_>, out: &mut Vec<u8>) -> bool {
    let is_whole = FIELDS.iter().any(|name| field.is(name));
    let start = out.len();
    out.extend_from_slice(field.name);
    out.extend_from_slice(b": ");
    if is_whole {
        // The scheme of Authorization is no secret, but alone it is of no use either.
        out.extend_from_slice(PLACEHOLDER.as_bytes());
    } else if field.is("cookie") {
        cookies(field.value, usize::MAX, out);
    } else if field.is("set-cookie") {
        cookies(field.value, 1, out);
    } else if let Some(value) = location(field).or_else(|| patterns(field.value)) {
        out.extend_from_slice(&value);
    } else {
        out.truncate(start);
        out.extend_from_slice(field.line);
        return false;
    }
    out.extend_from_slice(b"\r\n");
    true
}

/// A URL in a field can hold secrets in its query.
fn location(found: &Field<'_>) -> Option<Vec<u8>> {
    let is_url = ["location", "referer", "content-location"].iter().any(|name| found.is(name));
    is_url.then(|| path(found.value)).flatten()
}

/// The first `most` values of `name=value; name=value`.
fn cookies(value: &[u8], most: usize, out: &mut Vec<u8>) {
    for (index, pair) in value.split(|octet| *octet == b';').enumerate() {
        if index > 0 {
            out.push(b';');
        }
        match pair.iter().position(|octet| *octet == b'=') {
            Some(equals) if index < most => {
                out.extend_from_slice(&pair[..=equals]);
                out.extend_from_slice(PLACEHOLDER.as_bytes());
            }
            None if index < most && !pair.trim_ascii().is_empty() => {
                out.extend_from_slice(PLACEHOLDER.as_bytes());
            }
            _ => out.extend_from_slice(pair),
        }
    }
}

/// A path with its query, or a URL, redacted; `None` if nothing was.
#[must_use]
pub fn path(path: &[u8]) -> Option<Vec<u8>> {
    let (before, query) = match path.iter().position(|octet| *octet == b'?') {
        Some(place) => path.split_at(place + 1),
        None => (path, &[][..]),
    };
    let mut redacted = before.to_vec();
    let mut has_changed = pairs(query, &mut redacted);
    if let Some(cleaned) = patterns(&redacted) {
        redacted = cleaned;
        has_changed = true;
    }
    has_changed.then_some(redacted)
}

/// A body of a media type, decoded, redacted; `None` if nothing was.
#[must_use]
pub fn body(media_type: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let end = media_type.iter().position(|octet| *octet == b';').unwrap_or(media_type.len());
    let kind = media_type[..end].trim_ascii().to_ascii_lowercase();
    let mut redacted = if kind == b"application/x-www-form-urlencoded" {
        let mut out = Vec::with_capacity(body.len());
        pairs(body, &mut out).then_some(out)
    } else {
        // Whatever it is called: a WebSocket's text has no type.
        json_names(body)
    };
    if let Some(cleaned) = patterns(redacted.as_deref().unwrap_or(body)) {
        redacted = Some(cleaned);
    }
    redacted
}

/// Whether a name means a secret.
fn is_secret(name: &[u8]) -> bool {
    let plain = name.iter().filter(|octet| !b"-_. []".contains(octet));
    let plain: Vec<u8> = plain.map(u8::to_ascii_lowercase).collect();
    NAMES.iter().any(|secret| secret.as_bytes() == plain)
}

/// Copies `name=value&…` with secret values replaced; says whether one was.
fn pairs(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut has_changed = false;
    if text.is_empty() {
        return false;
    }
    for (index, pair) in text.split(|octet| *octet == b'&').enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        let equals = pair.iter().position(|octet| *octet == b'=');
        match equals.filter(|equals| is_secret(&decode_form(&pair[..*equals]))) {
            Some(equals) => {
                out.extend_from_slice(&pair[..=equals]);
                out.extend_from_slice(PLACEHOLDER.as_bytes());
                has_changed = true;
            }
            None => out.extend_from_slice(pair),
        }
    }
    has_changed
}

/// Replaces leaves whose nearest name means a secret.
fn json_names(text: &[u8]) -> Option<Vec<u8>> {
    if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut found: Vec<Range<usize>> = Vec::new();
    json::leaves(text, &mut |steps, place| {
        let mut names = steps.iter().filter_map(|step| match step {
            Step::Name(name) => Some(name),
            Step::Index(_) => None,
        });
        // A null is no secret; everything beneath a secret name is one.
        if names.any(|name| is_secret(name)) && &text[place.clone()] != b"null" {
            found.push(place);
        }
    })?;
    let quoted = format!("\"{PLACEHOLDER}\"");
    replaced(text, &found, quoted.as_bytes())
}

fn replaced(text: &[u8], places: &[Range<usize>], with: &[u8]) -> Option<Vec<u8>> {
    if places.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for place in places {
        out.extend_from_slice(&text[at..place.start]);
        out.extend_from_slice(with);
        at = place.end;
    }
    out.extend_from_slice(&text[at..]);
    Some(out)
}

/// Replaces what is a secret by its form: JWT, private keys, keys of AWS, GitHub, Google,
/// Slack and Stripe. `None` if there is none.
#[must_use]
pub fn patterns(text: &[u8]) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let is_border = at == 0 || !is_word(text[at - 1]);
        match secret_at(&text[at..]).filter(|_| is_border) {
            Some(octets) => {
                found.push(at..at + octets);
                at += octets;
            }
            None => at += 1,
        }
    }
    replaced(text, &found, PLACEHOLDER.as_bytes())
}

/// Octets of the secret that `text` begins with.
fn secret_at(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'-' => private_key(text),
        b'e' => jwt(text),
        b'A' => {
            let is_key = [&b"AKIA"[..], b"ASIA"].iter().any(|start| text.starts_with(start));
            let is_part = |o: &u8| o.is_ascii_uppercase() || o.is_ascii_digit();
            prefixed(text, 4, 16, is_part).filter(|octets| is_key && *octets == 20)
        }
        b'g' => {
            let starts = [&b"ghp_"[..], b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"];
            let start = starts.iter().find(|start| text.starts_with(start))?;
            prefixed(text, start.len(), 20, |octet| is_word(*octet))
        }
        b'x' => {
            let is_token = text.starts_with(b"xox") && text.get(4) == Some(&b'-');
            is_token.then(|| prefixed(text, 5, 10, |o| is_word(*o) || *o == b'-')).flatten()
        }
        b's' | b'r' => {
            let starts = [&b"sk_live_"[..], b"sk_test_", b"rk_live_", b"sk-"];
            let start = starts.iter().find(|start| text.starts_with(start))?;
            prefixed(text, start.len(), 20, |octet| is_word(*octet) || *octet == b'-')
        }
        _ => None,
    }
}

fn prefixed(
    text: &[u8],
    prefix: usize,
    least: usize,
    is_part: impl Fn(&u8) -> bool,
) -> Option<usize> {
    let count = text.get(prefix..)?.iter().take_while(|octet| is_part(octet)).count();
    (count >= least).then_some(prefix + count)
}

fn jwt(text: &[u8]) -> Option<usize> {
    if !text.starts_with(b"eyJ") {
        return None;
    }
    let part = |from: usize| prefixed(text, from, 4, |octet| is_word(*octet) || *octet == b'-');
    let head = part(0)?;
    let dot = |at: usize| (text.get(at) == Some(&b'.')).then_some(at + 1);
    let payload = part(dot(head)?)?;
    part(dot(payload)?)
}

fn private_key(text: &[u8]) -> Option<usize> {
    const LONGEST: usize = 16 << 10;
    if !text.starts_with(b"-----BEGIN ") {
        return None;
    }
    let text = &text[..text.len().min(LONGEST)];
    let line = text.get(..64.min(text.len()))?;
    line.windows(16).position(|part| part == b"PRIVATE KEY-----")?;
    let end = text.windows(9).position(|part| part == b"-----END ")?;
    let last = text[end + 9..].windows(5).position(|part| part == b"-----")?;
    Some(end + 9 + last + 5)
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_fields;

    fn fields(lines: &str) -> String {
        let text = format!("{lines}\r\n\r\n");
        let (fields, _) = parse_fields(text.as_bytes()).unwrap().unwrap();
        let mut out = Vec::new();
        for one in fields.iter() {
            field(&one, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn secret_fields_are_replaced_and_others_stay_as_they_were() {
        assert_eq!(
            fields(
                "Authorization: Bearer abc\r\nCookie: a=1; b=2\r\nSet-Cookie: s=x; Path=/\r\nX-Y:  z "
            ),
            "Authorization: REDACTED\r\nCookie: a=REDACTED; b=REDACTED\r\n\
             Set-Cookie: s=REDACTED; Path=/\r\nX-Y:  z \r\n"
        );
        assert_eq!(
            fields("Location: https://a/cb?access_token=abc&x=1"),
            "Location: https://a/cb?access_token=REDACTED&x=1\r\n"
        );
    }

    #[test]
    fn secrets_in_bodies_are_found_by_name() {
        let text = br#"{"user":"u","auth":{"access_token":"abc","n":null},"password":[1,"x"]}"#;
        assert_eq!(
            body(b"application/json", text).unwrap(),
            br#"{"user":"u","auth":{"access_token":"REDACTED","n":null},"password":["REDACTED","REDACTED"]}"#
        );
        let form = b"user=u&pass%77ord=x&client-secret=y&token=";
        assert_eq!(
            body(b"application/x-www-form-urlencoded; charset=utf-8", form).unwrap(),
            b"user=u&pass%77ord=REDACTED&client-secret=REDACTED&token=REDACTED"
        );
        assert_eq!(body(b"application/json", br#"{"tokens":3,"passwords":"no"}"#), None);
    }

    #[test]
    fn secrets_are_found_by_form() {
        let key = format!("-----BEGIN RSA {k}-----\nMII\n-----END RSA {k}-----", k = "PRIVATE KEY");
        for secret in [
            "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM",
            &format!("AKIA{}", "ABCDEFGHIJKLMNOP"),
            &format!("ghp_{}", "a".repeat(36)),
            &format!("xoxb-{}", "123456789012-abc"),
            &format!("sk_live_{}", "a".repeat(24)),
            &key,
        ] {
            let text = format!("before {secret} after");
            let clean = patterns(text.as_bytes()).unwrap_or_else(|| panic!("{secret}"));
            assert_eq!(clean, b"before REDACTED after", "{secret}");
        }
        for harmless in ["eyJ", "AKIA123", "ghp_short", "xaAKIAABCDEFGHIJKLMNOP", "-----BEGIN x"] {
            assert_eq!(patterns(harmless.as_bytes()), None, "{harmless}");
        }
    }
}
