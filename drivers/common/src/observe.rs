//! Observation: what the user wants to know of frames beside their verdicts.
//!
//! A worker that is asked for more than counters has a [`WorkerObserver`], which sees
//! each frame before and after it is judged
//! ([`Observer`](farend_core::port::Observer)). It never waits: what cannot be
//! passed on at once is dropped and counted, and the frame is answered all the
//! same.
//!
//! The [`Outputs`] of a process are its sample file and its tap. For each interface they
//! give an [`ObserverFactory`], which makes an observer for each worker that starts. An
//! observer leaves its [`Measurements`] with the worker's statistics; [`CopyStatistics`]
//! say what became of the frames that it copied.

mod copier;
mod measurements;
mod observer_factory;
mod outputs;
mod refused;
mod residence;
mod sample;
mod settings;
mod tap;
mod worker_observer;

use farend_shm::SegmentError;

pub(crate) use measurements::busiest;
pub use measurements::{Copies, CopyStatistics, Measurements, TesterTable};
pub use observer_factory::{ObserverFactory, Place};
pub use outputs::Outputs;
pub use refused::{RefusedSample, RefusedSampler};
pub use residence::Residence;
pub(crate) use settings::HEADING;
pub use settings::{Choices, ObserveOptions, Settings};
pub use worker_observer::{ReportingObserver, WorkerObserver};

/// One line on why shared memory of this name is not to be had for an option.
pub(crate) fn segment_refused(option: &str, name: &str, error: &SegmentError) -> String {
    match error {
        // Left by a driver that was killed in a container, for example.
        SegmentError::OtherRealm if cfg!(target_os = "linux") => format!(
            "{option} {name}: a driver in another pid or time namespace made it, and nobody here \
             can tell whether it lives; if it has ended: rm /dev/shm/{name}; else use another name"
        ),
        _ => format!("{option} {name}: {error}"),
    }
}
