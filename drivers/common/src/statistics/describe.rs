//! Events and the start as lines.

use super::{Ready, json, reporter::unix_ms, text};
use crate::event::Event;

/// An event as a JSON line.
pub(crate) fn event(event: &Event) -> String {
    json::event(unix_ms(), event)
}

/// The start as a JSON line.
pub(crate) fn ready_json(ready: &Ready) -> String {
    json::ready(unix_ms(), ready)
}

/// The start as a line for a person.
pub(crate) fn ready_text(ready: &Ready) -> String {
    text::ready(ready)
}
