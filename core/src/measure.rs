//! What is measured: probes and their payloads, round-trip times, who the
//! testers are.

pub mod histogram;
pub mod probe;
pub mod summary;
pub mod testers;
