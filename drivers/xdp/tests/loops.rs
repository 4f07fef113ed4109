//! Two reflectors that face one another on a veth pair: no frame goes to and fro
//! for ever, whatever ports they serve. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{thread, time::Duration};

use support::{
    farend::Farend,
    frame::{Ip, probe},
    namespace::{Pair, inside},
    raw::Raw,
};

/// Answers that one frame may draw from either end: its hop limit, and no more.
const ANSWERS_MAX: u64 = 64;

/// Runs a reflector at each end, puts one frame between their ports, forged to
/// come from the near one; how often each answered.
fn bounced(tier: &str, options: [&str; 2]) -> Option<[u64; 2]> {
    let pair = Pair::new(1_500)?;
    let [near, far] = options;
    let near = Farend::ready(&pair.near, &format!("near --tier {tier} --stats json {near}"));
    let far = Farend::ready(&pair.far, &format!("far --tier {tier} --stats json {far}"));
    let mut frame = probe(Ip::V4, &[], 60, 1);
    frame[34..36].copy_from_slice(&6_000_u16.to_be_bytes());
    frame[36..38].copy_from_slice(&5_000_u16.to_be_bytes());
    inside(&pair.near, || assert!(Raw::open("near").send(&frame)));
    thread::sleep(Duration::from_secs(1));
    let ends = [near, far].map(|end| end.stop().last());
    Some(ends.map(|end| end["total"]["frames"]["reflected"].as_u64().unwrap()))
}

#[test]
fn two_reflectors_on_foreign_ports_end_by_the_hop_limit() {
    for tier in ["xdp", "xdp-generic", "af-packet"] {
        let Some([near, far]) = bounced(tier, ["--port 6000", "--port 5000"]) else { return };
        assert!(far >= 1, "{tier}: the frame was not answered at all");
        assert!(near + far <= ANSWERS_MAX, "{tier}: {near} and {far} answers");
        // Only the falling hop limit can have ended it.
        assert!(near + far > 32, "{tier}: {near} and {far} answers");
    }
}

#[test]
fn two_reflectors_with_the_guard_off_go_on() {
    let off = "--disable-guard hop-limit";
    let (one, other) = (format!("--port 6000 {off}"), format!("--port 5000 {off}"));
    let Some([near, far]) = bounced("xdp", [&one, &other]) else { return };
    assert!(near + far > 10_000, "{near} and {far} answers");
}
