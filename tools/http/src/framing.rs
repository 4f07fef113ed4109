//! How long a body is: RFC 9112 6.3, without what two readers could read differently.

use std::fmt;

use crate::{AnswerHead, Fields, RequestHead, Version};

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many octets.
    Length(u64),
    /// By its last chunk and trailers.
    Chunked,
    /// With the connection. Answers alone.
    UntilClose,
    /// There is no body: what follows is another protocol.
    Tunnel,
}

/// Why framing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndEncoding,
    /// `Content-Length` is no number, too large, or there are several.
    Length,
    /// `Transfer-Encoding` is not `chunked` alone.
    Encoding,
    /// `Transfer-Encoding` in HTTP/1.0.
    EncodingInHttp10,
    /// No `Host` in HTTP/1.1, or several.
    Host,
}

impl FramingError {
    /// The status with which a server refuses such a request.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Encoding => 501,
            _ => 400,
        }
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LengthAndEncoding => "has both Content-Length and Transfer-Encoding",
            Self::Length => "has a Content-Length that is no single number",
            Self::Encoding => "has a Transfer-Encoding that is not chunked alone",
            Self::EncodingInHttp10 => "has a Transfer-Encoding in HTTP/1.0",
            Self::Host => "has not exactly one Host",
        })
    }
}

impl std::error::Error for FramingError {}

/// How a request's body ends.
///
/// # Errors
///
/// [`FramingError`].
pub fn of_request(head: &RequestHead<'_>) -> Result<Framing, FramingError> {
    let hosts = head.fields.all("host").count();
    if hosts > 1 || hosts == 0 && head.version == Version::Http11 {
        return Err(FramingError::Host);
    }
    let is_chunked = is_chunked(&head.fields, head.version)?;
    let length = length(&head.fields, false)?;
    match (is_chunked, length) {
        (true, Some(_)) => Err(FramingError::LengthAndEncoding),
        (true, None) => Ok(Framing::Chunked),
        (false, Some(0) | None) => Ok(Framing::None),
        (false, Some(octets)) => Ok(Framing::Length(octets)),
    }
}

/// How the body of an answer to a request with `method` ends.
///
/// # Errors
///
/// [`FramingError`].
pub fn of_answer(head: &AnswerHead<'_>, method: &[u8]) -> Result<Framing, FramingError> {
    let is_chunked = is_chunked(&head.fields, head.version)?;
    let length = length(&head.fields, true)?;
    if is_chunked && length.is_some() {
        return Err(FramingError::LengthAndEncoding);
    }
    if head.status == 101 || method == b"CONNECT" && (200..300).contains(&head.status) {
        return Ok(Framing::Tunnel);
    }
    if method == b"HEAD" || head.status < 200 || matches!(head.status, 204 | 304) {
        return Ok(Framing::None);
    }
    Ok(match (is_chunked, length) {
        (true, _) => Framing::Chunked,
        (false, Some(0)) => Framing::None,
        (false, Some(octets)) => Framing::Length(octets),
        (false, None) => Framing::UntilClose,
    })
}

/// Whether the connection is used again after a message with these fields.
#[must_use]
pub fn is_kept(version: Version, fields: &Fields<'_>) -> bool {
    match version {
        Version::Http11 => !fields.lists("connection", "close"),
        Version::Http10 => fields.lists("connection", "keep-alive"),
    }
}

fn is_chunked(fields: &Fields<'_>, version: Version) -> Result<bool, FramingError> {
    let mut encodings = fields.all("transfer-encoding");
    let Some(encoding) = encodings.next() else { return Ok(false) };
    if version == Version::Http10 {
        return Err(FramingError::EncodingInHttp10);
    }
    if encodings.next().is_some() || !encoding.eq_ignore_ascii_case(b"chunked") {
        return Err(FramingError::Encoding);
    }
    Ok(true)
}

fn length(fields: &Fields<'_>, may_repeat: bool) -> Result<Option<u64>, FramingError> {
    let mut lengths = fields.all("content-length");
    let Some(first) = lengths.next() else { return Ok(None) };
    let is_number = (1..=19).contains(&first.len()) && first.iter().all(u8::is_ascii_digit);
    let is_single = lengths.all(|other| may_repeat && other == first);
    let text = str::from_utf8(first).ok().filter(|_| is_number && is_single);
    let octets = text.and_then(|text| text.parse().ok());
    octets.map(Some).ok_or(FramingError::Length)
}
