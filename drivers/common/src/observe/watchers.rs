//! Eyes for the workers of one interface.

use super::{
    RefusedSample, RefusedSampler, Settings, Watcher, capture::Capture, sample::Samplers, tap::Tap,
};

/// Which interface it is.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Place among the interfaces that are served.
    pub place: u32,
    /// Index in the system, or 0.
    pub index: u32,
    /// Name.
    pub name: String,
}

/// Makes a [`Watcher`] for each worker of one interface, whenever one starts.
#[derive(Clone, Debug, Default)]
pub struct Watchers {
    pub(super) settings: Settings,
    pub(super) place: Place,
    pub(super) samplers: Option<Samplers>,
    pub(super) tap: Option<Tap>,
}

impl Watchers {
    /// Eyes for one worker; `None` if there is nothing to look at, so that the
    /// worker may take `()`, which costs nothing.
    #[must_use]
    pub fn watcher(&self) -> Option<Watcher> {
        self.settings.needs_user_space()?;
        let Place { place, index, name } = &self.place;
        let sampler = self.samplers.as_ref().map(|samplers| samplers.sampler(*place));
        let show = self.tap.as_ref().map(|tap| tap.show(*index, name));
        Some(Watcher::new(&self.settings, Capture::new(sampler, show)))
    }

    /// What a kernel program that keeps refused frames from workers is to copy;
    /// `None` if nobody asked.
    #[must_use]
    pub fn refused_sample(&self) -> Option<RefusedSample> {
        self.settings.refused_sample()
    }

    /// What those copies are sampled with; `None` if nobody asked.
    #[must_use]
    pub fn refused_sampler(&self) -> Option<RefusedSampler> {
        self.refused_sample()?;
        Some(RefusedSampler::new(self.samplers.as_ref()?.sampler(self.place.place)))
    }
}
