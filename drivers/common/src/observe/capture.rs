//! Copies of frames for others to see.

use farend_core::Verdict;

use super::sample::Sampler;
use crate::clock;

/// Takes copies of one worker's frames.
///
/// A frame is copied as it was received, before it is known what becomes of it:
/// only while one is due.
#[derive(Debug)]
pub(super) struct Capture {
    sampler: Sampler,
    /// The frame in hand as it was received.
    stash: Vec<u8>,
    /// When the burst in hand came, once somebody asked.
    time_unix_ns: Option<u64>,
}

impl Capture {
    pub(super) fn new(sampler: Sampler) -> Self {
        Self { sampler, stash: Vec::new(), time_unix_ns: None }
    }

    /// Another burst has come.
    #[inline]
    pub(super) const fn burst_received(&mut self) {
        self.time_unix_ns = None;
    }

    #[inline]
    pub(super) fn received(&mut self, octets: &[u8]) {
        if self.sampler.is_due() {
            self.stash.clear();
            let octets_max = self.sampler.octets_max;
            self.stash.extend_from_slice(octets.get(..octets_max).unwrap_or(octets));
        }
    }

    #[inline]
    pub(super) fn judged(&mut self, octets: &[u8], whole_octets: usize, verdict: Verdict) {
        let time_unix_ns = &mut self.time_unix_ns;
        let time_unix_ns = || *time_unix_ns.get_or_insert_with(clock::unix_ns);
        self.sampler.judged(&self.stash, octets, whole_octets, verdict, time_unix_ns);
    }
}
