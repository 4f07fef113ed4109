//! What end-to-end tests share. Each test file uses its own part.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod farend;
pub(crate) mod flood;
pub(crate) mod frame;
pub(crate) mod namespace;
pub(crate) mod pass;
pub(crate) mod pcapng;
pub(crate) mod queues;
pub(crate) mod raw;
pub(crate) mod reflector;
pub(crate) mod settings;
pub(crate) mod stream;

/// Longest wait for what must come: a busy machine's, where every CPU has ten others
/// to run. Costs nothing where all is well.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);
