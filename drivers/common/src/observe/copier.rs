//! Copies of frames for others to see.

use farend_core::Verdict;

use super::{
    sample::Sampler,
    tap::{FRAME_OCTETS_MAX, TapWriter},
};
use crate::clock;

/// Takes copies of one worker's frames.
///
/// A frame is copied as it was received, before it is known what becomes of it:
/// only while one is due.
#[derive(Debug)]
pub(super) struct FrameCopier {
    sampler: Option<Sampler>,
    tap_writer: Option<TapWriter>,
    /// The frame in hand as it was received.
    stash: Vec<u8>,
    /// When the burst in hand came, once somebody asked.
    time_unix_ns: Option<u64>,
}

impl FrameCopier {
    /// `None` if no copies are wanted.
    pub(super) fn new(sampler: Option<Sampler>, tap_writer: Option<TapWriter>) -> Option<Self> {
        if sampler.is_none() && tap_writer.is_none() {
            return None;
        }
        Some(Self { sampler, tap_writer, stash: Vec::new(), time_unix_ns: None })
    }

    /// Another burst has come.
    #[inline]
    pub(super) fn burst_received(&mut self) {
        self.time_unix_ns = None;
        self.flush();
    }

    #[inline]
    pub(super) fn received(&mut self, octets: &[u8]) {
        let sampler = self.sampler.as_ref().filter(|sampler| sampler.is_due());
        let tap_writer = self.tap_writer.as_ref().filter(|tap_writer| tap_writer.is_due());
        if sampler.is_none() && tap_writer.is_none() {
            return;
        }
        let octets_max = sampler.map_or(0, |sampler| sampler.octets_max);
        let octets_max = octets_max.max(tap_writer.map_or(0, |_| FRAME_OCTETS_MAX));
        self.stash.clear();
        self.stash.extend_from_slice(octets.get(..octets_max).unwrap_or(octets));
    }

    #[inline]
    pub(super) fn judged(&mut self, octets: &[u8], whole_octets: usize, verdict: Verdict) {
        let stash = self.stash.as_slice();
        let time = &mut self.time_unix_ns;
        if let Some(sampler) = &mut self.sampler {
            let time_unix_ns = || *time.get_or_insert_with(clock::unix_ns);
            sampler.judged(stash, octets, whole_octets, verdict, time_unix_ns);
        }
        if let Some(tap_writer) = &mut self.tap_writer {
            let time_unix_ns = || *time.get_or_insert_with(clock::unix_ns);
            tap_writer.judged(stash, whole_octets, verdict, time_unix_ns);
        }
    }

    /// Lets readers know that frames are there.
    #[inline]
    pub(super) fn flush(&mut self) {
        if let Some(tap_writer) = &mut self.tap_writer {
            tap_writer.flush();
        }
    }
}
