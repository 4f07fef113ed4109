//! Chunked framing, RFC 9112 7.1, octet by octet.

use crate::{HeadError, parse_fields};

/// Most octets of a chunk's first line.
const LINE_OCTETS_MAX: usize = 4_096;

/// Reads chunked framing. Octets that it does not take are given to it again with more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data {
        left: u64,
    },
    /// Behind a chunk's data.
    LineEnd,
    Trailers,
    Ended,
}

/// What stands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A chunk of so many octets begins.
    Begins {
        /// Its octets.
        octets: u64,
    },
    /// Octets of a chunk.
    Data(&'a [u8]),
    /// The end of a chunk.
    Ends,
    /// Trailers with the empty line: the end of the body.
    Trailers(&'a [u8]),
    /// More octets are needed, or the body has ended.
    Nothing,
}

/// Octets that are no chunked framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkError {
    /// A size that is no hexadecimal number, or a line that is too long.
    Size,
    /// A chunk does not end with CR LF.
    LineEnd,
    /// Trailers that are no fields.
    Trailers(HeadError),
}

impl Chunks {
    /// Takes the next part from the front of `octets`, and says how many it took.
    ///
    /// # Errors
    ///
    /// [`ChunkError`].
    pub fn next<'a>(&mut self, octets: &'a [u8]) -> Result<(Part<'a>, usize), ChunkError> {
        match self.state {
            State::Size => self.size(octets),
            State::Data { left } => {
                let room = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
                if room == 0 {
                    return Ok((Part::Nothing, 0));
                }
                let left = left - room as u64;
                self.state = if left == 0 { State::LineEnd } else { State::Data { left } };
                Ok((Part::Data(&octets[..room]), room))
            }
            State::LineEnd => match octets {
                [b'\r', b'\n', ..] => {
                    self.state = State::Size;
                    Ok((Part::Ends, 2))
                }
                [] | [b'\r'] => Ok((Part::Nothing, 0)),
                _ => Err(ChunkError::LineEnd),
            },
            State::Trailers => {
                let Some((_, after)) = parse_fields(octets).map_err(ChunkError::Trailers)? else {
                    if octets.len() > crate::HEAD_OCTETS_MAX {
                        return Err(ChunkError::Trailers(HeadError::TooLong));
                    }
                    return Ok((Part::Nothing, 0));
                };
                let taken = octets.len() - after.len();
                self.state = State::Ended;
                Ok((Part::Trailers(&octets[..taken]), taken))
            }
            State::Ended => Ok((Part::Nothing, 0)),
        }
    }

    /// Whether the last chunk and the trailers were read.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn size<'a>(&mut self, octets: &'a [u8]) -> Result<(Part<'a>, usize), ChunkError> {
        let end = octets.iter().position(|octet| matches!(octet, b'\r' | b'\n'));
        if end.unwrap_or(octets.len()) > LINE_OCTETS_MAX {
            return Err(ChunkError::Size);
        }
        let Some(end) = end else {
            // What is wrong already is not waited for.
            return match octets.first() {
                Some(first) if !first.is_ascii_hexdigit() => Err(ChunkError::Size),
                _ => Ok((Part::Nothing, 0)),
            };
        };
        match octets[end..] {
            [b'\r', b'\n', ..] => {}
            [b'\r'] => return Ok((Part::Nothing, 0)),
            _ => return Err(ChunkError::Size),
        }
        let line = &octets[..end];
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        let is_text = |octet: &u8| *octet >= b' ' && *octet != 0x7F || *octet == b'\t';
        let is_extension = extension.is_empty() || extension.starts_with(b";");
        let text = str::from_utf8(size).ok().filter(|size| (1..=15).contains(&size.len()));
        let left = text.and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(left) = left.filter(|_| is_extension && extension.iter().all(is_text)) else {
            return Err(ChunkError::Size);
        };
        self.state = if left == 0 { State::Trailers } else { State::Data { left } };
        Ok((Part::Begins { octets: left }, end + 2))
    }
}
