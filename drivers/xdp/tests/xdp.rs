//! The program's tiers on one end of a veth pair, from the outside. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use farend_linux::XdpMode as Mode;
use rustix::process::Signal;
use support::{
    PATIENCE,
    farend::Farend,
    flood::flows,
    frame::{Ip, PORT, answer, probe},
    namespace::{Pair, inside, ip},
    pass::Pass,
    queues::{ethtool, frames_of_queues, pair_with_queues, set_queues_to_far},
    raw::Raw,
    settings::Settings,
    stream::Stream,
};

const LONG: Duration = Duration::from_millis(500);
const SHORT: Duration = Duration::from_millis(100);

/// Sends one probe from the near end; what comes back.
fn ask(pair: &Pair, frame: &[u8], limit: Duration) -> Option<Vec<u8>> {
    inside(&pair.near, || {
        let raw = Raw::open("near");
        assert!(raw.send(frame));
        raw.receive_probe(limit)
    })
}

/// The XDP program on the far end, as `ip` tells it.
fn attached(pair: &Pair) -> bool {
    let output = std::process::Command::new("ip")
        .args(["-n", &pair.far, "-d", "link", "show", "far"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().contains("prog/xdp")
}

#[test]
fn every_tier_of_frames_reflects_every_kind_of_frame() {
    let Some(pair) = Pair::new(9_000) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for tier in ["xdp", "xdp-generic", "af-xdp", "af-packet"] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} --stats json"));
        for (ip, tags, length) in [
            (Ip::V4, vec![], 60),
            (Ip::V4, vec![], 1_514),
            (Ip::V4, vec![], 9_014),
            (Ip::V6, vec![], 80),
            (Ip::V4, vec![(0x8100, 7)], 100),
            (Ip::V6, vec![(0x88a8, 5), (0x8100, 7)], 100),
        ] {
            let frame = probe(ip, &tags, length, 1);
            let back = ask(&pair, &frame, LONG);
            assert_eq!(back, Some(answer(ip, &tags, &frame)), "{tier} {ip:?} {tags:?} {length}");
        }
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        let last = end.last();
        assert_eq!(last["event"], "final");
        assert_eq!(last["interfaces"][0]["tier"], tier);
        assert_eq!(last["total"]["reflected"]["probeot"], 6);
        assert!(!attached(&pair));
    }
}

#[test]
fn the_octets_of_a_long_frame_are_counted_whole() {
    let Some(pair) = Pair::new(9_000) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for tier in ["xdp", "xdp-generic", "af-xdp", "af-packet"] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} --stats json"));
        let frame = probe(Ip::V4, &[], 9_014, 1);
        assert!(ask(&pair, &frame, PATIENCE).is_some(), "{tier}");
        assert_eq!(farend.stop().last()["total"]["reflected_octets"], 9_014, "{tier}");
    }
}

#[test]
fn the_ready_line_says_what_reflects() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic --signatures latency,probeot");
    let line = farend.wait_for("ready: ");
    for part in [
        "far tier=xdp-generic mac=02:00:00:00:00:01",
        "mode=all port=3842 oui=any signatures=probeot,latency",
        "max-rate=none",
        "capabilities=net_admin,bpf,perfmon",
    ] {
        assert!(line.contains(part), "{part:?} not in {line:?}");
    }
}

#[test]
fn what_is_not_needed_is_dropped_before_the_first_frame() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic");
    let status = std::fs::read_to_string(format!("/proc/{}/status", farend.pid().as_raw_nonzero()));
    let status = status.unwrap();
    // CAP_NET_ADMIN (12), CAP_PERFMON (38) and CAP_BPF (39) of capability.h.
    let kept = format!("{:016x}", (1_u64 << 12) | (1 << 38) | (1 << 39));
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(status.contains(&format!("{set}:\t{kept}")), "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

#[test]
fn a_killed_program_leaves_nothing_attached() {
    let Some(pair) = Pair::new(1_500) else { return };
    let farend = Farend::ready(&pair.far, "far --tier xdp");
    assert!(attached(&pair));
    farend.signal(Signal::KILL);
    assert_eq!(farend.end().code, None);
    // The kernel lets go of the link after the process is gone.
    let deadline = Instant::now() + PATIENCE;
    while attached(&pair) {
        assert!(Instant::now() < deadline, "still attached");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_foreign_program_is_replaced_only_when_asked() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _near = Pass::attach(&pair.near, "near");
    let refused = |tier: &str| {
        let end = Farend::run(&pair.far, "", &format!("far --tier {tier} --stats none"));
        assert_eq!(end.code, Some(1), "{end:?}");
        assert!(end.stderr.contains("another XDP program is attached (id "), "{end:?}");
        assert!(end.stderr.contains("farend_reflect"), "{end:?}");
        assert!(end.stderr.contains("--replace"), "{end:?}");
        assert_eq!(end.stderr.lines().count(), 1, "{end:?}");
    };
    let replaced = || {
        let farend = Farend::ready(&pair.far, "far --tier xdp --replace --stats none");
        let frame = probe(Ip::V4, &[], 60, 1);
        assert_eq!(ask(&pair, &frame, PATIENCE), Some(answer(Ip::V4, &[], &frame)));
        assert_eq!(farend.stop().code, Some(0));
        assert!(attached(&pair), "the old one is not back");
    };
    {
        let _foreign = Pass::attach(&pair.far, "far");
        refused("xdp");
        refused("xdp-generic");
        replaced();
    }
    // It is back without its link.
    Pass::detach_by_netlink(&pair.far, "far", Mode::Native);
    Pass::attach_by_netlink(&pair.far, "far", Mode::Native);
    refused("xdp");
    replaced();
}

#[test]
fn a_reload_under_load_loses_no_frame_and_counts_each_once() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for tier in ["xdp", "xdp-generic", "af-xdp", "af-packet"] {
        let settings = Settings::new("reload.toml", "port = 3842\n");
        let arguments = format!("far --tier {tier} --stats json {}", settings.option());
        let farend = Farend::ready(&pair.far, &arguments);
        let stream = Stream::start(&pair.near, "near", 10);
        for reload in 1..=6_usize {
            thread::sleep(SHORT);
            let allowed = if reload % 2 == 1 { "198.18.0.0/15" } else { "198.18.0.2" };
            settings.replace(&format!("port = 3842\nallow = [\"{allowed}\"]\n"));
            farend.signal(Signal::HUP);
            let deadline = Instant::now() + PATIENCE;
            while farend.count("are in force") < reload {
                assert!(Instant::now() < deadline, "no reload");
                thread::sleep(Duration::from_millis(2));
            }
        }
        let (sent, received) = stream.finish();
        assert!(sent > 5_000, "{sent}");
        assert_eq!((received.probes, received.twice), (sent, 0), "{tier}");
        let end = farend.stop();
        assert_eq!(end.last()["total"]["reflected"]["probeot"], sent, "{tier}");
    }
}

#[test]
fn a_wrong_file_at_reload_changes_nothing() {
    let Some(pair) = Pair::new(1_500) else { return };
    let settings = Settings::new("wrong.toml", "port = 3842\n");
    let arguments = format!("far --tier xdp-generic {}", settings.option());
    let farend = Farend::ready(&pair.far, &arguments);
    settings.replace("port = 3842\nprot = 7\n");
    farend.signal(Signal::HUP);
    let line = farend.wait_for("reload refused");
    assert!(line.contains("wrong.toml:2: prot: is no key"), "{line}");
    let frame = probe(Ip::V4, &[], 60, 1);
    assert!(ask(&pair, &frame, PATIENCE).is_some());
    settings.replace("port = 9\n");
    farend.signal(Signal::HUP);
    farend.wait_for("are in force");
    assert_eq!(ask(&pair, &frame, SHORT), None);
}

#[test]
fn a_stop_under_load_answers_each_frame_it_counts_and_frees_the_host() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    let host = inside(&pair.far, || UdpSocket::bind(("198.18.0.1", PORT)).unwrap());
    host.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    for tier in ["xdp", "xdp-generic", "af-xdp", "af-packet"] {
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} --stats json"));
        let stream = Stream::start(&pair.near, "near", 5);
        thread::sleep(LONG);
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        // The stream still runs, and now its frames are the host's. Their UDP
        // checksums are wrong, so only a datagram of its own gets through.
        inside(&pair.near, || {
            let socket = UdpSocket::bind(("198.18.0.2", 0)).unwrap();
            socket.send_to(b"hello", ("198.18.0.1", PORT)).unwrap();
        });
        let mut octets = [0; 64];
        assert_eq!(host.recv(&mut octets).unwrap(), 5);
        let (_, received) = stream.finish();
        assert!(received.probes > 500, "{tier}: {received:?}");
        assert_eq!(end.last()["total"]["reflected"]["probeot"], received.probes, "{tier}");
        assert_eq!(received.last, received.probes - 1, "{tier}: a gap: {received:?}");
    }
}

#[test]
fn a_deleted_interface_ends_its_service_and_no_other() {
    let Some(pair) = Pair::new(1_500) else { return };
    ip(&format!("-n {} link add gone type veth peer name peer", pair.far));
    ip(&format!("-n {} link set gone up", pair.far));
    ip(&format!("-n {} link set peer up", pair.far));
    let farend = Farend::ready(&pair.far, "far gone --tier xdp-generic --stats json");
    let frame = probe(Ip::V4, &[], 60, 1);
    assert!(ask(&pair, &frame, PATIENCE).is_some());
    ip(&format!("-n {} link del gone", pair.far));
    let line = farend.wait_for("was deleted");
    assert!(line.contains("gone: ") && line.contains("go on"), "{line}");
    assert!(ask(&pair, &frame, PATIENCE).is_some());
    ip(&format!("-n {} link del far", pair.far));
    let end = farend.end();
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.stderr.ends_with("gone: the interface was deleted\n"), "{end:?}");
    assert_eq!(end.last()["event"], "final");
    assert_eq!(end.last()["interfaces"][0]["reflected"]["probeot"], 2);
}

#[test]
fn changes_of_the_interface_are_told_and_followed() {
    let Some(pair) = Pair::new(1_500) else { return };
    let far = &pair.far;
    let farend = Farend::ready(far, "far --tier xdp-generic --stats none");
    ip(&format!("-n {far} link set far down"));
    farend.wait_for("was set down");
    ip(&format!("-n {far} link set far up"));
    farend.wait_for("is up again");
    ip(&format!("-n {far} link set far mtu 9000"));
    farend.wait_for("MTU is now 9000 octets, was 1500");
    ip(&format!("-n {far} link set far address 02:00:00:00:00:77"));
    farend.wait_for("its own MAC is now 02:00:00:00:00:77");
    let mut frame = probe(Ip::V4, &[], 60, 1);
    assert_eq!(ask(&pair, &frame, SHORT), None);
    frame[5] = 0x77;
    assert_eq!(ask(&pair, &frame, PATIENCE), Some(answer(Ip::V4, &[], &frame)));
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn an_interface_that_is_down_is_named_at_the_start() {
    let Some(pair) = Pair::new(1_500) else { return };
    ip(&format!("-n {} link set far down", pair.far));
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic");
    let line = farend.wait_for("is down");
    assert!(line.contains("ip link set far up"), "{line}");
    drop(farend);
}

#[test]
fn a_rate_cap_bounds_what_is_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    let arguments = "far --tier xdp-generic --max-rate 1000 --stats json";
    let farend = Farend::ready(&pair.far, arguments);
    let stream = Stream::start(&pair.near, "near", 5);
    let start = Instant::now();
    thread::sleep(Duration::from_secs(2));
    let (sent, received) = stream.finish();
    let seconds = start.elapsed().as_secs_f64();
    let end = farend.stop();
    // Each CPU has its own cap; a tenth of a second is saved up at the start.
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let most = 1_000.0 * (seconds + 0.2) * f64::from(u32::try_from(cpus).unwrap());
    assert!(f64::from(received.probes) <= most, "{received:?} of {sent}");
    assert!(received.probes >= 1_000, "{received:?} of {sent}");
    let total = &end.last()["total"];
    assert_eq!(total["reflected"]["probeot"], received.probes);
    assert_eq!(total["dropped"]["rate_cap"], sent - received.probes);
}

#[test]
fn a_loop_risk_is_refused_with_a_hint_that_lets_the_tester_in() {
    let Some(pair) = Pair::new(1_500) else { return };
    let mut frame = probe(Ip::V4, &[], 60, 1);
    frame[34..36].copy_from_slice(&PORT.to_be_bytes());
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic");
    assert_eq!(ask(&pair, &frame, SHORT), None);
    let line = farend.wait_for("loop_risk: 1 frame that");
    assert!(line.contains("--tester-oui") && line.contains("--allow"), "{line}");
    assert_eq!(farend.stop().code, Some(0));
    let farend = Farend::ready(&pair.far, "far --tier xdp-generic --tester-oui 02:00:00");
    assert!(ask(&pair, &frame, PATIENCE).is_some());
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn auto_takes_the_best_tier_that_answers_and_says_why_others_do_not() {
    let Some(pair) = Pair::new(1_500) else { return };
    let is_answered = || ask(&pair, &probe(Ip::V4, &[], 60, 1), LONG).is_some();
    // As in a container: the peer is in another namespace and has no program.
    let farend = Farend::ready(&pair.far, "far --stats none");
    let line = farend.wait_for("tier xdp skipped on far");
    assert!(line.contains("near in another network namespace has no XDP program"), "{line}");
    assert!(farend.wait_for("ready: ").contains("tier=xdp-generic"));
    assert!(is_answered());
    drop(farend);
    let pass = Pass::attach(&pair.near, "near");
    let farend = Farend::ready(&pair.far, "far --stats none");
    assert!(farend.wait_for("ready: ").contains("tier=xdp "));
    assert!(is_answered());
    drop((farend, pass));
    // Both ends in one namespace: the peer is seen to have no program.
    ip(&format!("-n {} link add both type veth peer name ends", pair.far));
    let farend = Farend::ready(&pair.far, "both --stats none");
    let line = farend.wait_for("tier xdp skipped on both");
    assert!(line.contains("ends has no XDP program"), "{line}");
    assert!(farend.wait_for("ready: ").contains("tier=xdp-generic"));
}

#[test]
fn queues_that_come_later_are_served_too() {
    for (tier, line) in [
        ("xdp", Some("there are more queues now: the program runs on 1-3")),
        // The interface's own program is on all of them.
        ("xdp-generic", None),
    ] {
        let Some(pair) = pair_with_queues(1) else { return };
        let _pass = Pass::attach(&pair.near, "near");
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} --stats json"));
        let back = || inside(&pair.near, || flows(&Raw::open("near"), 64, 10));
        assert_eq!(back(), 640, "{tier}");
        set_queues_to_far(&pair, 4);
        assert_eq!(frames_of_queues(&pair).len(), 4, "{tier}");
        if let Some(line) = line {
            farend.wait_for(line);
        }
        assert_eq!(back(), 640, "{tier}");
        // They may go, and come back with the program they had.
        for queues in [1, 4] {
            set_queues_to_far(&pair, queues);
            assert_eq!(frames_of_queues(&pair).len(), queues, "{tier}");
            thread::sleep(Duration::from_millis(1_100));
        }
        assert_eq!(back(), 640, "{tier}");
        assert_eq!(farend.count("more queues now"), usize::from(line.is_some()), "{tier}");
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        assert_eq!(end.last()["total"]["reflected"]["probeot"], 1_920, "{end:?}");
    }
}

#[test]
fn checksum_offload_at_a_veth_peer_is_told_and_its_fix_works() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    let is_answered = || {
        inside(&pair.near, || {
            let socket = UdpSocket::bind(("198.18.0.2", 0)).unwrap();
            socket.set_read_timeout(Some(LONG)).unwrap();
            socket.send_to(b"\x01\x02\x03\x04\x05PROBEOT", ("198.18.0.1", PORT)).unwrap();
            socket.recv(&mut [0; 64]).is_ok()
        })
    };
    let line = "ethtool -K PEER tx off";
    for (tier, is_octets_alone) in
        [("xdp", true), ("af-xdp", true), ("xdp-generic", false), ("af-packet", false)]
    {
        ethtool(&pair.near, "-K near tx on");
        let farend = Farend::ready(&pair.far, &format!("far --tier {tier} --stats none"));
        assert_eq!(farend.count(line) > 0, is_octets_alone, "{tier}");
        assert_eq!(is_answered(), !is_octets_alone, "{tier}");
        ethtool(&pair.near, "-K near tx off");
        assert!(is_answered(), "{tier}");
    }
}

#[test]
fn checksum_offload_at_a_veth_peer_in_sight_is_known() {
    let Some(pair) = Pair::new(1_500) else { return };
    ip(&format!("-n {} link add both type veth peer name ends", pair.far));
    let check = || Farend::run(&pair.far, "", "both --tier af-xdp --check").stderr;
    let told = check();
    assert!(told.contains("its veth peer ends leaves UDP checksums unfinished"), "{told}");
    assert!(told.contains("ethtool -K ends tx off"), "{told}");
    ethtool(&pair.far, "-K ends tx off");
    let told = check();
    assert!(!told.contains("checksum"), "{told}");
}
