//! What stands in records, by kind.

use crate::record::RECORD_OCTETS_MAX;

/// Octets of an exchange's payload before its four strings.
const EXCHANGE_OCTETS: usize = 64;

/// The protocol that the client spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

impl Protocol {
    /// HTTP/1.0.
    pub const HTTP_10: Self = Self(10);
    /// HTTP/1.1.
    pub const HTTP_11: Self = Self(11);
    /// HTTP/2.
    pub const HTTP_2: Self = Self(20);
}

/// The scheme of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(pub u8);

impl Scheme {
    /// Over plain TCP.
    pub const HTTP: Self = Self(1);
    /// Over TLS.
    pub const HTTPS: Self = Self(2);
}

/// How an exchange in pieces ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How(pub u8);

impl How {
    /// The answer was whole, or the WebSocket was closed by both.
    pub const COMPLETE: Self = Self(1);
    /// The client closed before the end.
    pub const CLIENT_LEFT: Self = Self(2);
    /// The server closed before the end.
    pub const SERVER_LEFT: Self = Self(3);
    /// The connection was reset.
    pub const RESET: Self = Self(4);
    /// Nothing came for too long.
    pub const TIMEOUT: Self = Self(5);
    /// A limit of the recorder was reached.
    pub const LIMIT: Self = Self(6);
    /// The recorder was stopped.
    pub const STOPPED: Self = Self(7);

    /// The name in listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::COMPLETE => "complete",
            Self::CLIENT_LEFT => "client left",
            Self::SERVER_LEFT => "server left",
            Self::RESET => "reset",
            Self::TIMEOUT => "timeout",
            Self::LIMIT => "limit",
            Self::STOPPED => "stopped",
            _ => "unknown",
        }
    }
}

/// A whole exchange, or what is known of one in pieces when its request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// Key of the request as it came; 0 if it is not kept.
    pub exact: u64,
    /// Key of the canonical text.
    pub canonical: u64,
    /// Request line and fields, with the empty line.
    pub request_head: &'a [u8],
    /// Content of the request, its framing removed.
    pub request_body: &'a [u8],
    /// Status line and fields, with the empty line.
    pub answer_head: &'a [u8],
    /// The answer's body; see the record's flags.
    pub answer_body: &'a [u8],
    /// Status code; 0 where it is not known yet.
    pub status: u16,
    /// What the client spoke.
    pub protocol: Protocol,
    /// The URL's scheme.
    pub scheme: Scheme,
    /// From the record's time to the end of the request.
    pub request_ns: u64,
    /// From the record's time to the answer's first octet.
    pub first_ns: u64,
    /// From the record's time to the answer's last octet.
    pub last_ns: u64,
}

impl<'a> Exchange<'a> {
    /// Reads the payload of an exchange or of an open one.
    #[must_use]
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let (fixed, strings) = payload.split_first_chunk::<EXCHANGE_OCTETS>()?;
        let (wide, _) = fixed.as_chunks::<8>();
        let (narrow, _) = fixed.as_chunks::<4>();
        let length = |word: usize| Some(u32::from_le_bytes(*narrow.get(word)?) as usize);
        let (request_head, rest) = strings.split_at_checked(length(4)?)?;
        let (request_body, rest) = rest.split_at_checked(length(5)?)?;
        let (answer_head, rest) = rest.split_at_checked(length(6)?)?;
        let (answer_body, rest) = rest.split_at_checked(length(7)?)?;
        if !rest.is_empty() {
            return None;
        }
        let [low, high, protocol, scheme, 0, 0, 0, 0] = *wide.get(4)? else { return None };
        Some(Self {
            exact: u64::from_le_bytes(*wide.first()?),
            canonical: u64::from_le_bytes(*wide.get(1)?),
            request_head,
            request_body,
            answer_head,
            answer_body,
            status: u16::from_le_bytes([low, high]),
            protocol: Protocol(protocol),
            scheme: Scheme(scheme),
            request_ns: u64::from_le_bytes(*wide.get(5)?),
            first_ns: u64::from_le_bytes(*wide.get(6)?),
            last_ns: u64::from_le_bytes(*wide.get(7)?),
        })
    }

    /// Adds the payload to `octets`; `None`, with nothing useful added, if a string is
    /// longer than a record can be.
    pub(crate) fn write(&self, octets: &mut Vec<u8>) -> Option<()> {
        let strings = [self.request_head, self.request_body, self.answer_head, self.answer_body];
        octets.extend_from_slice(&self.exact.to_le_bytes());
        octets.extend_from_slice(&self.canonical.to_le_bytes());
        for string in strings {
            let length = u32::try_from(string.len()).ok();
            let length = length.filter(|length| *length < RECORD_OCTETS_MAX)?;
            octets.extend_from_slice(&length.to_le_bytes());
        }
        octets.extend_from_slice(&self.status.to_le_bytes());
        octets.extend_from_slice(&[self.protocol.0, self.scheme.0, 0, 0, 0, 0]);
        for time_ns in [self.request_ns, self.first_ns, self.last_ns] {
            octets.extend_from_slice(&time_ns.to_le_bytes());
        }
        for string in strings {
            octets.extend_from_slice(string);
        }
        Some(())
    }
}

/// A reference to a body record, in place of an answer body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPlace {
    /// BLAKE3 of the body.
    pub digest: [u8; 32],
    /// Where the body record begins.
    pub offset: u64,
}

impl BodyPlace {
    /// Reads the reference.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let (digest, offset) = octets.split_first_chunk::<32>()?;
        let offset = <[u8; 8]>::try_from(offset).ok()?;
        Some(Self { digest: *digest, offset: u64::from_le_bytes(offset) })
    }

    /// The reference as it is written.
    #[must_use]
    pub fn to_octets(&self) -> [u8; 40] {
        let mut octets = [0; 40];
        octets[..32].copy_from_slice(&self.digest);
        octets[32..].copy_from_slice(&self.offset.to_le_bytes());
        octets
    }
}

/// Reads the payload of a body record: the digest, and the octets if they have it.
#[must_use]
pub fn parse_body(payload: &[u8]) -> Option<(&[u8; 32], &[u8])> {
    let (digest, body) = payload.split_first_chunk::<32>()?;
    (blake3::hash(body).as_bytes() == digest).then_some((digest, body))
}

/// Reads the payload of a frame record: the frame's first octet and its payload, unmasked.
#[must_use]
pub fn parse_frame(payload: &[u8]) -> Option<(u8, &[u8])> {
    payload.split_first().map(|(first, rest)| (*first, rest))
}

/// Reads the payload of an end record: how it ended, and the trailers as they came.
#[must_use]
pub fn parse_end(payload: &[u8]) -> Option<(How, &[u8])> {
    payload.split_first().map(|(how, trailers)| (How(*how), trailers))
}

/// What the last record of a file that was closed well says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Where the last index begins; 0 if there is none.
    pub last_index: u64,
    /// Exchanges in the file.
    pub exchanges: u64,
}

impl Close {
    /// Reads the payload.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (words, []) = payload.as_chunks::<8>() else { return None };
        let [last_index, exchanges] = *words else { return None };
        let (last_index, exchanges) =
            (u64::from_le_bytes(last_index), u64::from_le_bytes(exchanges));
        Some(Self { last_index, exchanges })
    }

    pub(crate) fn to_octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&self.last_index.to_le_bytes());
        octets[8..].copy_from_slice(&self.exchanges.to_le_bytes());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCHANGE: Exchange<'static> = Exchange {
        exact: 1,
        canonical: u64::MAX,
        request_head: b"GET / HTTP/1.1\r\n\r\n",
        request_body: b"",
        answer_head: b"HTTP/1.1 200 OK\r\n\r\n",
        answer_body: b"body",
        status: 200,
        protocol: Protocol::HTTP_11,
        scheme: Scheme::HTTPS,
        request_ns: 1,
        first_ns: 2,
        last_ns: 3,
    };

    #[test]
    fn exchange_is_read_as_it_was_written() {
        let mut octets = Vec::new();
        EXCHANGE.write(&mut octets).unwrap();
        assert_eq!(Exchange::parse(&octets), Some(EXCHANGE));
    }

    #[test]
    fn exchange_with_lengths_that_do_not_add_up_is_refused() {
        let mut octets = Vec::new();
        EXCHANGE.write(&mut octets).unwrap();
        for end in 0..octets.len() {
            assert_eq!(Exchange::parse(&octets[..end]), None, "{end}");
        }
        octets.push(0);
        assert_eq!(Exchange::parse(&octets), None);
    }

    #[test]
    fn body_with_another_digest_is_refused() {
        let mut payload = blake3::hash(b"a body").as_bytes().to_vec();
        payload.extend_from_slice(b"a body");
        assert!(parse_body(&payload).is_some());
        payload.pop();
        assert_eq!(parse_body(&payload), None);
    }
}
