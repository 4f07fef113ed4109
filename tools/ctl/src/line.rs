//! What each line of JSON begins with, the same in all of Farend's programs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Which line it is, of what, and when it was written.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Line {
    /// What its fields are, such as `farend.probe`.
    pub(crate) schema: &'static str,
    /// Goes up when a field changes its meaning or goes away; fields may be added at
    /// any time.
    pub(crate) version: u32,
    /// What it tells, such as `run`.
    pub(crate) event: &'static str,
    /// Milliseconds since 1970, UTC, by the host's clock.
    pub(crate) time_unix_ms: u64,
}

impl Line {
    /// A line of version 1 that is written now.
    #[must_use]
    pub(crate) fn now(schema: &'static str, event: &'static str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time_unix_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self { schema, version: 1, event, time_unix_ms }
    }
}
