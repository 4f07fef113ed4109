//! Reader-writer locks, read and written, and a semaphore of one unit.

use std::sync::{
    PoisonError,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use farend_futex::private;

use super::Lock;

/// Farend's, to read.
pub(crate) struct Reading(private::RwLock<AtomicU64>);

impl Lock for Reading {
    fn new() -> Result<Self> {
        Ok(Self(private::RwLock::new(AtomicU64::new(0))))
    }

    #[inline(always)]
    fn add(&self) {
        let number = self.0.read();
        // Two plain moves, as under any lock: one thread alone adds.
        number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.read();
        action();
    }

    fn total(&self) -> u64 {
        self.0.read().load(Ordering::Relaxed)
    }
}

/// Farend's, to write.
pub(crate) struct Writing(private::RwLock<u64>);

impl Lock for Writing {
    fn new() -> Result<Self> {
        Ok(Self(private::RwLock::new(0)))
    }

    #[inline(always)]
    fn add(&self) {
        *self.0.write() += 1;
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.write();
        action();
    }

    fn total(&self) -> u64 {
        *self.0.write()
    }
}

/// The standard library's, to read.
pub(crate) struct ReadingStandard(std::sync::RwLock<AtomicU64>);

impl Lock for ReadingStandard {
    fn new() -> Result<Self> {
        Ok(Self(std::sync::RwLock::new(AtomicU64::new(0))))
    }

    #[inline(always)]
    fn add(&self) {
        let number = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Two plain moves, as under any lock: one thread alone adds.
        number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.read().unwrap_or_else(PoisonError::into_inner);
        action();
    }

    fn total(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).load(Ordering::Relaxed)
    }
}

/// The standard library's, to write.
pub(crate) struct WritingStandard(std::sync::RwLock<u64>);

impl Lock for WritingStandard {
    fn new() -> Result<Self> {
        Ok(Self(std::sync::RwLock::new(0)))
    }

    #[inline(always)]
    fn add(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.write().unwrap_or_else(PoisonError::into_inner);
        action();
    }

    fn total(&self) -> u64 {
        *self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `parking_lot`'s, to read.
pub(crate) struct ReadingParking(parking_lot::RwLock<AtomicU64>);

impl Lock for ReadingParking {
    fn new() -> Result<Self> {
        Ok(Self(parking_lot::RwLock::new(AtomicU64::new(0))))
    }

    #[inline(always)]
    fn add(&self) {
        let number = self.0.read();
        // Two plain moves, as under any lock: one thread alone adds.
        number.store(number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.read();
        action();
    }

    fn total(&self) -> u64 {
        self.0.read().load(Ordering::Relaxed)
    }
}

/// `parking_lot`'s, to write.
pub(crate) struct WritingParking(parking_lot::RwLock<u64>);

impl Lock for WritingParking {
    fn new() -> Result<Self> {
        Ok(Self(parking_lot::RwLock::new(0)))
    }

    #[inline(always)]
    fn add(&self) {
        *self.0.write() += 1;
    }

    fn hold(&self, action: impl FnOnce()) {
        let _number = self.0.write();
        action();
    }

    fn total(&self) -> u64 {
        *self.0.write()
    }
}

/// Farend's semaphore, of which one unit is taken and given back.
pub(crate) struct Units {
    units: private::Semaphore,
    number: AtomicU64,
}

impl Lock for Units {
    fn new() -> Result<Self> {
        let units = private::Semaphore::new(1)?;
        Ok(Self { units, number: AtomicU64::new(0) })
    }

    #[inline(always)]
    fn add(&self) {
        self.units.acquire();
        self.number.store(self.number.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.units.post().expect("the unit was taken");
    }

    fn hold(&self, action: impl FnOnce()) {
        self.units.acquire();
        action();
        self.units.post().expect("the unit was taken");
    }

    fn total(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }
}
