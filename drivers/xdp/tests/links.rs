//! What others do to the interface that is served. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    ffi::OsStr,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixListener},
        },
    },
    process::Command,
    time::Instant,
};

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
    for first in ["xdp", "xdp-generic", "af-xdp", "af-packet"] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {first} --stats none"));
        let told = format!(
            "another reflector answers on far (process id {})",
            farend.pid().as_raw_nonzero()
        );
        // Without CAP_SYS_ADMIN nobody's programs have a name.
        for before in ["", "setpriv --bounding-set -sys_admin"] {
            for second in ["", "--tier af-packet", "--tier af-packet --replace"] {
                for last in ["--check", "--duration 0.1"] {
                    let arguments = format!("far {second} --stats none {last}");
                    let end = Farend::run(&pair.far, before, &arguments);
                    let case = format!("{before} {second} {last} beside {first}: {end:?}");
                    assert_eq!(end.code, Some(1), "{case}");
                    assert!(end.stderr.contains(&told), "{case}");
                    assert!(!end.stderr.contains("ready: "), "{case}");
                    assert!(!end.stderr.contains("would be tried"), "{case}");
                    // Which does not help here.
                    assert!(!end.stderr.contains("--replace"), "{case}");
                }
            }
        }
        assert_eq!(farend.stop().code, Some(0), "{first}");
    }
    let end = Farend::run(&pair.far, "", "far --tier af-packet --duration 0.1");
    assert_eq!(end.code, Some(0), "nobody is left: {end:?}");
}

#[test]
fn interfaces_of_two_namespaces_with_one_number_are_served_at_once() {
    let (Some(one), Some(other)) = (Pair::new(1_500), Pair::new(1_500)) else { return };
    let index = |pair: &Pair| inside(&pair.far, || farend_linux::index_of("far").unwrap());
    assert_eq!(index(&one), index(&other));
    let farends = [&one, &other].map(|pair| Farend::ready(&pair.far, "far --tier af-packet"));
    assert!(is_answered(&one) && is_answered(&other));
    for farend in farends {
        assert_eq!(farend.stop().code, Some(0));
    }
}

#[test]
fn name_held_by_a_stranger_keeps_no_reflector_from_starting() {
    let Some(pair) = Pair::new(1_500) else { return };
    let index = inside(&pair.far, || farend_linux::index_of("far").unwrap());
    let _held = inside(&pair.far, || {
        // Of this thread alone.
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65_534)).unwrap();
        let name = SocketAddr::from_abstract_name(format!("farend-reflector-{index}")).unwrap();
        UnixListener::bind_addr(&name).unwrap()
    });
    let farend = Farend::ready(&pair.far, "far --tier af-packet --stats none");
    farend.wait_for("whether another reflector answers on far cannot be told");
    assert!(is_answered(&pair));
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn packet_socket_beside_a_foreign_program_says_what_it_sees() {
    let Some(pair) = Pair::new(1_500) else { return };
    Pass::attach_by_netlink(&pair.far, "far", XdpMode::Generic);
    let farend = Farend::ready(&pair.far, "far --tier af-packet --stats none");
    farend.wait_for("an XDP program is attached to far: only what it passes on is answered");
    assert!(is_answered(&pair));
    assert_eq!(farend.stop().code, Some(0));
}
