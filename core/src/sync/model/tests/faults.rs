//! Which model finds which fault.

use crate::{
    seeded::search::{
        FoundBy::{Both, Loom},
        Row, each_is_found,
    },
    sync::seeded::Fault,
};

const ROWS: &[Row<Fault>] = &[
    (Fault::UnlockNeverWakes, "mutex::one_at_a_time_and_nobody_sleeps_for_ever", Both),
    (Fault::MutexForgetsOthers, "mutex::sleepers_are_woken_one_after_the_other", Both),
    (Fault::NeverHandsOver, "mutex::a_sleeper_is_handed_the_lock_in_the_end", Both),
    (Fault::UnlockWithoutRelease, "mutex::one_at_a_time_and_nobody_sleeps_for_ever", Loom),
    (Fault::WakeBeforeStore, "mutex::sleepers_are_woken_one_after_the_other", Both),
    (Fault::EventForgetsSleepers, "event::what_was_done_before_set_is_seen_after_wait", Both),
    (Fault::EventWakesOne, "event_shared::a_waiters_death_at_any_step_delays_nobody", Both),
    (Fault::EventNeverLooksAgain, "event_shared::a_setters_death_at_any_step_strands_nobody", Both),
    (Fault::PostNeverWakes, "semaphore::each_post_lets_one_through", Both),
    (Fault::SemaphoreForgetsOthers, "semaphore::each_post_lets_one_through", Both),
    (Fault::SemaphoreKeepsTheWake, "semaphore::each_post_lets_one_through", Both),
    (
        Fault::SemaphoreNeverLooksAgain,
        "semaphore_shared::an_acquirers_death_at_any_step_takes_one_unit_at_most",
        Both,
    ),
    (
        Fault::SemaphoreNeverLooksAgain,
        "semaphore_shared::a_posters_death_at_any_step_loses_no_unit",
        Both,
    ),
    (Fault::CondvarLooksLate, "condvar::a_notice_after_the_change_is_never_lost", Both),
    (Fault::CondvarWithoutFence, "condvar::a_notice_after_the_change_is_never_lost", Loom),
    (Fault::NotifyAllWakesOne, "condvar::a_notice_to_all_lets_all_go", Both),
    (
        Fault::CondvarNeverLooksAgain,
        "condvar_shared::a_waiters_death_at_any_step_strands_nobody",
        Both,
    ),
    (
        Fault::CondvarNeverLooksAgain,
        "condvar_shared::a_notifiers_death_at_any_step_strands_nobody",
        Both,
    ),
    (
        Fault::CondvarNeverLooksAgain,
        "condvar_shared::a_notifier_to_all_that_dies_at_any_step_strands_nobody",
        Both,
    ),
    (Fault::OnceLooksOnce, "once::it_is_done_once_and_seen_by_all", Both),
    (Fault::BarrierForgetsSleepers, "barrier::all_go_on_together_and_one_was_the_last", Both),
    (Fault::BarrierKeepsTheLate, "barrier::one_whose_time_is_over_has_not_come", Both),
    (Fault::SetTwiceIsTwo, "auto_reset::set_by_several_it_is_taken_by_one", Both),
    (Fault::SetNeverWakes, "auto_reset::each_set_lets_one_go_who_sees_what_was_done_before", Both),
    (
        Fault::DowngradeKeepsNoSlot,
        "rwlock_shared::a_writer_that_goes_on_reading_lets_no_writer_in",
        Both,
    ),
    (Fault::DowngradeWakesNobody, "rwlock::a_writer_that_goes_on_reading_lets_readers_in", Both),
    (Fault::LastReaderLeavesSilently, "rwlock::readers_and_a_writer_never_meet", Both),
    (Fault::WriterLeavesSilently, "rwlock::a_writer_that_times_out_lets_readers_in", Both),
    (Fault::WriterReadsTurnLate, "rwlock::readers_and_a_writer_never_meet", Both),
    (Fault::DoubleRecovery, "owners::waiters_who_look_recover_once", Both),
    (Fault::DeathUnnoticed, "owners::a_death_at_any_step_is_told_and_strands_nobody", Both),
    (Fault::NotAnnounced, "owners::a_death_at_any_step_is_told_and_strands_nobody", Both),
    (Fault::NotAnnouncedAtUnlock, "owners::a_death_at_any_step_is_told_and_strands_nobody", Both),
    (Fault::TrierNeverLooks, "owners::whoever_only_tries_recovers_once", Both),
    (
        Fault::WaiterTrustsTheSystem,
        "owners::a_death_that_the_system_missed_is_noticed_by_looking",
        Both,
    ),
    (
        Fault::ReaderWaitsForItself,
        "rwlock_shared::a_reader_that_locks_again_is_never_kept_waiting",
        Both,
    ),
    (Fault::WriterSkipsASlot, "rwlock_shared::readers_and_a_writer_never_meet", Loom),
    (
        Fault::WriterLeavesNoMark,
        "rwlock_shared::a_writers_death_at_any_step_is_told_and_strands_nobody",
        Both,
    ),
];

#[test]
fn every_seeded_fault_is_found() {
    each_is_found("sync::model::tests", ROWS);
}
