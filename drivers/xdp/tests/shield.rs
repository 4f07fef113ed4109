//! The shield of the af-packet tier. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    io::{BufRead, BufReader, ErrorKind},
    net::UdpSocket,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use aya::programs::{SchedClassifier, TcAttachType};
use farend_xdp::tier::af_packet::Shield;
use support::{
    PATIENCE,
    frame::{Ip, PORT, Tag, answer, echo_request, probe},
    namespace::{Pair, enter, inside, snmp, tc},
    raw::Raw,
    reflector::{LONG, Running, index_of, policy},
};

/// ICMP errors sent by the far end, and datagrams that it saw and nobody
/// listened for.
fn host_work(pair: &Pair) -> (u64, u64) {
    inside(&pair.far, || (snmp("Icmp", "OutDestUnreachs"), snmp("Udp", "NoPorts")))
}

/// Sends probes from a socket, so with sound checksums; says how many came
/// back.
fn ask(pair: &Pair, count: usize) -> usize {
    inside(&pair.near, || {
        let socket = UdpSocket::bind("198.18.0.2:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let is_back = |_: &usize| {
            socket.send_to(PAYLOAD, ("198.18.0.1", PORT)).unwrap();
            socket.recv(&mut [0; 64]).is_ok()
        };
        (0..count).filter(is_back).count()
    })
}

fn attach(pair: &Pair, port: u16) -> Shield {
    let policy = policy().port(port).build().unwrap();
    inside(&pair.far, || Shield::attach(index_of("far"), &policy)).unwrap()
}

/// Whether the host stack at the far end refuses a datagram to this port.
fn is_refused_by_host(pair: &Pair, port: u16, payload: &[u8]) -> bool {
    inside(&pair.near, || {
        let socket = UdpSocket::bind("198.18.0.2:0").unwrap();
        socket.connect(("198.18.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send(payload).unwrap();
        matches!(socket.recv(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
    })
}

/// Waits until the far end has no shield: the kernel takes a link away some moments
/// after its last descriptor is closed.
fn await_no_shield(pair: &Pair) {
    let is_there = || {
        let programs =
            inside(&pair.far, || SchedClassifier::query_tcx("far", TcAttachType::Ingress).unwrap());
        !programs.1.is_empty()
    };
    let deadline = Instant::now() + PATIENCE;
    while is_there() {
        assert!(Instant::now() < deadline, "the shield stays");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Names the namespace for [`victim`] to attach a shield in.
const VICTIM_NAMESPACE: &str = "FAREND_TEST_VICTIM_NAMESPACE";

const PAYLOAD: &[u8] = b"\x01\x02\x03\x04\x05PROBEOT";

#[test]
fn the_host_sees_nothing_of_what_is_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let shield = attach(&pair, PORT);
    let before = host_work(&pair);
    assert_eq!(ask(&pair, 200), 200);
    assert_eq!(host_work(&pair), before);
    drop(shield);
    await_no_shield(&pair);
    let before = host_work(&pair);
    assert_eq!(ask(&pair, 20), 20);
    let after = host_work(&pair);
    assert_eq!(after.1, before.1 + 20, "without the shield the host saw them");
    assert!(after.0 > before.0, "and answered them");
    running.finish();
}

#[test]
fn everything_else_still_reaches_the_host() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let _shield = attach(&pair, PORT);
    // Foreign payload, foreign port: the host refuses them as ever. ARP went
    // before.
    assert!(is_refused_by_host(&pair, PORT, b"what time is it, please?"));
    assert!(is_refused_by_host(&pair, PORT + 1, PAYLOAD));
    let listener = inside(&pair.far, || UdpSocket::bind("198.18.0.1:7777").unwrap());
    listener.set_read_timeout(Some(LONG)).unwrap();
    inside(&pair.near, || {
        let socket = UdpSocket::bind("198.18.0.2:0").unwrap();
        socket.send_to(b"hello", "198.18.0.1:7777").unwrap();
    });
    assert_eq!(listener.recv(&mut [0; 8]).unwrap(), 5);
    inside(&pair.near, || {
        let raw = Raw::open("near");
        assert!(raw.send(&echo_request()));
        // A reply differs in its type: 0 where the request has 8.
        let is_reply = |frame: Vec<u8>| frame.get(34) == Some(&0) && frame.get(23) == Some(&1);
        assert!(raw.receive(LONG).is_some_and(is_reply), "ping");
    });
    running.finish();
}

#[test]
fn tagged_frames_are_still_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let _shield = attach(&pair, PORT);
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for tags in [&[(0x8100, 7)][..], &[(0x88a8, 100), (0x8100, 200)]] {
            let frame = probe(Ip::V6, tags, 200, 1);
            assert!(raw.send(&frame));
            assert_eq!(raw.receive_probe(PATIENCE), Some(answer(Ip::V6, tags, &frame)));
        }
    });
    running.finish();
}

/// No tag, a priority tag, one tag, two, and a priority tag before another.
const TAGS: [&[Tag]; 5] = [
    &[],
    &[(0x8100, 0)],
    &[(0x8100, 7)],
    &[(0x88a8, 100), (0x8100, 200)],
    &[(0x8100, 0x6000), (0x8100, 7)],
];

/// Puts a filter behind the place of the shield that lets every frame through.
fn add_filter(pair: &Pair) {
    tc(&format!("-n {} qdisc add dev far ingress", pair.far));
    tc(&format!("-n {} filter add dev far ingress u32 match u32 0 0 flowid 1:1", pair.far));
}

/// Frames that came as far as the filter.
fn filtered(pair: &Pair) -> u64 {
    let arguments = ["-n", &pair.far, "-s", "qdisc", "show", "dev", "far", "ingress"];
    let output = Command::new("tc").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, counts) = text.split_once(" bytes ").expect("Sent N bytes N pkt");
    counts.split_once(" pkt").unwrap().0.parse().unwrap()
}

/// How many of the frames with these tags, one of each, came past the shield to the
/// filter. Each that is to be answered is.
fn passed(pair: &Pair, port: u16) -> u64 {
    let before = filtered(pair);
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for tags in TAGS {
            let mut frame = probe(Ip::V4, tags, 100, 1);
            let destination = 14 + 4 * tags.len() + 22;
            frame[destination..destination + 2].copy_from_slice(&port.to_be_bytes());
            assert!(raw.send(&frame));
            if port == PORT {
                let back = raw.receive_probe(PATIENCE);
                assert_eq!(back, Some(answer(Ip::V4, tags, &frame)), "{tags:x?}");
            }
        }
    });
    filtered(pair) - before
}

#[test]
fn no_tag_leads_an_answered_frame_past_the_shield() {
    let Some(pair) = Pair::without_addresses(1_500) else { return };
    add_filter(&pair);
    let running = Running::start(&pair, policy());
    let every = TAGS.len() as u64;
    assert_eq!(passed(&pair, PORT), every, "nothing is kept back without a shield");
    let shield = attach(&pair, PORT);
    assert_eq!(passed(&pair, PORT), 0, "answered, and given to the host as well");
    drop(shield);
    running.finish();
}

#[test]
fn a_shield_leaves_other_frames_to_the_programs_behind_it() {
    let Some(pair) = Pair::without_addresses(1_500) else { return };
    add_filter(&pair);
    let _shield = attach(&pair, PORT);
    assert_eq!(passed(&pair, PORT + 1), TAGS.len() as u64);
}

/// The host takes a frame with a priority tag for its own, and finds it as it was.
#[test]
fn a_shield_leaves_tags_as_they_were() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _shield = attach(&pair, PORT);
    let listener = inside(&pair.far, || UdpSocket::bind("198.18.0.1:7777").unwrap());
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
    let frames = TAGS[..2].iter().map(|tags| {
        let mut frame = probe(Ip::V4, tags, 100, 1);
        let udp = 14 + 4 * tags.len() + 20;
        frame[udp + 2..udp + 4].copy_from_slice(&7_777_u16.to_be_bytes());
        // No checksum.
        frame[udp + 6..udp + 8].fill(0);
        frame
    });
    inside(&pair.near, || {
        let raw = Raw::open("near");
        frames.for_each(|frame| assert!(raw.send(&frame)));
    });
    for tags in &TAGS[..2] {
        let expected = 100 - 14 - 4 * tags.len() - 20 - 8;
        assert_eq!(listener.recv(&mut [0; 128]).unwrap(), expected, "{tags:x?}");
    }
}

#[test]
fn a_replaced_shield_follows_the_new_policy() {
    let Some(pair) = Pair::new(1_500) else { return };
    let mut shield = attach(&pair, PORT);
    assert!(!is_refused_by_host(&pair, PORT, PAYLOAD));
    assert!(is_refused_by_host(&pair, 7_000, PAYLOAD));
    let new = policy().port(7_000).build().unwrap();
    inside(&pair.far, || shield.replace(&new).unwrap());
    assert!(is_refused_by_host(&pair, PORT, PAYLOAD));
    assert!(!is_refused_by_host(&pair, 7_000, PAYLOAD));
    drop(shield);
    await_no_shield(&pair);
    assert!(is_refused_by_host(&pair, 7_000, PAYLOAD));
}

/// Not a test: what the next one kills.
#[test]
#[ignore = "a process that other tests start"]
fn victim() {
    let Ok(namespace) = std::env::var(VICTIM_NAMESPACE) else { return };
    enter(&namespace);
    let _shield = Shield::attach(index_of("far"), &policy().build().unwrap()).unwrap();
    println!("attached");
    thread::sleep(Duration::from_secs(30));
}

#[test]
fn a_killed_process_leaves_no_shield_behind() {
    let Some(pair) = Pair::new(1_500) else { return };
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["victim", "--exact", "--ignored", "--nocapture"])
        .env(VICTIM_NAMESPACE, &pair.far)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("attached")));
    assert!(!is_refused_by_host(&pair, PORT, PAYLOAD));
    victim.kill().unwrap();
    victim.wait().unwrap();
    await_no_shield(&pair);
    assert!(is_refused_by_host(&pair, PORT, PAYLOAD));
}

#[test]
fn a_shield_without_an_interface_says_why() {
    let Some(pair) = Pair::new(1_500) else { return };
    let policy = policy().build().unwrap();
    let error = inside(&pair.far, || Shield::attach(99_999, &policy)).unwrap_err();
    assert!(error.to_string().starts_with("no shield, so the host stack"), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}
