//! Looking on: what the user wants to know of frames beside their verdicts.
//!
//! A worker that is asked for more than counters has a [`Watcher`], which sees
//! each frame before and after it is judged
//! ([`Observer`](farend_core::port::Observer)). It never waits: what cannot be
//! passed on at once is dropped and counted, and the frame is answered all the
//! same.

mod capture;
mod observation;
mod observed;
mod refused;
mod residence;
mod sample;
mod settings;
mod tap;
mod watcher;
mod watchers;

use farend_shm::SegmentError;

pub use observation::Observation;
pub(crate) use observed::busiest;
pub use observed::{Captured, Copies, Observed, TesterTable};
pub use refused::{RefusedSample, RefusedSampler};
pub use residence::Residence;
pub use settings::{Choices, Observing, Settings};
pub use watcher::{Watch, Watcher};
pub use watchers::{Place, Watchers};

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
