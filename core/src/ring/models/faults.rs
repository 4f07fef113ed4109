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

const LOOKED_AT: &str = "spsc::sides_that_sleep_are_woken_by_who_only_looks_at_the_bell";
const LOOKING_FIRST: &str = "spsc::sides_that_look_for_a_while_before_they_sleep_are_woken";
const GIVEN_BACK: &str = "spsc::a_consumer_sees_nothing_of_loans_that_were_given_back";
const PRODUCER_DIED: &str = "deaths::a_producer_that_takes_over_loses_and_doubles_nothing";
const WRITER_DIED: &str = "deaths::a_writer_that_takes_over_loses_and_doubles_nothing";
const READER_DIED: &str = "deaths::a_reader_in_the_place_of_a_dead_one_is_not_taken_for_it";

const MANY: &str = "channel::a_receiver_that_sleeps_gets_the_messages_of_all_senders";
const SENDER_DIED: &str = "channel::a_dead_sender_keeps_nobody_and_its_successor_goes_on";

const ROWS: &[Row<Fault>] = &[
    (Fault::LaneUnmarked, MANY, Both),
    (Fault::OneLaneLookedAt, MANY, Both),
    (Fault::NothingRecovered, SENDER_DIED, Both),
    (Fault::PublishBeforeWrite, LOOKING, Both),
    (Fault::ForgottenWake, SLEEPING, Both),
    (Fault::ForgottenWake, READING, Both),
    (Fault::ArmedAfterTheLook, SLEEPING, Both),
    (Fault::ForgottenWake, LOOKING_FIRST, Both),
    (Fault::ArmedAfterTheLook, LOOKING_FIRST, Both),
    (Fault::LightFenceForgotten, LOOKED_AT, Loom),
    (Fault::BarrierForgotten, LOOKED_AT, Loom),
    (Fault::ClearedTooFar, SLEEPING, Both),
    (Fault::StaleGuess, GIVEN_BACK, Both),
    (Fault::NothingRecovered, PRODUCER_DIED, Both),
    (Fault::NothingRecovered, WRITER_DIED, Both),
    (Fault::UnheardReader, READER_DIED, Loom),
    (Fault::ClearedUntaken, READER_DIED, Loom),
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
