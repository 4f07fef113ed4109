//! Which model finds which fault.

use crate::{
    ring::seeded::Fault,
    seeded::search::{
        FoundBy::{Both, Loom},
        Row, each_is_found,
    },
};

const SLEEPING: &str = "spsc::sides_that_sleep_are_woken_and_see_whole_records";
const LOOKING: &str = "spsc::sides_that_only_look_see_whole_records_in_order";
const READING: &str = "broadcast::a_reader_that_sleeps_is_woken_and_misses_nothing";
const OVERTAKEN: &str = "broadcast::an_overtaken_reader_gets_whole_messages_and_the_exact_lag";
const ATTACHING: &str = "broadcast::a_reader_that_comes_late_is_waited_for";

const ROWS: &[Row<Fault>] = &[
    (Fault::PublishBeforeWrite, LOOKING, Both),
    (Fault::ForgottenWake, SLEEPING, Both),
    (Fault::ForgottenWake, READING, Both),
    (Fault::ArmedAfterTheLook, SLEEPING, Both),
    (Fault::UnorderedBell, SLEEPING, Loom),
    (Fault::UnorderedBell, READING, Loom),
    (Fault::PublishWithoutRelease, LOOKING, Loom),
    (Fault::NextWordKept, SLEEPING, Both),
    (Fault::StaleCursor, SLEEPING, Both),
    (Fault::NoRoomForTheNextWord, SLEEPING, Both),
    (Fault::GivenBackEarly, LOOKING, Loom),
    (Fault::TornMessage, OVERTAKEN, Both),
    (Fault::ReaderWithoutFence, OVERTAKEN, Loom),
    (Fault::WriterWithoutFence, OVERTAKEN, Loom),
    (Fault::SlotNotMarked, OVERTAKEN, Both),
    (Fault::LagOffByOne, OVERTAKEN, Both),
    (Fault::OneMessageTooMany, READING, Both),
    (Fault::OneMessageTooMany, ATTACHING, Both),
    (Fault::ImpossibleIgnored, ATTACHING, Loom),
    (Fault::AttachWithoutFence, ATTACHING, Loom),
];

#[test]
fn every_seeded_fault_is_found() {
    each_is_found("ring::models", ROWS);
}
