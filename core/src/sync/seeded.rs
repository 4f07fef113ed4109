//! Faults that the models must find.

pub(super) use crate::seeded::is_seeded;

crate::seeded::faults! {
    /// One fault that an algorithm could have.
    enum Fault of "sync" {
        /// A mutex is given up and its sleeper is not woken.
        UnlockNeverWakes,
        /// A woken waiter takes the mutex as if nobody else slept.
        MutexForgetsOthers,
        /// A sleeper that waits for too long is not handed the mutex.
        NeverHandsOver,
        /// A mutex is given up without Release.
        UnlockWithoutRelease,
        /// The waiter is woken before the mutex is given up.
        WakeBeforeStore,
        /// An event is set and its sleepers are not woken.
        EventForgetsSleepers,
        /// An event is set and one of its sleepers is woken.
        EventWakesOne,
        /// A sleeper does not look whether a setter died before it woke anybody.
        EventNeverLooksAgain,
        /// A semaphore is posted and its sleeper is not woken.
        PostNeverWakes,
        /// A woken waiter takes the unit as if nobody else slept.
        SemaphoreForgetsOthers,
        /// A woken waiter leaves further units to nobody.
        SemaphoreKeepsTheWake,
        /// A sleeper does not look whether somebody died with its wake.
        SemaphoreNeverLooksAgain,
        /// A condition variable lets go of the mutex before it looks at its turn.
        CondvarLooksLate,
        /// The fences between turn and sleepers are left out.
        CondvarWithoutFence,
        /// A notice to all wakes one.
        NotifyAllWakesOne,
        /// A sleeper does not look whether somebody died with its notice.
        CondvarNeverLooksAgain,
        /// Who has the lock of something to be done once does not look again.
        OnceLooksOnce,
        /// The last one to come to a barrier does not wake the others.
        BarrierForgetsSleepers,
        /// One whose time is over still counts as having come.
        BarrierKeepsTheLate,
        /// An event that one waiter takes is set twice for two.
        SetTwiceIsTwo,
        /// An event that one waiter takes is set and nobody is woken.
        SetNeverWakes,
        /// A writer that goes on reading lets other writers in.
        DowngradeKeepsNoSlot,
        /// A writer that goes on reading leaves sleeping readers asleep.
        DowngradeWakesNobody,
        /// The last reader does not wake the writer.
        LastReaderLeavesSilently,
        /// A writer that times out does not wake those it kept out.
        WriterLeavesSilently,
        /// The writer sleeps without looking once more.
        WriterReadsTurnLate,
        /// A dead owner's lock is stored over, not compared and swapped.
        DoubleRecovery,
        /// The lock of a dead owner is had as if nothing had happened.
        DeathUnnoticed,
        /// The lock is not announced before it is taken.
        NotAnnounced,
        /// The lock is not announced while it is given up.
        NotAnnouncedAtUnlock,
        /// Who does not wait, or is about to, does not look whether the owner is dead.
        TrierNeverLooks,
        /// A waiter does not look whether the system missed the owner's death.
        WaiterTrustsTheSystem,
        /// A thread that reads waits for a writer that waits for it.
        ReaderWaitsForItself,
        /// A writer takes the data without waiting for the last slot of readers.
        WriterSkipsASlot,
        /// A writer does not leave word that it writes.
        WriterLeavesNoMark,
    }
}
