//! What a reload changes, and what it leaves alone. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    io::ErrorKind,
    net::UdpSocket,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use farend_linux::{Interface, Rtnetlink};
use rustix::process::Signal;
use support::{
    PATIENCE,
    farend::Farend,
    frame::{Ip, number, probe},
    namespace::{Pair, inside, ip},
    pass::{Pass, program_of_far},
    raw::Raw,
    settings::Settings,
};

const IN_FORCE: &str = "are in force";
const PROBE: &[u8] = b"\x01\x02\x03\x04\x05PROBEOT and more";

/// Whether a datagram from the near end is answered from where it was sent.
fn is_answered(pair: &Pair, address: &str) -> bool {
    inside(&pair.near, || {
        let socket = UdpSocket::bind(("198.18.0.2", 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        socket.connect((address, 3842)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            // What the host refuses is told by either call.
            match socket.send(PROBE).and_then(|_| socket.recv(&mut [0; 64])) {
                Ok(octets) => return octets == PROBE.len(),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return false,
                Err(_) => {}
            }
        }
        panic!("neither answered nor refused");
    })
}

#[test]
fn reload_of_the_same_policy_keeps_the_program_and_another_takes_a_new_one() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for tier in ["xdp", "xdp-generic", "af-xdp"] {
        let settings = Settings::new(&format!("same-{tier}.toml"), "port = 3842\n");
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} {}", settings.option()));
        let first = program_of_far(&pair);
        assert!(first.is_some(), "{tier}");
        farend.signal(Signal::HUP);
        farend.wait_for_times(IN_FORCE, 1);
        assert_eq!(program_of_far(&pair), first, "{tier}: the file is the same");
        // Another text, the same policy.
        settings.replace("mode = \"all\"\nport = 3842\nstats-interval = 60\n");
        farend.signal(Signal::HUP);
        farend.wait_for_times(IN_FORCE, 2);
        assert_eq!(program_of_far(&pair), first, "{tier}: the policy is the same");
        settings.replace("port = 7\n");
        farend.signal(Signal::HUP);
        farend.wait_for_times(IN_FORCE, 3);
        let second = program_of_far(&pair);
        assert!(second.is_some() && second != first, "{tier}: {first:?}, then {second:?}");
        settings.replace("port = 3842\n");
        farend.signal(Signal::HUP);
        farend.wait_for_times(IN_FORCE, 4);
        assert!(program_of_far(&pair).is_some_and(|id| Some(id) != second), "{tier}");
        assert_eq!(farend.stop().code, Some(0), "{tier}");
    }
}

#[test]
fn reload_of_the_same_policy_takes_a_new_address() {
    let Some(pair) = Pair::new(1_500) else { return };
    let settings = Settings::new("address.toml", "port = 3842\n");
    let farend = Farend::ready(&pair.far, &format!("far --tier udp {}", settings.option()));
    ip(&format!("-n {} addr add 198.18.0.11/24 dev far", pair.far));
    assert!(is_answered(&pair, "198.18.0.1"));
    assert!(!is_answered(&pair, "198.18.0.11"));
    farend.signal(Signal::HUP);
    farend.wait_for_times(IN_FORCE, 1);
    // The worker takes its sockets between two bursts.
    let deadline = Instant::now() + PATIENCE;
    while !is_answered(&pair, "198.18.0.11") {
        assert!(Instant::now() < deadline, "nobody answers on the new address");
    }
    assert!(is_answered(&pair, "198.18.0.1"));
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn renamed_interface_takes_changed_settings() {
    let Some(pair) = Pair::new(1_500) else { return };
    let settings = Settings::new("renamed.toml", "port = 3842\n");
    let farend = Farend::ready(&pair.far, &format!("far --tier udp {}", settings.option()));
    for command in ["set far down", "set far name farther", "set farther up"] {
        ip(&format!("-n {} link {command}", pair.far));
    }
    settings.replace("port = 3842\nsignatures = \"latency\"\n");
    farend.signal(Signal::HUP);
    farend.wait_for_times(IN_FORCE, 1);
    settings.replace("port = 3842\n");
    farend.signal(Signal::HUP);
    farend.wait_for_times(IN_FORCE, 2);
    assert!(is_answered(&pair, "198.18.0.1"));
    assert_eq!(farend.count("remain in force"), 0);
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn any_destination_is_live() {
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];
    let Some(pair) = Pair::new(1_500) else { return };
    let to_other = |number| {
        let mut frame = probe(Ip::V4, &[], 60, number);
        frame[..6].copy_from_slice(&OTHER);
        frame
    };
    let is_promiscuous = || {
        inside(&pair.far, || {
            let found = Interface::find(&mut Rtnetlink::open().unwrap(), "far").unwrap();
            found.unwrap().is_promiscuous
        })
    };
    let settings = Settings::new("any.toml", "any-destination = false\n");
    let arguments = format!("far --tier af-packet --stats json {}", settings.option());
    let farend = Farend::ready(&pair.far, &arguments);
    for (reloads, is_any) in [(0, false), (1, true), (2, true), (3, false), (4, true)] {
        if reloads > 0 {
            settings.replace(&format!("any-destination = {is_any}\n"));
            farend.signal(Signal::HUP);
            farend.wait_for_times(IN_FORCE, reloads);
        }
        assert_eq!(is_promiscuous(), is_any, "reload {reloads}");
        // A frame to us behind one to another: once it is answered, both were seen.
        let back = inside(&pair.near, || {
            let raw = Raw::open("near");
            // The burst after the one that may have begun before the reload.
            assert!(raw.send(&probe(Ip::V4, &[], 60, 0)));
            assert!(raw.receive_probe(PATIENCE).is_some());
            assert!(raw.send(&to_other(1)) && raw.send(&probe(Ip::V4, &[], 60, 2)));
            let mut back = Vec::new();
            while back.last() != Some(&2) {
                back.push(number(&raw.receive_probe(PATIENCE).unwrap()));
            }
            back
        });
        assert_eq!(back.contains(&1), is_any, "reload {reloads}");
    }
    let end = farend.stop();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert_eq!(end.last()["total"]["passed"]["foreign_destination_mac"], 2, "{end:?}");
    assert!(!is_promiscuous());
}

#[test]
fn reload_tells_what_new_settings_bring_about_once() {
    let Some(pair) = Pair::new(1_500) else { return };
    let settings = Settings::new("found.toml", "any-destination = false\n");
    let arguments = format!("far --tier xdp-generic {}", settings.option());
    let farend = Farend::ready(&pair.far, &arguments);
    assert_eq!(farend.count("promisc on"), 0);
    settings.replace("any-destination = true\n");
    for reloads in 1..=2 {
        farend.signal(Signal::HUP);
        farend.wait_for_times(IN_FORCE, reloads);
    }
    assert_eq!(farend.stop().stderr.matches("ip link set far promisc on").count(), 1);
}

/// Sends one probe after the other, to a port until the host says that nobody
/// listens there, and then to the other one; tells `is_warm` once it is under
/// way. Gives the number of answers.
fn flow(ports: [u16; 2], is_warm: &Barrier) -> u32 {
    let socket = UdpSocket::bind(("198.18.0.2", 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(("198.18.0.1", ports[0])).unwrap();
    let ask = || socket.send(PROBE).and_then(|_| socket.recv(&mut [0; 64]));
    let mut answered = 0;
    let error = loop {
        match ask() {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
        if answered == 10 {
            is_warm.wait();
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "a probe was lost");
    socket.connect(("198.18.0.1", ports[1])).unwrap();
    for _ in 0..10 {
        assert_eq!(ask().unwrap(), PROBE.len());
        answered += 1;
    }
    answered
}

#[test]
fn udp_reload_under_load_loses_no_datagram() {
    const FLOWS: usize = 8;
    let Some(pair) = Pair::new(1_500) else { return };
    // Each flow is to be told that the port is closed.
    inside(&pair.far, || fs::write("/proc/sys/net/ipv4/icmp_ratelimit", "0").unwrap());
    for (at, target) in ["far", "198.18.0.1", ""].iter().enumerate() {
        let settings = Settings::new(&format!("load{at}.toml"), "port = 3842\n");
        let arguments = format!("{target} --tier udp --stats json {}", settings.option());
        let farend = Farend::ready(&pair.far, &arguments);
        let is_warm = Barrier::new(FLOWS + 1);
        let answered: u32 = thread::scope(|scope| {
            let run = || inside(&pair.near, || flow([3_842, 4_000], &is_warm));
            let flows: Vec<_> = (0..FLOWS).map(|_| scope.spawn(run)).collect();
            is_warm.wait();
            settings.replace("port = 4000\n");
            farend.signal(Signal::HUP);
            flows.into_iter().map(|flow| flow.join().unwrap()).sum()
        });
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        let total = &end.last()["total"];
        assert_eq!(total["sent"], answered, "{target:?}: {total}");
        assert_eq!(total["frames"]["reflected"], answered, "{target:?}: {total}");
        assert_eq!(total["lost"], 0, "{target:?}: {total}");
    }
}
