//! Each fault, put into a process of its own, must make a model fail there.
//!
//! A child process, because a model that fails may leave locks that cannot be
//! dropped in order.

use std::{
    env, format,
    process::{Command, Stdio},
    string::String,
    vec::Vec,
};

/// A fault, the model that finds it, and whether only loom can. A missing fence shows
/// in no order of steps, only in a weaker memory; and for a reader beside a writer
/// shuttle would have to hit the very slot.
const FAULTS: [(&str, &str, bool); 20] = [
    ("UnlockNeverWakes", "mutex::one_at_a_time_and_nobody_sleeps_for_ever", false),
    ("MutexForgetsOthers", "mutex::two_sleepers_are_woken_one_after_the_other", false),
    ("UnlockWithoutRelease", "mutex::one_at_a_time_and_nobody_sleeps_for_ever", true),
    ("WakeBeforeStore", "mutex::two_sleepers_are_woken_one_after_the_other", false),
    ("EventForgetsSleepers", "event::what_was_done_before_set_is_seen_after_wait", false),
    ("PostNeverWakes", "semaphore::each_post_lets_one_through", false),
    ("SemaphoreForgetsOthers", "semaphore::each_post_lets_one_through", false),
    ("SemaphoreKeepsTheWake", "semaphore::each_post_lets_one_through", false),
    ("CondvarLooksLate", "condvar::a_notice_after_the_change_is_never_lost", false),
    ("CondvarWithoutFence", "condvar::a_notice_after_the_change_is_never_lost", true),
    ("NotifyAllWakesOne", "condvar::a_notice_to_all_lets_all_go", false),
    ("LastReaderLeavesSilently", "rwlock::readers_and_a_writer_never_meet", false),
    ("WriterLeavesSilently", "rwlock::a_writer_that_times_out_lets_readers_in", false),
    ("WriterReadsTurnLate", "rwlock::readers_and_a_writer_never_meet", false),
    ("DoubleRecovery", "owners::waiters_who_look_recover_once", false),
    ("DeathUnnoticed", "owners::a_death_at_any_step_is_told_and_strands_nobody", false),
    ("NotAnnounced", "owners::a_death_at_any_step_is_told_and_strands_nobody", false),
    ("NotAnnouncedAtUnlock", "owners::a_death_at_any_step_is_told_and_strands_nobody", false),
    ("WriterSkipsASlot", "rwlock_shared::readers_and_a_writer_never_meet", true),
    (
        "WriterLeavesNoMark",
        "rwlock_shared::a_writers_death_at_any_step_is_told_and_strands_nobody",
        false,
    ),
];

fn passes(fault: &str, model: &str) -> bool {
    let name = format!("sync::model::tests::{model}");
    let status = Command::new(env::current_exe().unwrap())
        .args([&name, "--exact", "--test-threads=1"])
        .env("FAREND_FAULT", fault)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

#[test]
fn every_seeded_fault_is_found() {
    if env::var_os("FAREND_FAULT").is_some() {
        return;
    }
    let missed: Vec<String> = FAULTS
        .iter()
        .filter(|(_, _, needs_loom)| cfg!(farend_loom) || !needs_loom)
        .filter(|(fault, model, _)| passes(fault, model))
        .map(|(fault, model, _)| format!("{fault} is not found by {model}"))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn without_a_fault_the_child_passes() {
    assert!(passes("", FAULTS[0].1));
}
