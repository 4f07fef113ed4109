//! What others do to the interface that is served. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command, time::Instant};

use farend_linux::XdpMode;
use support::{
    farend::Farend,
    frame::{Ip, answer, probe},
    namespace::{Pair, inside, ip},
    pass::{Pass, program_of_far},
    queues::ethtool,
    raw::Raw,
    reflector::LONG,
};

fn is_answered(pair: &Pair) -> bool {
    inside(&pair.near, || {
        let raw = Raw::open("near");
        let frame = probe(Ip::V4, &[], 60, 1);
        assert!(raw.send(&frame));
        let wanted = answer(Ip::V4, &[], &frame);
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            if raw.receive(LONG).is_some_and(|frame| frame == wanted) {
                return true;
            }
        }
        false
    })
}

#[test]
fn leaving_a_bridge_does_not_end_the_reflector() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic --stats none");
    ip(&format!("-n {} link add name br0 type bridge", pair.far));
    ip(&format!("-n {} link set far master br0", pair.far));
    ip(&format!("-n {} link set far nomaster", pair.far));
    ip(&format!("-n {} link set far mtu 1400", pair.far));
    farend.wait_for("MTU is now 1400");
    assert!(is_answered(&pair));
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn alias_that_is_no_text_does_not_end_the_reflector() {
    let Some(pair) = Pair::new(1_500) else { return };
    let set_alias = || {
        let mut command = Command::new("ip");
        command.args(["-n", &pair.far, "link", "set", "far", "alias"]);
        command.arg(OsStr::from_bytes(b"lab \xff\xfe"));
        assert!(command.status().unwrap().success());
    };
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic --stats none");
    set_alias();
    ip(&format!("-n {} link set far mtu 1400", pair.far));
    farend.wait_for("MTU is now 1400");
    assert!(is_answered(&pair));
    assert_eq!(farend.stop().code, Some(0));
    // And one that has it from the start.
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic --stats none");
    assert!(is_answered(&pair));
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn interface_that_moved_to_another_namespace_is_not_called_deleted() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --tier af-packet --stats none");
    ip(&format!("-n {} link set far netns {}", pair.far, pair.near));
    let end = farend.end();
    assert!(end.stderr.contains("moved to another network namespace"), "{end:?}");
    assert!(!end.stderr.contains("deleted"), "{end:?}");
}

#[test]
fn replaced_program_is_back_at_the_end() {
    for tier in ["xdp", "af-xdp"] {
        let Some(pair) = Pair::new(1_500) else { return };
        let _pass_near = Pass::attach(&pair.near, "near");
        Pass::attach_by_netlink(&pair.far, "far", XdpMode::Native);
        let before = program_of_far(&pair);
        assert!(before.is_some());
        let arguments = format!("far --tier {tier} --replace --stats none");
        let farend = Farend::ready(&pair.far, &arguments);
        assert!(program_of_far(&pair).is_some_and(|id| Some(id) != before), "{tier}");
        assert!(is_answered(&pair), "{tier}");
        assert_eq!(farend.stop().code, Some(0), "{tier}");
        assert_eq!(program_of_far(&pair), before, "{tier}");
    }
}

#[test]
fn replace_that_fails_leaves_the_old_program() {
    let Some(pair) = Pair::with_queues(1_500, 4) else { return };
    Pass::attach_by_netlink(&pair.far, "far", XdpMode::Generic);
    // As many receive queues as the other end has to transmit are wanted.
    ethtool(&pair.far, "-L far rx 1 tx 1");
    let before = program_of_far(&pair);
    assert!(before.is_some());
    let end = Farend::run(&pair.far, "", "far --tier xdp --replace --stats none");
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.stderr.contains("too few queues for XDP"), "{end:?}");
    assert_eq!(program_of_far(&pair), before, "{end:?}");
}

#[test]
fn second_reflector_on_an_interface_is_refused() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for (first, told) in [
        ("xdp", "another XDP program is attached (id "),
        ("af-xdp", "another XDP program is attached (id "),
        ("af-packet", "another reflector answers on far by a packet socket"),
    ] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {first} --stats none"));
        for second in ["", "--tier af-packet"] {
            let arguments = format!("far {second} --stats none --duration 0.1");
            let end = Farend::run(&pair.far, "", &arguments);
            assert_eq!(end.code, Some(1), "{second} beside {first}: {end:?}");
            assert!(end.stderr.contains(told), "{second} beside {first}: {end:?}");
            assert!(!end.stderr.contains("ready: "), "{second} beside {first}: {end:?}");
        }
        assert_eq!(farend.stop().code, Some(0), "{first}");
    }
}
