//! Records: a header of 32 octets, a payload, zeros up to a multiple of 8.

/// Octets of a record's header.
pub const HEADER_OCTETS: usize = 32;

/// Most octets of a record, header and padding in.
pub const RECORD_OCTETS_MAX: u32 = 16 << 20;

/// From the server (pieces and frames).
pub const FLAG_SERVER: u8 = 1;
/// A chunk begins with this piece; in a whole exchange: the answer body has its chunked
/// framing inside.
pub const FLAG_CHUNK: u8 = 2;
/// The answer body is the digest and the offset of a body record.
pub const FLAG_BODY_ELSEWHERE: u8 = 4;
/// The body is stored decoded, because something in it was redacted.
pub const FLAG_DECODED: u8 = 8;

/// What a record is. Others than these are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// Version and rules in force, as JSON; the first of each run.
    pub const SETTINGS: Self = Self(1);
    /// A whole exchange.
    pub const EXCHANGE: Self = Self(2);
    /// The beginning of an exchange in pieces.
    pub const OPEN: Self = Self(3);
    /// Octets of a body, as they came.
    pub const PIECE: Self = Self(4);
    /// The head of an answer in pieces, also an interim one.
    pub const ANSWER: Self = Self(5);
    /// A WebSocket frame.
    pub const FRAME: Self = Self(6);
    /// The end of an exchange in pieces.
    pub const END: Self = Self(7);
    /// A body that several exchanges share.
    pub const BODY: Self = Self(8);
    /// Keys and where their exchanges are.
    pub const INDEX: Self = Self(9);
    /// The last record of a file that was closed well.
    pub const CLOSE: Self = Self(10);
}

/// A record's header, checksum apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// Octets of the record: header, payload and padding.
    pub octets: u32,
    /// What it is.
    pub kind: Kind,
    /// [`FLAG_SERVER`] and the like.
    pub flags: u8,
    /// Zeros at its end, 0 to 7.
    pub padding: u8,
    /// The connection, or 0.
    pub connection: u32,
    /// The exchange from 1 on, or 0.
    pub exchange: u64,
    /// Nanoseconds since the file was made.
    pub time_ns: u64,
}

impl RecordHead {
    /// Reads a header, and the checksum that it claims. `None` if no record begins so.
    #[must_use]
    pub fn parse(octets: &[u8; HEADER_OCTETS]) -> Option<(Self, u32)> {
        let (words, _) = octets.as_chunks::<4>();
        let [length, checksum, kinds, connection, low, high, early, late] = words else {
            return None;
        };
        let [kind, flags, padding, zero] = *kinds;
        let head = Self {
            octets: u32::from_le_bytes(*length),
            kind: Kind(kind),
            flags,
            padding,
            connection: u32::from_le_bytes(*connection),
            exchange: wide(*low, *high),
            time_ns: wide(*early, *late),
        };
        let is_sound = head.octets.is_multiple_of(8)
            && head.octets <= RECORD_OCTETS_MAX
            && zero == 0
            && padding < 8
            && head.octets as usize >= HEADER_OCTETS + usize::from(padding);
        is_sound.then(|| (head, u32::from_le_bytes(*checksum)))
    }
}

/// A whole record whose checksum held.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it begins, in octets from the start of the file.
    pub offset: u64,
    /// Its header.
    pub head: RecordHead,
    /// Header, payload and padding.
    octets: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes the octets of a record if its header and its checksum hold.
    #[must_use]
    pub fn parse(octets: &'a [u8], id: &[u8; 16], offset: u64) -> Option<Self> {
        let (head, claimed) = RecordHead::parse(octets.first_chunk()?)?;
        let is_whole = octets.len() == head.octets as usize;
        let holds = is_whole && checksum(id, offset, octets) == claimed;
        holds.then_some(Self { offset, head, octets })
    }

    /// A record whose checksum was compared already.
    pub(crate) fn trusted(octets: &'a [u8], head: RecordHead, offset: u64) -> Self {
        Self { offset, head, octets }
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        let end = self.octets.len() - usize::from(self.head.padding);
        &self.octets[HEADER_OCTETS..end]
    }

    /// Where the next record begins.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.head.octets)
    }
}

/// The checksum of a record with its header: CRC-32C of the file's id, the offset, the
/// length, and all from octet 8 on. So it holds in its own file and place alone.
pub(crate) fn checksum(id: &[u8; 16], offset: u64, record: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(id), &offset.to_le_bytes());
    let length = crc32c::crc32c_append(place, record.get(..4).unwrap_or_default());
    crc32c::crc32c_append(length, record.get(8..).unwrap_or_default())
}

fn wide(low: [u8; 4], high: [u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(high)) << 32 | u64::from(u32::from_le_bytes(low))
}
