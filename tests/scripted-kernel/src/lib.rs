//! The kernel's side of [`farend_af_xdp::Queue`], in memory.
//!
//! It works when a script tells it to: it is slow, busy, forgetful of wake-ups
//! and, if asked for, wrong. A [`Ledger`](ledger::find) knows from the rings
//! themselves where every chunk is, so that it can be held against what the
//! queue believes. [`schedule::run`] draws a script from a seed and holds both
//! to the rules at every step.
//!
//! Written against `linux/if_xdp.h`, apart from the queue's own cursors: what
//! one side gets wrong the other does not repeat.
#![deny(unsafe_code)]

pub mod frames;
pub mod kernel;
pub mod ledger;
pub mod random;
pub mod ring;
pub mod schedule;
