//! Copies of frames for others to see.

use farend_core::Verdict;

use super::{
    sample::Sampler,
    tap::{FRAME_OCTETS_MAX, Show},
};
use crate::clock;

/// Takes copies of one worker's frames.
///
/// A frame is copied as it was received, before it is known what becomes of it:
/// only while one is due.
#[derive(Debug)]
pub(super) struct Capture {
    sampler: Option<Sampler>,
    show: Option<Show>,
    /// The frame in hand as it was received.
    stash: Vec<u8>,
    /// When the burst in hand came, once somebody asked.
    time_unix_ns: Option<u64>,
}

impl Capture {
    /// `None` if no copies are wanted.
    pub(super) fn new(sampler: Option<Sampler>, show: Option<Show>) -> Option<Self> {
        if sampler.is_none() && show.is_none() {
            return None;
        }
        Some(Self { sampler, show, stash: Vec::new(), time_unix_ns: None })
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
        let show = self.show.as_ref().filter(|show| show.is_due());
        if sampler.is_none() && show.is_none() {
            return;
        }
        let octets_max = sampler.map_or(0, |sampler| sampler.octets_max);
        let octets_max = octets_max.max(show.map_or(0, |_| FRAME_OCTETS_MAX));
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
        if let Some(show) = &mut self.show {
            let time_unix_ns = || *time.get_or_insert_with(clock::unix_ns);
            show.judged(stash, whole_octets, verdict, time_unix_ns);
        }
    }

    /// Lets readers know that frames are there.
    #[inline]
    pub(super) fn flush(&mut self) {
        if let Some(show) = &mut self.show {
            show.flush();
        }
    }
}
