//! Refused frames that a kernel program has chosen and copied.

use farend_core::reflect::refused::{FRAME_OCTETS_MAX, RefusedFrame};

use super::{Settings, sample::Sampler};
use crate::values::SampleOf;

/// What a kernel program is to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusedSample {
    /// Copy every Nth refused frame, at least 1.
    pub every: u32,
    /// Octets of a frame at most, at least 1 and at most
    /// [`FRAME_OCTETS_MAX`].
    pub octets_max: u32,
}

impl RefusedSample {
    /// `None` if no refused frames are wanted.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let every = settings.sample.filter(|_| settings.sample_of != SampleOf::Reflected)?;
        let octets_max = settings.sample_octets.0.min(FRAME_OCTETS_MAX);
        Some(Self { every: every.0.get(), octets_max })
    }
}

/// Puts such copies into the sample.
#[derive(Debug)]
pub struct RefusedSampler(Sampler);

impl RefusedSampler {
    pub(super) const fn new(sampler: Sampler) -> Self {
        Self(sampler)
    }

    /// Whether a frame could be taken now. If not, it can soon.
    pub fn has_room(&mut self) -> bool {
        self.0.has_room()
    }

    /// Takes one frame, or counts it as dropped where there is no room.
    pub fn take(&mut self, copy: &RefusedFrame<'_>, time_unix_ns: u64) {
        self.0.chosen(copy.octets, copy.whole_octets, copy.verdict, time_unix_ns);
    }

    /// Counts frames that were due and got lost on their way here.
    pub fn lose(&self, frames: u64) {
        self.0.lose(frames);
    }
}
