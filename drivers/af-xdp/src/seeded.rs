//! Faults that the models must find.
//!
//! Not among them: the consumer's word stored without Release. What could go
//! wrong is a load that is done after a later store, and loom does no load late.

pub(crate) use farend_core::seeded::is_seeded;

farend_core::seeded::faults! {
    /// One fault that a queue's rings or its pool could have.
    enum Fault of "af_xdp" {
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
}
