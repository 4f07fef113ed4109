//! Each fault, put into a process of its own, must make a model fail there.

use std::{
    env, format,
    process::{Command, Stdio},
    string::String,
    vec::Vec,
};

const SLEEPING: &str = "spsc::sides_that_sleep_are_woken_and_see_whole_records";
const LOOKING: &str = "spsc::sides_that_only_look_see_whole_records_in_order";
const READING: &str = "broadcast::a_reader_that_sleeps_is_woken_and_misses_nothing";
const OVERTAKEN: &str = "broadcast::an_overtaken_reader_gets_whole_messages_and_the_exact_lag";
const ATTACHING: &str = "broadcast::a_reader_that_comes_late_is_waited_for";

/// A fault, the model that finds it, and whether only loom does: an order that is
/// missing shows in no order of steps, only in a weaker memory, and some orders of
/// steps are too rare to be drawn by chance.
const FAULTS: [(&str, &str, bool); 20] = [
    ("ForgottenWake", SLEEPING, false),
    ("ForgottenWake", READING, false),
    ("ArmedAfterTheLook", SLEEPING, false),
    ("UnorderedBell", SLEEPING, true),
    ("UnorderedBell", READING, true),
    ("PublishBeforeWrite", LOOKING, false),
    ("PublishWithoutRelease", LOOKING, true),
    ("NextWordKept", SLEEPING, false),
    ("StaleCursor", SLEEPING, false),
    ("NoRoomForTheNextWord", SLEEPING, false),
    ("GivenBackEarly", LOOKING, true),
    ("TornMessage", OVERTAKEN, false),
    ("ReaderWithoutFence", OVERTAKEN, true),
    ("WriterWithoutFence", OVERTAKEN, true),
    ("SlotNotMarked", OVERTAKEN, false),
    ("LagOffByOne", OVERTAKEN, false),
    ("OneMessageTooMany", READING, false),
    ("OneMessageTooMany", ATTACHING, false),
    ("ImpossibleIgnored", ATTACHING, true),
    ("AttachWithoutFence", ATTACHING, true),
];

fn passes(fault: &str, model: &str) -> bool {
    let name = format!("ring::models::{model}");
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
    assert!(passes("", SLEEPING));
}
