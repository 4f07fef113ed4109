//! The rings, in every order of two or three threads (loom) and in many orders of
//! eight (shuttle), where a ring has room for so many.
//!
//! `FAREND_FAULT=ring::ForgottenWake` and the like put a fault in: see `faults`.

mod broadcast;
mod channel;
mod deaths;
mod faults;
mod process;
mod spsc;

use super::{Error, Memory, SameProcess};
use crate::sync::{
    Clock, Futex, NEVER, SPIN_NS, Shared, Waited,
    model::{Modelled, check, thread},
    primitive::AtomicU32,
};
use process::Process;
use std::{cell::Cell, num::NonZeroU32};

#[cfg(farend_loom)]
use loom::thread_local;
#[cfg(farend_shuttle)]
use shuttle::thread_local;

/// A backend that looks again for a while before it sleeps: twice, because reading its
/// clock takes half of that time.
#[derive(Debug)]
enum Looking {}

impl Clock for Looking {
    fn now_ns() -> u64 {
        thread_local! {
            static NOW_NS: Cell<u64> = Cell::new(0);
        }
        NOW_NS.with(|now_ns| now_ns.replace(now_ns.get() + SPIN_NS / 2))
    }
}

impl Futex<Shared> for Looking {
    fn wait(word: &AtomicU32, expected: u32, _deadline_ns: Option<u64>) -> Waited {
        <Modelled as Futex<Shared>>::wait(word, expected, None)
    }

    fn wake_one(word: &AtomicU32) {
        <Modelled as Futex<Shared>>::wake_one(word);
    }

    fn wake_all(word: &AtomicU32) {
        <Modelled as Futex<Shared>>::wake_all(word);
    }

    fn thread_id() -> NonZeroU32 {
        <Modelled as Futex<Shared>>::thread_id()
    }
}

/// Memory for a ring of so many octets.
fn memory(octets: u64) -> Memory<'static> {
    Memory::leak(usize::try_from(octets).unwrap())
}

/// As [`check`], with fewer preemptions for loom: each model runs for many deaths.
#[cfg(farend_loom)]
fn check_deaths(body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(body);
}

#[cfg(farend_shuttle)]
use check as check_deaths;
