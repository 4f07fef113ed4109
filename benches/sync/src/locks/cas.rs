//! The floor: one compare-and-swap to lock, one swap to unlock.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use anyhow::Result;

use super::Lock;

/// Spins, should it ever have to wait.
#[derive(Debug)]
pub(crate) struct CompareAndSwap {
    is_locked: AtomicU32,
    number: AtomicU64,
}

impl Lock for CompareAndSwap {
    fn new() -> Result<Self> {
        Ok(Self { is_locked: AtomicU32::new(0), number: AtomicU64::new(0) })
    }

    #[inline(always)]
    fn add(&self) {
        // Acquire: pairs with the Release below, of the owner before.
        while self.is_locked.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            spin_loop();
        }
        // Under the lock: two plain moves.
        self.number.store(self.number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.is_locked.swap(0, Ordering::Release);
    }

    fn hold(&self, action: impl FnOnce()) {
        while self.is_locked.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            spin_loop();
        }
        action();
        self.is_locked.swap(0, Ordering::Release);
    }

    fn total(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }
}
