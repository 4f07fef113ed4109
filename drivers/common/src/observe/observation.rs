//! What all workers of a process look on with.

use std::sync::atomic::Ordering;

use super::{
    Captured, Copies, Settings, Watcher,
    capture::Capture,
    sample::{Counts, Sample},
};

/// The sample file and what else the workers of a process share; makes a
/// [`Watcher`] for each.
#[derive(Debug)]
pub struct Observation {
    settings: Settings,
    notice: fn(&str),
    sample: Option<Sample>,
    captured: Captured,
}

impl Observation {
    /// Opens what the settings ask for. `application` is the program's name and
    /// version, `interfaces` are the names of all that will be served; `notice`
    /// takes one line for the user, without its end.
    ///
    /// # Errors
    ///
    /// One line that says what cannot be opened, and what to do.
    pub fn start(
        settings: &Settings,
        application: &str,
        interfaces: &[String],
        notice: fn(&str),
    ) -> Result<Self, String> {
        let sample = Sample::start(settings, application, interfaces, notice)?;
        let settings = settings.clone();
        Ok(Self { settings, notice, sample, captured: Captured::default() })
    }

    /// Looks at nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            settings: Settings::default(),
            notice: |_| {},
            sample: None,
            captured: Captured::default(),
        }
    }

    /// Eyes for one worker of the interface at this place among those that were
    /// named; `None` if there is nothing to look at, so that the worker may
    /// take `()`, which costs nothing.
    #[must_use]
    pub fn watcher(&self, interface: usize) -> Option<Watcher> {
        self.settings.needs_user_space()?;
        let interface = u32::try_from(interface).ok()?;
        let sampler = self.sample.as_ref().map(|sample| sample.sampler(interface));
        let capture = sampler.map(Capture::new);
        Some(Watcher::new(&self.settings, capture))
    }

    /// What became of frames that were copied elsewhere.
    #[must_use]
    pub fn captured(&self) -> Captured {
        let sample = self.sample.as_ref().map(|sample| copies(sample.counts()));
        Captured { sample: sample.or(self.captured.sample), ..self.captured }
    }

    /// Writes what is still under way; the watchers are gone by then.
    pub fn finish(&mut self) {
        let Some(sample) = self.sample.take() else { return };
        let (counts, is_whole) = sample.finish();
        self.captured.sample = Some(copies(&counts));
        if !is_whole && let Some(path) = &self.settings.sample_file {
            (self.notice)(&format!("{}: the last frames are not written", path.display()));
        }
    }
}

fn copies(counts: &Counts) -> Copies {
    // Relaxed: counts, which order nothing.
    Copies {
        written_frames: counts.written.load(Ordering::Relaxed),
        dropped_frames: counts.dropped.load(Ordering::Relaxed),
    }
}
