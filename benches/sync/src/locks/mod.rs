//! Locks, each around one number.

mod cas;
mod farend;
mod parking;
mod pthread;
mod readers;
mod standard;

use anyhow::Result;

pub(crate) use self::{
    cas::CompareAndSwap,
    farend::{Private, Shared},
    parking::ParkingLot,
    pthread::{Pthread, Robust},
    readers::{
        Reading, ReadingParking, ReadingStandard, Units, Writing, WritingParking, WritingStandard,
    },
    standard::Standard,
};

/// A lock around a number.
pub(crate) trait Lock: Sized + Sync {
    /// Makes it, unlocked, with zero inside.
    fn new() -> Result<Self>;

    /// Takes the lock, adds one, gives it back.
    fn add(&self);

    /// Takes the lock, does something, gives it back.
    fn hold(&self, action: impl FnOnce());

    /// The number.
    fn total(&self) -> u64;
}
