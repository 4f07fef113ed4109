//! The program, started by users with different rights. Needs root.
#![cfg(target_os = "linux")]

use std::process::Command;

use farend_effort::own_port;
use farend_lab::is_skipped_without_root;

/// What it says of a run of a moment, started by another program or none.
fn told(before: &[&str]) -> String {
    let port = own_port().to_string();
    let program = [env!("CARGO_BIN_EXE_farend-udp"), "127.0.0.1", "--port", &port];
    let line = [before, &program, &["--duration", "0.1", "--stats", "none"]].concat();
    let output = Command::new(line[0]).args(&line[1..]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("ready: "), "{told}");
    told
}

#[test]
fn receive_buffers_grow_beyond_the_limit_for_those_who_may() {
    if is_skipped_without_root() {
        return;
    }
    let limit: usize =
        std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
    let all = told(&[]);
    assert!(!all.contains("receive buffer"), "{all}");
    // And the right goes before the first datagram.
    assert!(all.contains("capabilities=none"), "{all}");
    let some = told(&["setpriv", "--bounding-set", "-net_admin"]);
    if limit < 8 << 20 {
        assert!(some.contains(&format!("asked for 8388608 octets, given {limit}")), "{some}");
    }
}
