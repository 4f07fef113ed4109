//! Farend's mutexes.
#![expect(unsafe_code, reason = "the promise that zeros are a mutex")]

use std::fs::File;

use anyhow::{Context, Result};
use farend_futex::{private, shared};
use rustix::fs::{MemfdFlags, memfd_create};

use super::Lock;
use crate::memory::{Memory, Shareable};

/// Between threads.
#[derive(Debug)]
pub(crate) struct Private(private::Mutex<u64>);

impl Lock for Private {
    fn new() -> Result<Self> {
        Ok(Self(private::Mutex::new(0)))
    }

    #[inline(always)]
    fn add(&self) {
        *self.0.lock() += 1;
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.lock();
        action();
    }

    fn total(&self) -> u64 {
        *self.0.lock()
    }
}

#[derive(Debug)]
#[repr(transparent)]
struct Inside(shared::Mutex<u64>);

// SAFETY: zeros are a free mutex around zero, made to be shared.
unsafe impl Shareable for Inside {}

/// Between processes, with owner death.
#[derive(Debug)]
pub(crate) struct Shared(Memory<Inside>);

impl Lock for Shared {
    fn new() -> Result<Self> {
        let memory = memfd_create("farend-bench", MemfdFlags::CLOEXEC);
        let memory = File::from(memory.context("cannot share memory")?);
        Memory::of(&memory).map(Self)
    }

    #[inline(always)]
    fn add(&self) {
        *self.0.0.lock().expect("nobody dies or locks twice here") += 1;
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.0.lock().expect("nobody dies or locks twice here");
        action();
    }

    fn total(&self) -> u64 {
        self.0.0.lock().map_or(0, |number| *number)
    }
}
