//! The standard library's mutex.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::Lock;

/// `std::sync::Mutex`, as its users use it.
#[derive(Debug)]
pub(crate) struct Standard(Mutex<u64>);

impl Lock for Standard {
    fn new() -> Result<Self> {
        Ok(Self(Mutex::new(0)))
    }

    #[inline(always)]
    fn add(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        action();
    }

    fn total(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
