//! Locks and signals with a name: each a [`Shared`] value of its own.
//!
//! ```
//! use farend_shm::named::{Condvar, Mutex, Semaphore};
//! # let name = |what: &str| format!("/farend-{what}-{}", std::process::id());
//!
//! // In each process, whichever comes first:
//! let ready = Mutex::<u32>::open_or_create(&name("ready"))?;
//! let changed = Condvar::open_or_create(&name("changed"))?;
//!
//! *ready.lock().unwrap() += 1;
//! changed.notify_all();
//! let ready = changed.wait_while(ready.lock().unwrap(), |ready| *ready == 0).unwrap();
//! # drop(ready);
//!
//! let places = Semaphore::open_or_create_with_units(&name("places"), 4)?;
//! places.acquire();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A maker that ends in order takes the name with it, and who comes later makes another; a
//! killed one's name goes to who comes next. Several locks and signals that belong together
//! are better in one value: see [`Shareable`](crate::Shareable).

use farend_core::sync::Overflow;
use farend_futex::shared;

use crate::{SegmentError, Shared};

/// A mutex with a name, around data that is all zero at first. For one without data, `T` is
/// `()`.
pub type Mutex<T> = Shared<shared::Mutex<T>>;

/// A reader-writer lock with a name, around data that is all zero at first.
pub type RwLock<T> = Shared<shared::RwLock<T>>;

/// A condition variable with a name. It serves one mutex, which may have another name.
pub type Condvar = Shared<shared::Condvar>;

/// A semaphore with a name; without units at first, unless it is
/// [made with some](Shared::open_or_create_with_units).
pub type Semaphore = Shared<shared::Semaphore>;

/// An event with a name.
pub type Event = Shared<shared::Event>;

impl Semaphore {
    /// Makes a semaphore of `units` units.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`SegmentError::Units`] for more than a semaphore can
    /// have.
    pub fn create_with_units(name: &str, units: u32) -> Result<Self, SegmentError> {
        Self::check_units(units)?;
        Self::create_with(name, |semaphore| post(semaphore, units))
    }

    /// Takes the semaphore of this name, whatever its units, or makes one of `units` units.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create); [`SegmentError::Units`] for more than a
    /// semaphore can have.
    pub fn open_or_create_with_units(name: &str, units: u32) -> Result<Self, SegmentError> {
        Self::check_units(units)?;
        Self::open_or_create_with(name, |semaphore| post(semaphore, units))
    }

    fn check_units(units: u32) -> Result<(), SegmentError> {
        let units = shared::Semaphore::new(units);
        units.map(drop).map_err(|Overflow| SegmentError::Units)
    }
}

/// Gives a semaphore its first units, which were checked to be few enough.
fn post(semaphore: &shared::Semaphore, units: u32) {
    let _fits = semaphore.post_many(units);
}
