//! Two links in two network namespaces, and what goes through them.
#![cfg(target_os = "linux")]

mod support;

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use farend_lab::{impair::Impairment, is_skipped_without_root};

use crate::support::{Ends, FAR, FAR_V6, Mode, NEAR, old_peer};

/// Sends octets through a TCP connection from near to far; the far side gives
/// back their sum.
fn transfer(ends: &Ends, address: IpAddr, octets: usize) {
    let listener = ends.lab.far.namespace.run(|| TcpListener::bind((address, 0))).unwrap().unwrap();
    let to = listener.local_addr().unwrap();
    let receiver = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut room, mut sum, mut count) = (vec![0; 1 << 16], 0_u64, 0);
        while count < octets {
            let got = stream.read(&mut room).unwrap();
            assert_ne!(got, 0, "the connection ended early");
            for octet in &room[..got] {
                sum = sum.wrapping_mul(31).wrapping_add(u64::from(*octet));
            }
            count += got;
        }
        stream.write_all(&sum.to_be_bytes()).unwrap();
    });
    let mut stream = ends.lab.near.namespace.run(|| TcpStream::connect(to)).unwrap().unwrap();
    let (mut sum, mut left) = (0_u64, octets);
    let mut random = 7_u32;
    while left > 0 {
        let mut block = vec![0; left.min(1 << 16)];
        for octet in &mut block {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *octet = random.to_be_bytes()[0];
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(*octet));
        }
        stream.write_all(&block).unwrap();
        left -= block.len();
    }
    let mut told = [0; 8];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(u64::from_be_bytes(told), sum);
    receiver.join().unwrap();
}

/// Sends numbered datagrams one by one and waits for each to come back.
fn ping(ends: &Ends, near: IpAddr, far: IpAddr, count: u32) {
    let answering = ends.lab.far.namespace.run(|| UdpSocket::bind((far, 0))).unwrap().unwrap();
    let to = answering.local_addr().unwrap();
    let answers = thread::spawn(move || {
        let mut room = [0; 2_000];
        for _ in 0..count {
            let (octets, from) = answering.recv_from(&mut room).unwrap();
            answering.send_to(&room[..octets], from).unwrap();
        }
    });
    let asking = ends.lab.near.namespace.run(|| UdpSocket::bind((near, 0))).unwrap().unwrap();
    asking.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for number in 0..count {
        // All sizes, odd ones too.
        let mut octets = vec![0x5a; 4 + (number as usize * 13) % 1_300];
        octets[..4].copy_from_slice(&number.to_be_bytes());
        asking.send_to(&octets, to).unwrap();
        let mut room = [0; 2_000];
        let (got, _) = asking
            .recv_from(&mut room)
            .unwrap_or_else(|error| panic!("datagram {number}: {error}; {}", ends.told()));
        assert_eq!(room[..got], octets);
    }
    answers.join().unwrap();
}

fn goes_through(mode: Mode, options: &[&str]) {
    let ends = Ends::start(mode, options);
    transfer(&ends, FAR, 20_000_000);
    transfer(&ends, FAR_V6, 2_000_000);
    ping(&ends, NEAR, FAR, 200);
    let [near, far] = ends.stop();
    for side in [&near, &far] {
        for cause in ["authentication", "replay", "malformed", "unsound", "tun_write", "stranger"] {
            assert_eq!(side.loss(cause), 0, "{cause}");
        }
        assert_eq!(side.figure("is_encrypted"), u64::from(mode == Mode::Sealed));
        assert!(side.figure("rtt_ns") > 0);
    }
    // What one sent the other has, or misses, but for what was on its way when
    // the first of them ended.
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (sent, received) = (from.figure("sent_frames"), to.figure("received_frames"));
        let gone = to.figure("missing_frames") + to.loss("socket_overflow");
        assert!(received <= sent, "{received} of {sent}");
        assert!(sent - received <= gone + 20, "{received} of {sent}, {gone} gone");
    }
}

#[test]
fn plaintext_carries_tcp_and_udp_of_both_versions() {
    if is_skipped_without_root() {
        return;
    }
    goes_through(Mode::Plain, &[]);
}

#[test]
fn encrypted_carries_tcp_and_udp_of_both_versions() {
    if is_skipped_without_root() {
        return;
    }
    goes_through(Mode::Sealed, &["--cipher", "aes-256-gcm"]);
    goes_through(Mode::Sealed, &["--cipher", "chacha20-poly1305"]);
}

#[test]
fn works_without_any_offload() {
    if is_skipped_without_root() {
        return;
    }
    for off in [&["--tun-offload", "off"][..], &["--udp-gso", "off"]] {
        goes_through(Mode::Sealed, off);
    }
    goes_through(Mode::Plain, &["--tun-offload", "off", "--udp-gso", "off"]);
}

#[test]
fn killed_peer_is_back_within_five_seconds() {
    if is_skipped_without_root() {
        return;
    }
    let cases = [Mode::Sealed, Mode::Plain].map(|mode| [(mode, true), (mode, false)]);
    for (mode, is_initiator) in cases.concat() {
        let mut ends = Ends::start(mode, &[]);
        ping(&ends, NEAR, FAR, 3);
        ends.kill(is_initiator);
        // Nothing is left of the interface: the next one has the same name.
        ends.restart(is_initiator);
        let begun = Instant::now();
        ends.wait_until_up(Duration::from_secs(10));
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(5), "{taken:?}, initiator: {is_initiator}");
        ping(&ends, NEAR, FAR, 3);
    }
}

#[test]
fn strangers_and_forgers_are_counted_and_get_no_answer() {
    if is_skipped_without_root() {
        return;
    }
    let ends = Ends::start(Mode::Sealed, &[]);
    let link: SocketAddr = (ends.lab.far.ipv4, 9443).into();
    let near = ends.lab.near.ipv4;
    let stranger = ends.lab.near.namespace.run(|| UdpSocket::bind((near, 0))).unwrap().unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut forged = vec![0_u8; 19 + 40];
    forged[18] = 40;
    for epoch in 0..16 {
        forged[8] = epoch << 4;
        stranger.send_to(&forged, link).unwrap();
        // An echo request, and one with a wrong size.
        forged[8] |= 1;
        stranger.send_to(&forged, link).unwrap();
        stranger.send_to(&forged[..30], link).unwrap();
    }
    // QUIC's first datagram with no knock.
    let mut initial = vec![0_u8; 1_200];
    initial[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 20]);
    stranger.send_to(&initial, link).unwrap();
    initial[4] = 9;
    stranger.send_to(&initial, link).unwrap();
    assert!(stranger.recv(&mut [0; 2_000]).is_err(), "a stranger got an answer");
    ping(&ends, NEAR, FAR, 20);
    let [_, far] = ends.stop();
    // Of the epoch in use the number is one that was seen before.
    assert_eq!(far.loss("authentication") + far.loss("replay"), 32);
    assert_eq!(far.loss("malformed"), 16);
    assert_eq!(far.loss("stranger"), 2);
}

#[test]
fn path_that_loses_large_packets_is_found_in_three_seconds() {
    if is_skipped_without_root() {
        return;
    }
    let ends = Ends::start(Mode::Sealed, &[]);
    transfer(&ends, FAR, 2_000_000);
    // The far side takes nothing longer from now on, and says so to nobody.
    ends.lab.far.set_mtu(1_300).unwrap();
    let begun = Instant::now();
    transfer(&ends, FAR, 2_000_000);
    let taken = begun.elapsed();
    assert!(taken < Duration::from_secs(6), "{taken:?}");
    let [near, _] = ends.stop();
    let path = near.figure("path_octets");
    assert!((1_280..=1_300).contains(&path), "{path}");
}

#[test]
fn new_keys_under_load_lose_no_frame() {
    if is_skipped_without_root() {
        return;
    }
    let ends = Ends::start(Mode::Sealed, &["--rekey-interval", "1"]);
    let before = ends.near_figure("epoch");
    let begun = Instant::now();
    let mut epochs = std::collections::BTreeSet::from([before]);
    while begun.elapsed() < Duration::from_secs(6) {
        transfer(&ends, FAR, 3_000_000);
        ping(&ends, NEAR, FAR, 20);
        epochs.insert(ends.near_figure("epoch"));
    }
    assert!(epochs.len() > 2, "epochs {epochs:?}");
    for side in ends.stop() {
        let gone = side.loss("socket_overflow");
        assert!(side.figure("missing_frames") <= gone, "{} missing", side.figure("missing_frames"));
        // Before the first handshake the host sends packets of its own: `no_key`.
        assert_eq!(side.loss("authentication") + side.loss("replay"), 0);
    }
}

#[test]
fn peer_that_moves_is_followed_at_its_first_frame() {
    if is_skipped_without_root() {
        return;
    }
    let ends = Ends::start(Mode::Sealed, &[]);
    ping(&ends, NEAR, FAR, 3);
    ends.move_near("198.18.0.9".parse().unwrap());
    // Each datagram waits for the answer to the one before: none may be lost.
    ping(&ends, NEAR, FAR, 50);
    let [_, far] = ends.stop();
    assert_eq!(far.loss("authentication"), 0);
}

#[test]
fn old_peer_in_clear_is_understood_and_understands() {
    if is_skipped_without_root() {
        return;
    }
    old_peer::talk();
}

#[test]
fn wrong_starts_are_one_line_and_leave_nothing() {
    if is_skipped_without_root() {
        return;
    }
    let lab = farend_lab::Lab::new(farend_lab::Wire::default()).unwrap();
    let id = "ab".repeat(32);
    let connect = format!("{id}@192.0.2.1:9443");
    for (arguments, code, told) in [
        (&["--connect", "192.0.2.1:1"][..], 2, "PEER-ID@"),
        (&[], 2, "--accept"),
        (&["--accept", &id, "--keydir", "/nonexistent/keys"], 1, "farend-tun keys"),
        (&["--insecure-plaintext"], 2, "--connect"),
        (&["--insecure-plaintext", "--connect", &connect], 2, "not checked"),
        (&["--tun", "a-name-that-is-too-long"], 2, "15 octets"),
        (&["--insecure-plaintext", "--connect", "192.0.2.1:1", "--tun", "near0"], 1, "near0"),
        (&["--insecure-plaintext", "--connect", "192.0.2.1:1", "--ip", "203.0.113.1"], 1, "bind"),
        (&["--insecure-plaintext", "--connect", "192.0.2.1:1", "--port", "7"], 2, "reflectors"),
        (
            &[
                "--insecure-plaintext",
                "--connect",
                "192.0.2.1:1",
                "--tun-ip",
                "10.0.0.1/24",
                "--route",
                "10.0.0.1/8",
            ],
            1,
            "route",
        ),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_farend-tun"));
        command.args(arguments);
        let output = lab.near.namespace.run(|| command.output()).unwrap().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<_> = said.lines().filter(|line| line.starts_with("farend-tun: ")).collect();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(lines.len() == 1 && lines[0].contains(told), "{arguments:?}: {said}");
        let left = lab.near.namespace.run(support::interfaces).unwrap();
        assert_eq!(left, ["lo", "near0"], "{arguments:?}");
    }
}

#[test]
fn loss_and_reordering_are_counted_as_they_were_done() {
    if is_skipped_without_root() {
        return;
    }
    let impairment = Impairment {
        delay: Duration::from_millis(2),
        loss: 20,
        duplicate: 10,
        reorder: 10,
        ..Impairment::default()
    };
    let (ends, path) = Ends::start_through(impairment, &[]);
    transfer(&ends, FAR, 1_000_000);
    let [near, far] = ends.stop();
    let ledgers = path.close().unwrap();
    assert!(ledgers[0].lost > 5 && ledgers[0].duplicated > 2, "{ledgers:?}");
    for (side, ledger) in [(&far, &ledgers[0]), (&near, &ledgers[1])] {
        // The handshake's few datagrams are in the ledger too, and what came
        // after the side had ended.
        let lost = ledger.lost + ledger.overflowed;
        let missing = side.figure("missing_frames") - side.loss("socket_overflow");
        assert!(missing.abs_diff(lost) <= 5, "{missing} missing, {ledger:?}");
        let twice = side.loss("replay");
        assert!(twice.abs_diff(ledger.duplicated) <= 5, "{twice} twice, {ledger:?}");
        let late = side.figure("reordered_frames");
        assert!(late <= ledger.held_back, "{late} late, {ledger:?}");
        assert_eq!(side.loss("authentication") + side.loss("malformed"), 0);
    }
}
