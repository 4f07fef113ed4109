//! WebSocket frames, RFC 6455 5.2.

/// Octets of the longest frame header.
pub const HEADER_OCTETS_MAX: usize = 14;

/// The last fragment of a message.
pub const FIN: u8 = 0x80;
/// The three reserved bits.
pub const RESERVED: u8 = 0x70;

/// What a frame is: the low four bits of its first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// A further fragment.
    pub const CONTINUATION: Self = Self(0);
    /// Text.
    pub const TEXT: Self = Self(1);
    /// Octets.
    pub const BINARY: Self = Self(2);
    /// The end.
    pub const CLOSE: Self = Self(8);
    /// Asks for a pong.
    pub const PING: Self = Self(9);
    /// Answers a ping.
    pub const PONG: Self = Self(10);

    /// Whether it may stand between fragments.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & 8 != 0
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// FIN, the reserved bits and the opcode, as sent.
    pub first: u8,
    /// What the payload is masked with; clients always mask.
    pub mask: Option<[u8; 4]>,
    /// Octets of the payload.
    pub payload_octets: u64,
    /// Octets of the header.
    pub header_octets: usize,
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A reserved bit, which no extension was agreed for.
    Reserved,
    /// An opcode that is not defined.
    Opcode,
    /// A control frame in fragments or over 125 octets.
    Control,
    /// A length that is not written in its shortest form, or over 2^63.
    Length,
    /// A client's frame without a mask, or a server's with one.
    Mask,
}

impl FrameError {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "a reserved bit is set, and no extension was agreed",
            Self::Opcode => "the opcode is not defined",
            Self::Control => "a control frame is in fragments or over 125 octets",
            Self::Length => "the length is not in its shortest form",
            Self::Mask => "a client's frame has no mask, or a server's has one",
        }
    }
}

impl Header {
    /// The opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.first & 15)
    }

    /// Whether it is the last fragment.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.first & FIN != 0
    }

    /// Reads the header of a frame that a client or a server sent; `None` if more octets
    /// are needed. `reserved` are the bits that extensions allow.
    ///
    /// # Errors
    ///
    /// [`FrameError`].
    pub fn parse(
        octets: &[u8],
        is_from_client: bool,
        reserved: u8,
    ) -> Result<Option<Self>, FrameError> {
        let [first, second, rest @ ..] = octets else { return Ok(None) };
        let opcode = Opcode(first & 15);
        if first & RESERVED & !reserved != 0 {
            return Err(FrameError::Reserved);
        }
        if !matches!(opcode.0, 0..=2 | 8..=10) {
            return Err(FrameError::Opcode);
        }
        if (second & 0x80 != 0) != is_from_client {
            return Err(FrameError::Mask);
        }
        let short = second & 0x7F;
        if opcode.is_control() && (first & FIN == 0 || short > 125) {
            return Err(FrameError::Control);
        }
        let (payload_octets, rest) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        let is_shortest = match short {
            126 => payload_octets > 125,
            127 => payload_octets > 65_535 && payload_octets >> 63 == 0,
            _ => true,
        };
        if !is_shortest {
            return Err(FrameError::Length);
        }
        let (mask, rest) = if is_from_client {
            let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
            (Some(*mask), rest)
        } else {
            (None, rest)
        };
        let header_octets = octets.len() - rest.len();
        Ok(Some(Self { first: *first, mask, payload_octets, header_octets }))
    }
}

/// Masks or unmasks a payload; `at` is how many of its octets were before.
pub fn mask(payload: &mut [u8], mask: [u8; 4], at: usize) {
    let mut turned = mask;
    turned.rotate_left(at % 4);
    let (words, rest) = payload.as_chunks_mut::<4>();
    let word = u32::from_ne_bytes(turned);
    for four in words {
        *four = (u32::from_ne_bytes(*four) ^ word).to_ne_bytes();
    }
    for (octet, mask) in rest.iter_mut().zip(turned) {
        *octet ^= mask;
    }
}

/// Adds a frame as a server sends it.
pub fn write(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    write_length(0, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Adds a frame as a client sends it.
pub fn write_masked(first: u8, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    out.push(first);
    write_length(0x80, payload.len(), out);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[start..], key, 0);
}

fn write_length(bit: u8, octets: usize, out: &mut Vec<u8>) {
    match (u8::try_from(octets), u16::try_from(octets)) {
        (Ok(short @ 0..=125), _) => out.push(bit | short),
        (_, Ok(length)) => {
            out.push(bit | 0x7E);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(bit | 0x7F);
            out.extend_from_slice(&(octets as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frame_is_read_as_it_was_written(
            payload in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(any::<u8>(), 65_500..65_600),
            ],
            key: [u8; 4],
        ) {
            let mut octets = Vec::new();
            write_masked(FIN | 2, &payload, key, &mut octets);
            let header = Header::parse(&octets, true, 0).unwrap().unwrap();
            prop_assert_eq!(header.payload_octets, payload.len() as u64);
            for end in 0..header.header_octets {
                prop_assert_eq!(Header::parse(&octets[..end], true, 0), Ok(None));
            }
            // In two parts, cut anywhere.
            let body = &mut octets[header.header_octets..];
            let cut = usize::from(key[0]) % (body.len() + 1);
            mask(&mut body[..cut], key, 0);
            mask(&mut body[cut..], key, cut);
            prop_assert_eq!(&*body, &payload[..]);
            prop_assert_eq!(Header::parse(&octets, false, 0), Err(FrameError::Mask));
        }
    }

    #[test]
    fn wrong_frames_are_refused() {
        let refused = |octets: &[u8]| Header::parse(octets, false, 0).unwrap_err();
        assert_eq!(refused(&[0xC1, 0]), FrameError::Reserved);
        assert_eq!(refused(&[0x83, 0]), FrameError::Opcode);
        assert_eq!(refused(&[0x09, 0]), FrameError::Control);
        assert_eq!(refused(&[0x89, 126, 0, 200]), FrameError::Control);
        assert_eq!(refused(&[0x81, 126, 0, 125]), FrameError::Length);
        assert_eq!(refused(&[0x81, 127, 0, 0, 0, 0, 0, 0, 255, 255]), FrameError::Length);
        assert_eq!(refused(&[0x81, 127, 128, 0, 0, 0, 0, 1, 0, 0]), FrameError::Length);
    }
}
