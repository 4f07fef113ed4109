//! Faults put in on purpose, to see that the models find them.
//!
//! Outside the model checkers [`is_seeded`] is `false` at compile time: nothing
//! of it is left in a program.

/// One fault that a ring could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(any(farend_loom, farend_shuttle), allow(dead_code))]
pub(super) enum Fault {
    /// The doorbell is not rung.
    ForgottenWake,
    /// The bell is armed after the last look, not before.
    ArmedAfterTheLook,
    /// The bell's words are exchanged without any order.
    UnorderedBell,
    /// A record's word is stored before its octets.
    PublishBeforeWrite,
    /// A record's word is stored without Release.
    PublishWithoutRelease,
    /// The next record's word is not set to 0.
    NextWordKept,
    /// Room that the consumer has not given back is taken for free.
    StaleCursor,
    /// Room for the next record's word is not counted.
    NoRoomForTheNextWord,
    /// The consumer gives room back before it has read.
    GivenBackEarly,
    /// A message is handed out without a second look at its word.
    TornMessage,
    /// The reader's fence before the second look is left out.
    ReaderWithoutFence,
    /// The writer's fence after the mark is left out.
    WriterWithoutFence,
    /// The slot is not marked while it is overwritten.
    SlotNotMarked,
    /// One lost message too few is counted.
    LagOffByOne,
    /// The writer takes the slowest reader's slot while it is needed.
    OneMessageTooMany,
    /// A cursor where no reader can be is not waited for.
    ImpossibleIgnored,
    /// The fence between an attaching reader and the writer is left out.
    AttachWithoutFence,
}

#[cfg(not(any(farend_loom, farend_shuttle)))]
#[inline(always)]
pub(super) const fn is_seeded(_fault: Fault) -> bool {
    false
}

/// The fault that the environment names, for this whole process.
#[cfg(any(farend_loom, farend_shuttle))]
pub(super) fn is_seeded(fault: Fault) -> bool {
    use std::{format, string::String, sync::OnceLock};

    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| std::env::var("FAREND_FAULT").unwrap_or_default());
    !name.is_empty() && *name == format!("{fault:?}")
}
