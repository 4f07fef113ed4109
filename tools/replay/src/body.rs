//! A body on its way through.

use farend_http::{
    chunks::{ChunkError, Chunks, Part},
    framing::Framing,
};

/// How much of a body is still to come.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing more.
    Ended,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Tunnel => Self::Ended,
            Framing::Length(octets) => Self::Length(octets),
            Framing::Chunked => Self::Chunked(Chunks::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Takes what belongs to the body from the front of `octets`, shows its content, and
    /// says how many octets it took, framing included.
    pub(crate) fn take(
        &mut self,
        octets: &[u8],
        content: &mut impl FnMut(&[u8]),
    ) -> Result<usize, ChunkError> {
        match self {
            Self::Ended => Ok(0),
            Self::UntilClose => {
                content(octets);
                Ok(octets.len())
            }
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                content(&octets[..taken]);
                *left -= taken as u64;
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(taken)
            }
            Self::Chunked(chunks) => {
                let mut at = 0;
                loop {
                    let (part, taken) = chunks.next(&octets[at..])?;
                    if let Part::Data(data) = part {
                        content(data);
                    }
                    at += taken;
                    if taken == 0 {
                        break;
                    }
                }
                if chunks.has_ended() {
                    *self = Self::Ended;
                }
                Ok(at)
            }
        }
    }
}

/// The content of a body that lies there whole.
pub(crate) fn dechunked(octets: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(octets.len());
    let mut body = Body::Chunked(Chunks::default());
    body.take(octets, &mut |data| content.extend_from_slice(data)).ok()?;
    body.has_ended().then_some(content)
}
