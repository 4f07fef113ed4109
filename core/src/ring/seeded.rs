//! Faults that the models must find.

pub(super) use crate::seeded::is_seeded;

/// Where models kill a process: between two stores that others act upon. Elsewhere,
/// nothing.
#[inline(always)]
pub(super) fn death_point() {
    #[cfg(all(test, any(farend_loom, farend_shuttle)))]
    crate::sync::model::step();
}

crate::seeded::faults! {
    /// One fault that a ring could have.
    enum Fault of "ring" {
        /// A sender does not say which lane of a channel it uses.
        LaneUnmarked,
        /// A receiver that is about to sleep looks at one lane of a channel.
        OneLaneLookedAt,
        /// The doorbell is not rung.
        ForgottenWake,
        /// The bell is armed after the last look, not before.
        ArmedAfterTheLook,
        /// A ringer looks at the bell before its message is stored.
        LightFenceForgotten,
        /// A waiter looks for the message before others see that the bell is armed.
        BarrierForgotten,
        /// The bell's words are exchanged without any order.
        UnorderedBell,
        /// A record's word is stored before its octets.
        PublishBeforeWrite,
        /// A record's word is stored without Release.
        PublishWithoutRelease,
        /// The next record's word is not set to 0.
        NextWordKept,
        /// A word is cleared ahead where the consumer still reads.
        ClearedTooFar,
        /// A word that was cleared ahead is trusted after something was written there.
        StaleGuess,
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
        /// A producer that takes over goes on at the cursor, whatever is there.
        NothingRecovered,
        /// A reader that takes a dead one's place does not tell the writer.
        UnheardReader,
        /// A dead reader's place is cleared by a writer that has not taken it.
        ClearedUntaken,
        /// The writer takes the slowest reader's slot while it is needed.
        OneMessageTooMany,
        /// A cursor where no reader can be is not waited for.
        ImpossibleIgnored,
        /// The fence between an attaching reader and the writer is left out.
        AttachWithoutFence,
    }
}
