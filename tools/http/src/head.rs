//! Heads of requests and answers, in the wire's order and case.

use std::fmt;

/// Most octets of a head.
pub const HEAD_OCTETS_MAX: usize = 64 << 10;

/// Most fields of a head.
const FIELDS_MAX: usize = 256;

/// The versions that have this form of head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// More than [`HEAD_OCTETS_MAX`], or more than 256 fields.
    TooLong,
    /// The first line is none of a request or an answer.
    FirstLine,
    /// A version that is neither 1.0 nor 1.1.
    Version,
    /// A line ends without CR and LF, or has one of them inside.
    LineEnd,
    /// A line begins with white space: it would continue the one before.
    Folded,
    /// A field's name is empty or has an octet that names have not, such as a space
    /// before the colon.
    FieldName,
    /// A field's value has a control character.
    FieldValue,
}

impl HeadError {
    /// The status with which a server refuses such a request.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLong => 431,
            Self::Version => 505,
            _ => 400,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the head has more than 64 KiB or 256 fields",
            Self::FirstLine => "the first line is not one of HTTP/1",
            Self::Version => "the version is neither HTTP/1.0 nor HTTP/1.1",
            Self::LineEnd => "a line of the head does not end with CR LF",
            Self::Folded => "a line of the head begins with white space (a folded field)",
            Self::FieldName => "a field's name is empty or has a space or another wrong octet",
            Self::FieldValue => "a field's value has a control character",
        })
    }
}

impl std::error::Error for HeadError {}

/// One field as it stands in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, in the sender's case.
    pub name: &'a [u8],
    /// Its value, without white space around.
    pub value: &'a [u8],
    /// The whole line with its end.
    pub line: &'a [u8],
}

impl Field<'_> {
    /// Whether it has a name, in whatever case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Fields whose every line was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    /// Lines with their ends, without the empty one.
    lines: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Every field in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            let end = rest.iter().position(|octet| *octet == b'\n')? + 1;
            let (line, after) = rest.split_at(end);
            rest = after;
            let colon = line.iter().position(|octet| *octet == b':')?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            Some(Field { name, value: value.trim_ascii(), line })
        })
    }

    /// The values of the fields with a name, in whatever case.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |field| field.is(name)).map(|field| field.value)
    }

    /// The first value of a name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Whether a field that is a list, such as `Connection`, has an element.
    #[must_use]
    pub fn lists(&self, name: &str, element: &str) -> bool {
        let mut elements = self
            .all(name)
            .flat_map(|value| value.split(|octet| *octet == b','))
            .map(<[u8]>::trim_ascii);
        elements.any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
    }

    /// The lines as they came.
    #[must_use]
    pub fn as_octets(&self) -> &'a [u8] {
        self.lines
    }
}

/// A request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The method, which has a case.
    pub method: &'a [u8],
    /// The target as it came.
    pub target: &'a [u8],
    /// The version.
    pub version: Version,
    /// The fields.
    pub fields: Fields<'a>,
    /// Octets of the head with the empty line, and with one before it if there was one.
    pub octets: usize,
}

/// An answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerHead<'a> {
    /// The version.
    pub version: Version,
    /// The status code, 100 to 999.
    pub status: u16,
    /// The first line, without its end.
    pub line: &'a [u8],
    /// The fields.
    pub fields: Fields<'a>,
    /// Octets of the head with the empty line.
    pub octets: usize,
}

/// Reads a request's head; `None` if more octets are needed.
///
/// # Errors
///
/// [`HeadError`].
pub fn parse_request(octets: &[u8]) -> Result<Option<RequestHead<'_>>, HeadError> {
    // RFC 9112 2.2: a server ignores an empty line before a request.
    let skipped = if octets.starts_with(b"\r\n") { 2 } else { 0 };
    let Some((line, rest)) = line(&octets[skipped..])? else { return Ok(None) };
    let mut words = line.split(|octet| *octet == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::FirstLine);
    };
    let is_part = |octet: &u8| *octet > b' ' && *octet != 0x7F;
    // Beyond ASCII is against RFC 3986, but usual; other readers take UTF-8 alone.
    let is_target = target.iter().all(is_part) && str::from_utf8(target).is_ok();
    if !is_token(method) || target.is_empty() || !is_target {
        return Err(HeadError::FirstLine);
    }
    let version = parse_version(version)?;
    let Some((fields, after)) = fields(rest)? else { return Ok(None) };
    let head = RequestHead { method, target, version, fields, octets: octets.len() - after.len() };
    within_limit(head.octets)?;
    Ok(Some(head))
}

/// Reads an answer's head; `None` if more octets are needed.
///
/// # Errors
///
/// [`HeadError`].
pub fn parse_answer(octets: &[u8]) -> Result<Option<AnswerHead<'_>>, HeadError> {
    let Some((line, rest)) = line(octets)? else { return Ok(None) };
    let Some((version, status)) = line.split_at_checked(8) else {
        return Err(HeadError::FirstLine);
    };
    let version = parse_version(version)?;
    let [b' ', hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', reason @ ..] =
        status
    else {
        return Err(HeadError::FirstLine);
    };
    let is_reason = reason.is_empty() || reason.starts_with(b" ") && reason.iter().all(is_text);
    if !is_reason {
        return Err(HeadError::FirstLine);
    }
    let digit = |octet: &u8| u16::from(*octet - b'0');
    let status = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
    let Some((fields, after)) = fields(rest)? else { return Ok(None) };
    let head = AnswerHead { version, status, line, fields, octets: octets.len() - after.len() };
    within_limit(head.octets)?;
    Ok(Some(head))
}

/// Reads fields up to the empty line, such as trailers, and says what follows; `None` if
/// more octets are needed.
///
/// # Errors
///
/// [`HeadError`].
pub fn parse_fields(octets: &[u8]) -> Result<Option<(Fields<'_>, &[u8])>, HeadError> {
    fields(octets)
}

fn within_limit(octets: usize) -> Result<(), HeadError> {
    if octets > HEAD_OCTETS_MAX { Err(HeadError::TooLong) } else { Ok(()) }
}

fn fields(octets: &[u8]) -> Result<Option<(Fields<'_>, &[u8])>, HeadError> {
    let mut rest = octets;
    for _field in 0..=FIELDS_MAX {
        let Some((text, after)) = line(rest)? else { return Ok(None) };
        if text.is_empty() {
            let lines = &octets[..octets.len() - rest.len()];
            return Ok(Some((Fields { lines }, after)));
        }
        check_field(text)?;
        rest = after;
    }
    Err(HeadError::TooLong)
}

fn check_field(text: &[u8]) -> Result<(), HeadError> {
    if matches!(text.first(), Some(b' ' | b'\t')) {
        return Err(HeadError::Folded);
    }
    let colon = text.iter().position(|octet| *octet == b':').ok_or(HeadError::FieldName)?;
    if !is_token(&text[..colon]) {
        return Err(HeadError::FieldName);
    }
    if text[colon..].iter().all(is_text) { Ok(()) } else { Err(HeadError::FieldValue) }
}

/// A line and what follows.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The next line without its end, and what follows.
fn line(octets: &[u8]) -> Result<Option<Split<'_>>, HeadError> {
    let Some(end) = octets.iter().position(|octet| matches!(octet, b'\r' | b'\n')) else {
        within_limit(octets.len())?;
        return Ok(None);
    };
    match octets[end..] {
        [b'\r', b'\n', ref rest @ ..] => Ok(Some((&octets[..end], rest))),
        [b'\r'] => Ok(None),
        _ => Err(HeadError::LineEnd),
    }
}

fn parse_version(octets: &[u8]) -> Result<Version, HeadError> {
    match octets {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(HeadError::Version),
        _ => Err(HeadError::FirstLine),
    }
}

/// RFC 9110 5.6.2.
fn is_token(octets: &[u8]) -> bool {
    let is_part = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    !octets.is_empty() && octets.iter().all(is_part)
}

/// RFC 9110 5.5: visible, space, tab, or beyond ASCII.
fn is_text(octet: &u8) -> bool {
    *octet >= b' ' && *octet != 0x7F || *octet == b'\t'
}
