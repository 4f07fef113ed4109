//! `parking_lot`'s mutex.

use anyhow::Result;
use parking_lot::Mutex;

use super::Lock;

/// `parking_lot::Mutex`.
#[derive(Debug)]
pub(crate) struct ParkingLot(Mutex<u64>);

impl Lock for ParkingLot {
    fn new() -> Result<Self> {
        Ok(Self(Mutex::new(0)))
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
