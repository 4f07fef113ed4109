//! Copies of refused frames, as the kernel program hands them to user space.
//!
//! A copy is a [`Head`] and behind it the first octets of the frame. Both ends
//! run on one machine, so numbers are in its own order.

use crate::Verdict;

/// Octets of a frame that a copy holds at most.
pub const FRAME_OCTETS_MAX: u32 = 2_048;

/// Octets of a [`Head`].
pub const HEAD_OCTETS: usize = 16;

/// What stands before the octets of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Head {
    /// When it was judged, on the kernel's monotonic clock.
    pub time_ns: u64,
    /// Octets of the frame, FCS out.
    pub whole_octets: u32,
    /// Octets of it that follow. There may be room for more behind them.
    pub kept_octets: u16,
    /// The verdict on it, by [`Verdict::code`]; a `u16` so that no octet is
    /// padding.
    pub code: u16,
}

const _: () = assert!(size_of::<Head>() == HEAD_OCTETS);

/// A copy that was found sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusedFrame<'ring> {
    /// When the frame was judged, on the kernel's monotonic clock.
    pub time_ns: u64,
    /// Octets of the frame, FCS out; not fewer than are here.
    pub whole_octets: u32,
    /// Why it was refused.
    pub verdict: Verdict,
    /// Its first octets.
    pub octets: &'ring [u8],
}

impl<'ring> RefusedFrame<'ring> {
    /// Reads a record of the ring. `None` if its numbers contradict one
    /// another, or its verdict is none on a refused frame.
    #[must_use]
    pub fn parse(record: &'ring [u8]) -> Option<Self> {
        let (time_ns, rest) = record.split_first_chunk()?;
        let (whole_octets, rest) = rest.split_first_chunk()?;
        let (kept_octets, rest) = rest.split_first_chunk()?;
        let (code, rest) = rest.split_first_chunk()?;
        let whole_octets = u32::from_ne_bytes(*whole_octets);
        let kept_octets = u16::from_ne_bytes(*kept_octets);
        let code = u8::try_from(u16::from_ne_bytes(*code)).ok()?;
        let verdict = Verdict::from_code(code).filter(|verdict| !verdict.is_sent())?;
        let octets = rest.get(..kept_octets.into())?;
        (u32::from(kept_octets) <= whole_octets).then_some(Self {
            time_ns: u64::from_ne_bytes(*time_ns),
            whole_octets,
            verdict,
            octets,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{Kind, Reason};

    const PORT: Verdict = Verdict::Refuse(Reason::UdpPort);

    fn record(whole_octets: u32, kept_octets: u16, code: u16, octets: usize) -> Vec<u8> {
        let mut record = 7_u64.to_ne_bytes().to_vec();
        record.extend(whole_octets.to_ne_bytes());
        record.extend(kept_octets.to_ne_bytes());
        record.extend(code.to_ne_bytes());
        assert_eq!(record.len(), HEAD_OCTETS);
        record.extend((0..=u8::MAX).cycle().take(octets));
        record
    }

    #[test]
    fn a_sound_record_gives_the_octets_that_were_kept_and_no_more() {
        let record = record(9_014, 60, PORT.code().into(), 2_048);
        let copy = RefusedFrame::parse(&record).unwrap();
        assert_eq!((copy.time_ns, copy.whole_octets, copy.verdict), (7, 9_014, PORT));
        assert_eq!(copy.octets, &record[HEAD_OCTETS..][..60]);
    }

    #[test]
    fn a_head_in_memory_is_what_is_parsed() {
        assert_eq!(core::mem::offset_of!(Head, time_ns), 0);
        assert_eq!(core::mem::offset_of!(Head, whole_octets), 8);
        assert_eq!(core::mem::offset_of!(Head, kept_octets), 12);
        assert_eq!(core::mem::offset_of!(Head, code), 14);
    }

    #[test]
    fn a_record_that_is_cut_off_at_any_octet_is_refused() {
        let whole = record(60, 60, PORT.code().into(), 60);
        assert!(RefusedFrame::parse(&whole).is_some());
        for octets in 0..whole.len() {
            assert_eq!(RefusedFrame::parse(&whole[..octets]), None, "{octets}");
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic() {
        let reflected = Verdict::Reflect(Kind::Any).code().into();
        assert_eq!(RefusedFrame::parse(&record(59, 60, PORT.code().into(), 60)), None);
        assert_eq!(RefusedFrame::parse(&record(60, 60, reflected, 60)), None);
        assert_eq!(RefusedFrame::parse(&record(60, 60, 0xffff, 60)), None);
        assert_eq!(RefusedFrame::parse(&record(60, 60, 256 + u16::from(PORT.code()), 60)), None);
        assert_eq!(RefusedFrame::parse(&record(u32::MAX, u16::MAX, PORT.code().into(), 60)), None);
        for octet in 0..=u8::MAX {
            for octets in 0..40 {
                let garbage = std::vec![octet; octets];
                if let Some(copy) = RefusedFrame::parse(&garbage) {
                    assert!(copy.octets.len() <= octets && !copy.verdict.is_sent());
                }
            }
        }
    }
}
