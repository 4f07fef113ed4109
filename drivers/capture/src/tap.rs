//! Records of a tap: a head of [`HEAD_OCTETS`], then the frame's octets as
//! they were received.
//!
//! All numbers are little-endian.
//!
//! | octets | |
//! |---|---|
//! | 0 | version, [`VERSION`] |
//! | 1 | [code](farend_core::Verdict::code) of the verdict |
//! | 2-3 | 0 |
//! | 4-7 | octets that the frame had, FCS out |
//! | 8-15 | nanoseconds since 1970 when its burst came |
//! | 16-19 | index of the interface in the system, or 0 |
//! | 20-35 | name of the interface, filled up with 0 |
//! | 36-39 | 0 |

use farend_core::Verdict;

/// Goes up when a field changes its meaning or its place.
pub const VERSION: u8 = 1;

/// Octets before a frame's own.
pub const HEAD_OCTETS: usize = 40;

/// The same in words of 64 bits.
pub const HEAD_WORDS: usize = HEAD_OCTETS / 8;

/// Octets of an interface's name, as Linux has it (`IFNAMSIZ`).
pub const NAME_OCTETS: usize = 16;

/// What is known of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// What became of it.
    pub verdict: Verdict,
    /// Octets that it had, FCS out.
    pub whole_octets: u32,
    /// Nanoseconds since 1970 when its burst came.
    pub time_unix_ns: u64,
    /// Where it came in.
    pub interface: Interface,
}

/// An interface, as a record names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its index in the system, or 0.
    pub index: u32,
    name: [u8; NAME_OCTETS],
}

impl Interface {
    /// Takes as much of the name as a record holds.
    #[must_use]
    pub fn new(index: u32, name: &str) -> Self {
        let mut octets = [0; NAME_OCTETS];
        octets.iter_mut().zip(name.bytes()).for_each(|(octet, c)| *octet = c);
        Self { index, name: octets }
    }

    /// Its name; octets that are no text are replaced.
    #[must_use]
    pub fn name(&self) -> String {
        let end = self.name.iter().position(|octet| *octet == 0).unwrap_or(NAME_OCTETS);
        String::from_utf8_lossy(self.name.get(..end).unwrap_or_default()).into_owned()
    }
}

/// Why a record cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// It ends inside its head.
    Short,
    /// It is of another version.
    Version(u8),
    /// No verdict has this code.
    Verdict(u8),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => f.write_str("a record ends inside its head"),
            Self::Version(version) => write!(
                f,
                "it holds no records of a tap, or those of version {version}; this program reads \
                 version {VERSION}: check the name, use driver and tester of one release"
            ),
            Self::Verdict(code) => write!(f, "no verdict has the code {code}"),
        }
    }
}

impl std::error::Error for Unread {}

impl Head {
    /// The head's octets.
    #[inline]
    fn octets(&self) -> [u8; HEAD_OCTETS] {
        let mut octets = [0; HEAD_OCTETS];
        octets[0] = VERSION;
        octets[1] = self.verdict.code();
        octets[4..8].copy_from_slice(&self.whole_octets.to_le_bytes());
        octets[8..16].copy_from_slice(&self.time_unix_ns.to_le_bytes());
        octets[16..20].copy_from_slice(&self.interface.index.to_le_bytes());
        octets[20..36].copy_from_slice(&self.interface.name);
        octets
    }

    /// The head as words in this machine's order of octets, which lie in memory
    /// as the record's octets do.
    #[must_use]
    #[inline]
    pub fn to_words(&self) -> [u64; HEAD_WORDS] {
        let octets = self.octets();
        let mut words = [0; HEAD_WORDS];
        let (chunks, _) = octets.as_chunks::<8>();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_ne_bytes(*chunk);
        }
        words
    }

    /// Takes a record apart: its head and the frame's octets.
    ///
    /// # Errors
    ///
    /// [`Unread`] says what is wrong with it.
    pub fn parse(record: &[u8]) -> Result<(Self, &[u8]), Unread> {
        let (head, frame) = record.split_first_chunk::<HEAD_OCTETS>().ok_or(Unread::Short)?;
        if head[0] != VERSION {
            return Err(Unread::Version(head[0]));
        }
        let verdict = Verdict::from_code(head[1]).ok_or(Unread::Verdict(head[1]))?;
        let (mut whole, mut time, mut index) = ([0; 4], [0; 8], [0; 4]);
        whole.copy_from_slice(&head[4..8]);
        time.copy_from_slice(&head[8..16]);
        index.copy_from_slice(&head[16..20]);
        let mut name = [0; NAME_OCTETS];
        name.copy_from_slice(&head[20..36]);
        let head = Self {
            verdict,
            whole_octets: u32::from_le_bytes(whole),
            time_unix_ns: u64::from_le_bytes(time),
            interface: Interface { index: u32::from_le_bytes(index), name },
        };
        Ok((head, frame))
    }
}

#[cfg(test)]
mod tests {
    use farend_core::{Kind, Reason};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for (verdict, name) in [
            (Verdict::Reflect(Kind::Latency), "eth1"),
            (Verdict::Refuse(Reason::RateCap), "sixteen_octets__"),
            (Verdict::Refuse(Reason::Vlan), ""),
        ] {
            let interface = Interface::new(7, name);
            let head = Head { verdict, whole_octets: 1_514, time_unix_ns: 1 << 60, interface };
            let words: Vec<u8> = head.to_words().iter().flat_map(|one| one.to_ne_bytes()).collect();
            assert_eq!(words, head.octets());
            let record = [&words[..], b"frame"].concat();
            let (read, frame) = Head::parse(&record).unwrap();
            assert_eq!((read, frame), (head, &b"frame"[..]));
            assert_eq!(read.interface.name(), name);
        }
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_reason() {
        assert_eq!(Head::parse(&[VERSION; 39]), Err(Unread::Short));
        assert_eq!(Head::parse(&[9; 40]), Err(Unread::Version(9)));
        let mut record = [0; HEAD_OCTETS];
        record[..2].copy_from_slice(&[VERSION, 255]);
        assert_eq!(Head::parse(&record), Err(Unread::Verdict(255)));
        assert!(Unread::Version(9).to_string().contains("one release"));
    }

    proptest! {
        #[test]
        fn any_octets_are_a_record_or_an_error(
            mut octets in prop::collection::vec(any::<u8>(), 0..80)
        ) {
            if let Some(version) = octets.first_mut() {
                *version = VERSION;
            }
            let _ = Head::parse(&octets).map(|(head, _)| head.interface.name());
        }
    }
}
