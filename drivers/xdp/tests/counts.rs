//! Answered, sent and lost are three numbers. Needs root.
#![cfg(target_os = "linux")]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use support::{
    PATIENCE,
    farend::Farend,
    flood::flows,
    frame::{Ip, probe},
    namespace::{Pair, inside},
    pass::Pass,
    queues::pair_with_queues,
    raw::Raw,
    settings::Settings,
};

const FRAMES: u32 = 500;

/// Sends probes one after the other and waits for each answer.
fn exchange(pair: &Pair) {
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for number in 0..FRAMES {
            assert!(raw.send(&probe(Ip::V4, &[], 60, number)));
            assert!(raw.receive_probe(PATIENCE).is_some(), "{number}");
        }
    });
}

fn numbers_of(total: &Value) -> (&Value, &Value, &Value) {
    (&total["frames"]["reflected"], &total["sent"], &total["lost"])
}

#[test]
fn tiers_tell_how_many_answers_were_sent() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for (tier, is_known) in
        [("xdp", true), ("xdp-generic", false), ("af-xdp", true), ("af-packet", true)]
    {
        let settings = Settings::new(&format!("sent-{tier}.toml"), "port = 3842\n");
        let arguments = format!("far --tier {tier} --stats json {}", settings.option());
        let farend = Farend::ready(&pair.far, &arguments);
        exchange(&pair);
        // Another program counts on.
        settings.replace("port = 3842\nsignatures = \"probeot\"\n");
        farend.signal(Signal::HUP);
        farend.wait_for_times("are in force", 1);
        exchange(&pair);
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        let last = end.last();
        let sent = if is_known { json!(2 * FRAMES) } else { Value::Null };
        for counts in [&last["total"], &last["interfaces"][0]] {
            assert_eq!(
                numbers_of(counts),
                (&json!(2 * FRAMES), &sent, &json!(0)),
                "{tier}: {last}"
            );
        }
    }
}

#[test]
fn answers_that_a_veth_peer_does_not_take_are_lost_and_not_sent() {
    // No program at the near end, so the peer takes no frames from XDP.
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --tier xdp --stats json --stats-interval 0.05");
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for number in 0..FRAMES {
            assert!(raw.send(&probe(Ip::V4, &[], 60, number)));
        }
    });
    farend.wait_for(&format!("\"reflected\":{FRAMES},"));
    let end = farend.stop();
    let last = end.last();
    let expected = (&json!(FRAMES), &json!(0), &json!(FRAMES));
    assert_eq!(numbers_of(&last["total"]), expected, "{last}");
    assert_eq!(last["total"]["losses"]["transmit_failed"], FRAMES, "{last}");
}

#[test]
fn queues_sum_to_what_their_interface_has_done() {
    let Some(pair) = pair_with_queues(4) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for (tier, queues) in [("af-xdp", 4), ("af-packet", 0), ("xdp", 0)] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} --stats json"));
        assert_eq!(inside(&pair.near, || flows(&Raw::open("near"), 64, 1)), 64, "{tier}");
        let end = farend.stop();
        let last = end.last();
        let told = last["interfaces"][0]["queues"].as_array().unwrap();
        assert_eq!(told.len(), queues, "{tier}: {last}");
        if queues == 0 {
            continue;
        }
        let sum = |name: &str| -> u64 { told.iter().map(|one| one[name].as_u64().unwrap()).sum() };
        let numbers: Vec<_> = told.iter().map(|one| one["queue"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3], "{last}");
        let total = &last["total"];
        assert_eq!((sum("answers"), sum("sent")), (64, 64), "{last}");
        assert_eq!(numbers_of(total), (&json!(64), &json!(64), &json!(0)), "{last}");
        assert_eq!(total["lost"], sum("lost"), "{last}");
        assert!(told.iter().filter(|one| one["answers"] != 0).count() > 1, "{last}");
    }
}
