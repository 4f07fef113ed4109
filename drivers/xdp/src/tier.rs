//! Ways to turn frames round, each in a module of its own.

#[cfg(target_os = "linux")]
pub mod af_packet;
