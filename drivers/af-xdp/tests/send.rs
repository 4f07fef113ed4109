//! The example, over a real interface.
#![cfg(target_os = "linux")]

#[path = "../examples/send.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod example;

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use farend_lab::{Host, Lab, Wire};

/// Frames that a host's interface has received.
fn received(host: &Host) -> u64 {
    let table = host.namespace.run(|| fs::read_to_string("/proc/thread-self/net/dev"));
    let table = table.unwrap().unwrap();
    let (_, counts) = table.split_once(&format!("{}:", host.interface)).unwrap();
    // Octets, then packets.
    counts.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn frames_of_the_example_reach_the_far_host() {
    if farend_lab::is_skipped_without_root() {
        return;
    }
    let lab = Lab::new(Wire::default()).unwrap();
    let before = received(&lab.far);
    let index = lab.near.interface_index;
    let sent = lab.near.namespace.run(|| example::send(index).map_err(|error| error.to_string()));
    let sent = sent.unwrap().unwrap() as u64;
    assert_eq!(sent, 64);
    let deadline = Instant::now() + Duration::from_secs(5);
    while received(&lab.far) < before + sent && Instant::now() < deadline {
        sleep(Duration::from_millis(1));
    }
    assert!(received(&lab.far) >= before + sent);
}
