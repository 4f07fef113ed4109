//! Makes the observers of an interface's workers.

use super::{
    RefusedSample, RefusedSampler, Settings, WorkerObserver, copier::FrameCopier,
    sample::SamplerFactory, tap::Tap,
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

/// Makes a [`WorkerObserver`] for each worker of one interface, whenever one starts.
#[derive(Clone, Debug, Default)]
pub struct ObserverFactory {
    pub(super) settings: Settings,
    pub(super) place: Place,
    pub(super) sampler_factory: Option<SamplerFactory>,
    pub(super) tap: Option<Tap>,
}

impl ObserverFactory {
    /// An observer for one worker; `None` if nothing is to be observed: the worker
    /// may then take `()`, which costs nothing.
    #[must_use]
    pub fn observer(&self) -> Option<WorkerObserver> {
        self.settings.needs_user_space()?;
        let Place { place, index, name } = &self.place;
        let sampler = self.sampler_factory.as_ref().map(|factory| factory.sampler(*place));
        let tap_writer = self.tap.as_ref().map(|tap| tap.tap_writer(*index, name));
        Some(WorkerObserver::new(&self.settings, FrameCopier::new(sampler, tap_writer)))
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
        Some(RefusedSampler::new(self.sampler_factory.as_ref()?.sampler(self.place.place)))
    }
}
