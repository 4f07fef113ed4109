//! A progress bar, on a terminal alone.

use std::{io::IsTerminal, sync::atomic::Ordering, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    rate::Pace,
    sender::{Extent, Shared},
};

/// The bar on stderr, or nothing.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Between two looks at the counts. Drawing happens on no thread that
    /// sends or receives, unless there is only one.
    pub const INTERVAL: Duration = Duration::from_millis(100);

    /// Draws if stderr is a terminal and the caller does not want quiet.
    #[must_use]
    pub fn new(is_quiet: bool) -> Self {
        let target = if is_quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {pos}/{len} frames, {msg}, {eta} left",
        ) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Names the run that comes next.
    pub fn name(&self, name: String) {
        self.0.set_prefix(name);
    }

    pub(crate) fn start(&self, extent: Extent, pace: Option<Pace>) {
        let frames = match (pace, extent.duration_ns) {
            (None, Some(_)) if extent.frames == u32::MAX => None,
            _ => Some(u64::from(extent.frames)),
        };
        self.0.reset();
        match frames {
            Some(frames) => self.0.set_length(frames),
            None => self.0.unset_length(),
        }
    }

    pub(crate) fn show(&self, shared: &Shared) {
        let (sent, received) =
            (shared.sent.load(Ordering::Relaxed), shared.received.load(Ordering::Relaxed));
        self.0.set_position(sent);
        self.0.set_message(format!("{received} back"));
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
