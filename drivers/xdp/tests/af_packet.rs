//! The af-packet tier on one end of a veth pair. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use farend_core::{Reason, Verdict};
use farend_xdp::tier::af_packet::{OpenError, Options, RunError, Shield, Worker};
use support::{
    PATIENCE,
    frame::{Ip, PORT, answer, probe},
    namespace::{Pair, inside, ip, tc},
    raw::{Raw, segment},
    reflector::{LONG, Running, SHORT, exchange, index_of, is_told, lost, policy},
};

fn attach_shield(pair: &Pair) -> Shield {
    inside(&pair.far, || Shield::attach(index_of("far"), &policy().build().unwrap())).unwrap()
}

#[test]
fn frames_of_every_kind_come_back_octet_for_octet() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let tag_sets: [&[_]; 6] = [
        &[],
        &[(0x8100, 7)],
        &[(0x8100, 0xe00a)],
        &[(0x88a8, 100)],
        &[(0x88a8, 100), (0x8100, 200)],
        &[(0x8100, 1), (0x8100, 2)],
    ];
    let mut sent = 0;
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for ip in [Ip::V4, Ip::V6] {
            for tags in tag_sets {
                // The kernel's packet sockets allow one 802.1Q tag beyond the MTU.
                let longest = if matches!(tags, [(0x8100, _), ..]) { 1_518 } else { 1_514 };
                for octets in [96, 127, 512, longest] {
                    let frame = probe(ip, tags, octets, sent);
                    assert!(raw.send(&frame), "{ip:?} {tags:x?} {octets}");
                    let back = raw.receive_probe(LONG);
                    let wanted = answer(ip, tags, &frame);
                    assert!(back == Some(wanted), "{ip:?} {tags:x?} {octets}: {back:x?}");
                    sent += 1;
                }
            }
        }
    });
    let statistics = running.finish();
    assert_eq!(statistics.counters.reflected(), u64::from(sent));
    assert_eq!(lost(&statistics), 0, "{:?}", statistics.losses);
}

#[test]
fn jumbo_frames_come_back_whole() {
    let Some(pair) = Pair::new(9_216) else { return };
    // The worker was told of another MTU: it was changed since.
    let running = Running::start(&pair, policy());
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for (tags, octets) in [(&[][..], 9_014), (&[], 9_230), (&[(0x8100, 7)], 9_234)] {
            let frame = probe(Ip::V4, tags, octets, 0);
            assert!(raw.send(&frame));
            assert!(raw.receive_probe(PATIENCE) == Some(answer(Ip::V4, tags, &frame)), "{octets}");
        }
    });
    assert_eq!(lost(&running.finish()), 0);
}

#[test]
fn a_frame_too_long_for_the_ring_is_counted_and_not_cut() {
    let Some(pair) = Pair::new(1_500) else { return };
    // Loopback's MTU of 64 KiB, but the worker was told of a small one.
    let any = policy().any_destination();
    let running = Running::start_on(&pair, "lo", any);
    inside(&pair.far, || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&vec![0; 65_500], ("127.0.0.1", 9)).unwrap();
        socket.send_to(&[0; 1_000], ("127.0.0.1", 9)).unwrap();
    });
    let statistics = running.finish();
    assert!(statistics.losses.contains(&("receive_truncated", 1)), "{:?}", statistics.losses);
    assert_eq!(lost(&statistics), 1);
}

#[test]
fn a_new_policy_under_load_loses_no_frame() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let mut shield = attach_shield(&pair);
    let back = thread::scope(|scope| {
        let exchange = scope.spawn(|| {
            inside(&pair.near, || exchange(&Raw::open("near"), 10_000, 64, Duration::from_secs(20)))
        });
        while !exchange.is_finished() {
            let new = policy().vlan(0).vlan(7).build().unwrap();
            inside(&pair.far, || shield.replace(&new).unwrap());
            running.policy.replace(new);
        }
        exchange.join().unwrap()
    });
    let statistics = running.finish();
    assert_eq!(back, (10_000, 10_000), "{:?}", statistics.losses);
}

#[test]
fn ten_thousand_frames_are_answered_once_each_and_none_of_our_own() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let (back, all) =
        inside(&pair.near, || exchange(&Raw::open("near"), 10_000, 256, Duration::from_secs(20)));
    let statistics = running.finish();
    assert_eq!((back, all), (10_000, 10_000), "{:?}", statistics.losses);
    assert_eq!(statistics.counters.reflected(), 10_000);
    // Own answers were not seen: they would be foreign by their destination.
    assert_eq!(statistics.counters.of(Verdict::Refuse(Reason::ForeignDestinationMac)), 0);
    assert_eq!(statistics.counters.of(Verdict::Refuse(Reason::OwnSourceMac)), 0);
}

#[test]
fn an_overload_does_not_wedge_the_ring() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    inside(&pair.near, || {
        let raw = Raw::open("near");
        let frame = probe(Ip::V4, &[], 60, 0);
        let end = Instant::now() + Duration::from_secs(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while Instant::now() < end {
                        raw.send(&frame);
                    }
                });
            }
        });
        while raw.receive(SHORT).is_some() {}
        assert_eq!(exchange(&raw, 2_000, 64, PATIENCE), (2_000, 2_000));
    });
    let statistics = running.finish();
    println!(
        "overload: {} reflected, losses {:?}",
        statistics.counters.reflected(),
        statistics.losses
    );
    assert!(statistics.counters.reflected() > 10_000);
}

#[test]
fn the_sockets_of_another_host_are_answered_with_sound_checksums() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    inside(&pair.near, || {
        for (bind, to) in [("198.18.0.2", "198.18.0.1"), ("2001:db8::2", "2001:db8::1")] {
            let socket = UdpSocket::bind((bind, 0)).unwrap();
            socket.set_read_timeout(Some(LONG)).unwrap();
            let mut payload = *b"\x01\x02\x03\x04\x05DATA:OT";
            for number in 0..100 {
                payload[0] = number;
                socket.send_to(&payload, (to, PORT)).unwrap();
                let mut room = [0; 64];
                let (octets, from) = socket.recv_from(&mut room).unwrap();
                assert_eq!(room[..octets], payload);
                assert_eq!(from.ip().to_string(), to);
            }
        }
    });
    assert_eq!(lost(&running.finish()), 0);
}

#[test]
fn datagrams_that_the_kernel_kept_together_all_come_back() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    inside(&pair.near, || {
        let socket = UdpSocket::bind("198.18.0.2:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        segment(&socket, 1_000);
        let mut payload = vec![0x5a; 20_000];
        for (number, part) in payload.chunks_mut(1_000).enumerate() {
            part[5..12].copy_from_slice(b"LATENCY");
            part[999] = number.try_into().unwrap();
        }
        socket.send_to(&payload, ("198.18.0.1", PORT)).unwrap();
        let mut room = [0; 2_000];
        let mut numbers: Vec<_> = (0..20)
            .map(|_| {
                let octets = socket.recv(&mut room).unwrap();
                assert_eq!(octets, 1_000);
                room[999]
            })
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..20));
    });
    assert_eq!(lost(&running.finish()), 0);
}

#[test]
fn an_answer_to_a_lonely_frame_is_fast() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let mut waits = inside(&pair.near, || {
        let raw = Raw::open("near");
        let mut waits = Vec::new();
        for number in 0..200 {
            let start = Instant::now();
            assert!(raw.send(&probe(Ip::V4, &[], 60, number)));
            assert!(raw.receive_probe(PATIENCE).is_some());
            waits.push(start.elapsed());
            thread::sleep(Duration::from_millis(2));
        }
        waits
    });
    waits.sort_unstable();
    println!("lonely frame: median {:?}, longest {:?}", waits[100], waits[199]);
    // The retire interval, or one tick of the slowest kernel, and some slack
    // for a busy machine.
    assert!(waits[100] < Duration::from_millis(12), "{:?}", waits[100]);
    running.finish();
}

#[test]
fn what_came_before_a_stop_is_answered() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    inside(&pair.near, || {
        let raw = Raw::open("near");
        for number in 0..500 {
            assert!(raw.send(&probe(Ip::V4, &[], 60, number)));
        }
        let statistics = running.finish();
        assert_eq!(statistics.counters.reflected(), 500);
        for _ in 0..500 {
            assert!(raw.receive_probe(PATIENCE).is_some());
        }
    });
}

#[test]
fn an_answer_that_is_refused_is_tried_again_and_then_counted() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let (near, far) = (&pair.near, &pair.far);
    ip(&format!("-n {near} neigh add 198.18.0.1 lladdr 02:00:00:00:00:01 dev near"));
    inside(near, || {
        let socket = UdpSocket::bind("198.18.0.2:0").unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        let is_answered = || {
            socket.send_to(b"\x01\x02\x03\x04\x05PROBEOT", ("198.18.0.1", PORT)).unwrap();
            socket.recv(&mut [0; 64]).is_ok()
        };
        // A queue without room. Frames from sockets take the way through it.
        tc(&format!("-n {far} qdisc add dev far root bfifo limit 10"));
        assert!(!is_answered());
        assert!(!is_answered());
        tc(&format!("-n {far} qdisc del dev far root"));
        assert!(is_answered());
    });
    let statistics = running.finish();
    assert!(statistics.losses.contains(&("transmit_refused", 2)), "{:?}", statistics.losses);
    assert_eq!(lost(&statistics), 2);
}

#[test]
fn an_answer_that_is_too_long_is_counted_and_told() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    // The far end's interface takes it in, but its packet sockets do not send
    // it.
    ip(&format!("-n {} link set near mtu 1504", pair.near));
    inside(&pair.near, || {
        let raw = Raw::open("near");
        assert!(raw.send(&probe(Ip::V4, &[(0x88a8, 7)], 1_518, 0)));
        assert_eq!(raw.receive_probe(SHORT), None);
        assert!(raw.send(&probe(Ip::V4, &[(0x88a8, 7)], 1_514, 0)));
        assert!(raw.receive_probe(PATIENCE).is_some());
    });
    assert!(is_told("an answer of 1518 octets could not be sent"));
    let statistics = running.finish();
    assert!(statistics.losses.contains(&("transmit_failed", 1)), "{:?}", statistics.losses);
}

#[test]
fn a_missing_capability_is_named() {
    let Some(pair) = Pair::new(1_500) else { return };
    // Capabilities are a thread's own: only this one loses them.
    let error = inside(&pair.far, || {
        let index = index_of("far");
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective.remove(rustix::thread::CapabilitySet::NET_RAW);
        rustix::thread::set_capabilities(None, sets).unwrap();
        Worker::open(&Options::new(index, "far", 1_500)).err().unwrap()
    });
    assert!(matches!(error, OpenError::Socket(_)));
    assert!(error.to_string().contains("CAP_NET_RAW is missing"), "{error}");
}

#[test]
fn a_worker_may_be_opened_by_one_thread_and_run_by_another() {
    fn is_send<T: Send>() {}
    is_send::<Worker>();
    is_send::<Shield>();
}

#[test]
fn an_idle_worker_uses_no_cpu() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    thread::sleep(Duration::from_secs(1));
    let used = running.cpu_time();
    println!("idle: {used:?} of CPU in about a second");
    assert!(used < Duration::from_millis(50), "{used:?}");
}

#[test]
fn an_interface_that_goes_down_is_waited_for() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    let far = &pair.far;
    ip(&format!("-n {far} link set far name waited"));
    ip(&format!("-n {far} link set waited down"));
    assert!(is_told("waited is down"));
    ip(&format!("-n {far} link set waited up"));
    assert!(is_told("waited is up again"));
    let back = inside(&pair.near, || exchange(&Raw::open("near"), 100, 10, Duration::from_secs(5)));
    assert_eq!(back, (100, 100));
    running.finish();
}

#[test]
fn an_interface_that_is_deleted_ends_the_worker_with_a_reason() {
    let Some(pair) = Pair::new(1_500) else { return };
    let running = Running::start(&pair, policy());
    ip(&format!("-n {} link del near", pair.near));
    let error = running.fail();
    assert!(matches!(&error, RunError::InterfaceGone { name } if name == "far"), "{error}");
}
