//! The rings, in every order of two or three threads (loom) and in many orders of
//! eight (shuttle), where a ring has room for so many.
//!
//! `FAREND_FAULT=ring::ForgottenWake` and the like put a fault in: see `faults`.

mod broadcast;
mod faults;
mod spsc;

use super::{Error, Memory, SameProcess};
use crate::sync::{
    NEVER,
    model::{Modelled, check, thread},
};

/// Memory for a ring of so many octets.
fn memory(octets: u64) -> Memory<'static> {
    Memory::leak(usize::try_from(octets).unwrap())
}
