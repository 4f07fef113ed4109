//! Faults to be seeded into the rings, for the model to prove that it would
//! find them. Only there when a model is built.
//!
//! Not among them: the consumer's word stored without Release. What could go
//! wrong is a load that is done after a later store, and loom does no load late.

extern crate std;

use std::cell::Cell;

use crate::sync::primitive::Ordering;

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// The producer's word is stored before the slot is written.
    PublishBeforeWrite,
    /// The producer's word is stored without Release.
    SubmitRelaxed,
    /// The producer's word is read without Acquire.
    LookRelaxed,
    /// Entries that were taken are not released.
    NoRelease,
    /// The copy of the consumer's word runs ahead of it.
    StaleConsumer,
    /// A frame that is sent is free at once, and again when it is completed.
    DoubleReturn,
}

std::thread_local! {
    static SEEDED: Cell<Option<Mutant>> = const { Cell::new(None) };
}

impl Mutant {
    /// Seeds this fault, on this thread, for as long as `work` runs.
    pub fn seed(self, work: impl FnOnce()) {
        struct Clear;
        impl Drop for Clear {
            fn drop(&mut self) {
                SEEDED.set(None);
            }
        }
        let _clear = Clear;
        SEEDED.set(Some(self));
        work();
    }

    pub(in crate::port) fn is_seeded(self) -> bool {
        SEEDED.get() == Some(self)
    }

    /// Relaxed instead of `order`, if this is the fault.
    pub(super) fn or(self, order: Ordering) -> Ordering {
        if self.is_seeded() { Ordering::Relaxed } else { order }
    }
}
