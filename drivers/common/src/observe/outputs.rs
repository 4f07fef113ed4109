//! The sample file and the tap of a process.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Copies, CopyStatistics, ObserverFactory, Place, Settings,
    sample::{self, Sample},
    tap::{self, Tap},
};

/// The sample file and the tap, which the workers of a process share.
#[derive(Debug)]
pub struct Outputs {
    settings: Settings,
    notice: fn(&str),
    sample: Option<Sample>,
    tap: Option<Tap>,
    copies: CopyStatistics,
}

impl Outputs {
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
        let tap = settings
            .tap
            .as_ref()
            .map(|name| Tap::start(name, settings.tap_sample, notice))
            .transpose()?;
        let sample = Sample::start(settings, application, interfaces, notice)?;
        let settings = settings.clone();
        Ok(Self { settings, notice, sample, tap, copies: CopyStatistics::default() })
    }

    /// Whether [`start`](Self::start) would work, without changing a file that
    /// is there.
    ///
    /// # Errors
    ///
    /// As in [`start`](Self::start).
    pub fn check(settings: &Settings) -> Result<(), String> {
        if let Some(name) = &settings.tap {
            Tap::start(name, settings.tap_sample, |_| {})?;
        }
        match &settings.sample_file {
            Some(path) => farend_capture::check_file(path)
                .map_err(|error| format!("{}: {error}", path.display())),
            None => Ok(()),
        }
    }

    /// The factory of observers for the workers of one interface.
    #[must_use]
    pub fn observer_factory(&self, place: Place) -> ObserverFactory {
        ObserverFactory {
            settings: self.settings.clone(),
            place,
            sampler_factory: self.sample.as_ref().map(|sample| sample.sampler_factory().clone()),
            tap: self.tap.clone(),
        }
    }

    /// What became of frames that were copied elsewhere.
    #[must_use]
    pub fn copies(&self) -> CopyStatistics {
        let sample = self.sample.as_ref().map(|sample| of_sample(sample.counts()));
        let tap = self.tap.as_ref().map(|tap| of_tap(tap.counts()));
        CopyStatistics { sample: sample.or(self.copies.sample), tap }
    }

    /// Writes what is still under way; all workers have stopped by then.
    pub fn finish(&mut self) {
        let Some(sample) = self.sample.take() else { return };
        let (counts, is_whole) = sample.finish();
        self.copies.sample = Some(of_sample(&counts));
        if !is_whole && let Some(path) = &self.settings.sample_file {
            (self.notice)(&format!("{}: the last frames are not written", path.display()));
        }
    }
}

fn of_sample(counts: &sample::Counts) -> Copies {
    copies(&counts.written, &counts.dropped)
}

fn of_tap(counts: &tap::Counts) -> Copies {
    copies(&counts.shown, &counts.dropped)
}

fn copies(written: &AtomicU64, dropped: &AtomicU64) -> Copies {
    // Relaxed: counts, which order nothing.
    Copies {
        written_frames: written.load(Ordering::Relaxed),
        dropped_frames: dropped.load(Ordering::Relaxed),
    }
}
