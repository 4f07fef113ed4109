//! A worker on loopback addresses: what anybody can run, without privileges.

mod support;

use std::{net::UdpSocket, sync::Arc, time::Duration};

use farend_core::{Kind, Mode, Reason, Verdict, reflect::policy::RateCap};
use farend_driver::{
    clock::TICKS_PER_SECOND,
    worker::{PolicyCell, PolicyReader, StatisticsCell, Stop},
};
use farend_effort::own_port;
use farend_udp::{OpenError, Options, Worker};
use support::{Running, answered, await_open, client, drain, is_answered, policy, probe};

#[test]
fn a_wildcard_socket_answers_from_the_asked_address() {
    let port = own_port();
    let running = Running::start(&[], policy(port).build().unwrap());
    for asked in ["127.0.0.1", "127.0.0.2", "127.99.0.1"] {
        let client = client("127.0.0.1", (asked.parse::<std::net::IpAddr>().unwrap(), port).into());
        assert!(is_answered(&client, &probe(1, 100)), "{asked}");
    }
    let client = client("::1", format!("[::1]:{port}").parse().unwrap());
    assert!(is_answered(&client, &probe(1, 100)));
    let statistics = running.finish();
    assert_eq!(statistics.counters.of(Verdict::Reflect(Kind::Probeot)), 4);
    assert_eq!(statistics.counters.reflected_octets, 3 * (42 + 100) + 62 + 100);
}

#[test]
fn the_longest_datagram_comes_back_whole() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1", "::1"], policy(port).build().unwrap());
    let client_v4 = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    for octets in [12, 13, 1_472, 9_000, 65_507] {
        let mut payload = vec![0xa5; octets];
        payload[..7].copy_from_slice(b"RFC2544");
        assert!(is_answered(&client_v4, &payload), "{octets} octets");
    }
    let client_v6 = client("::1", format!("[::1]:{port}").parse().unwrap());
    assert!(is_answered(&client_v6, &probe(0, 65_527)));
    let statistics = running.finish();
    assert_eq!(statistics.counters.reflected(), 6);
    assert!(statistics.losses.iter().all(|(_, frames)| *frames == 0), "{:?}", statistics.losses);
}

#[test]
fn what_is_not_test_traffic_is_counted_and_not_answered() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    assert!(!is_answered(&client, b"what time is it, please?"));
    assert!(!is_answered(&client, b""));
    let statistics = running.finish();
    assert_eq!(statistics.counters.of(Verdict::Refuse(Reason::Signature)), 2);
    assert_eq!(statistics.counters.reflected(), 0);
}

#[test]
fn another_reflector_is_not_answered() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    // What another reflector sends comes from a port that reflectors serve.
    let socket = UdpSocket::bind(("127.0.0.2", port)).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(!is_answered(&socket, &probe(1, 64)));
    let statistics = running.finish();
    assert_eq!(statistics.counters.of(Verdict::Refuse(Reason::LoopRisk)), 1);
}

#[test]
fn twenty_thousand_datagrams_at_a_bounded_rate_are_all_answered() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    assert_eq!(answered(&client, 20_000, 64, Duration::from_secs(30)), 20_000);
    let statistics = running.finish();
    assert_eq!(statistics.counters.reflected(), 20_000);
    assert!(statistics.losses.iter().all(|(_, frames)| *frames == 0), "{:?}", statistics.losses);
}

#[test]
fn datagrams_that_overflow_the_receive_buffer_are_counted() {
    let port = own_port();
    let policy = policy(port).build().unwrap();
    let options = Options {
        addresses: vec!["127.0.0.1".parse().unwrap()],
        // The smallest that the kernel gives: a few datagrams.
        buffer_octets: 1,
        notice: |_| {},
        ..Options::new(Some(port))
    };
    let mut worker = Worker::open(&options).unwrap();
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    for number in 0..1_000 {
        client.send(&probe(number, 64)).unwrap();
    }
    let statistics = drain(&mut worker, policy);
    let lost: u64 = statistics.losses.iter().map(|(_, frames)| frames).sum();
    if cfg!(target_os = "linux") {
        assert!(lost > 0);
        assert_eq!(statistics.counters.reflected() + lost, 1_000, "{:?}", statistics.losses);
    }
}

#[test]
fn a_rate_cap_holds_and_what_is_over_it_is_counted() {
    let port = own_port();
    let cap = RateCap::new(100, TICKS_PER_SECOND);
    let running = Running::start(&["127.0.0.1"], policy(port).rate_cap(cap).build().unwrap());
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    let back = answered(&client, 500, 500, Duration::from_millis(500));
    let statistics = running.finish();
    // A tenth of a second's frames are saved up; some are refilled meanwhile.
    assert!((10..=70).contains(&back), "{back}");
    assert_eq!(statistics.counters.reflected(), u64::from(back));
    assert_eq!(statistics.counters.of(Verdict::Refuse(Reason::RateCap)), 500 - u64::from(back));
}

#[test]
fn worker_moves_with_its_policy_to_another_port() {
    let port = own_port();
    let other_port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let first = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    assert!(is_answered(&first, &probe(1, 64)));
    running.mover.prepare(&["127.0.0.1".parse().unwrap()], Some(other_port)).unwrap();
    // Nothing has changed yet.
    assert!(is_answered(&first, &probe(2, 64)));
    running.mover.commit();
    running.policy.replace(policy(other_port).mode(Mode::All).build().unwrap());
    let second = client("127.0.0.1", format!("127.0.0.1:{other_port}").parse().unwrap());
    await_open(&second);
    second.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(is_answered(&second, &probe(3, 64)));
    assert!(!is_answered(&first, &probe(4, 64)), "the old port is closed");
    assert_eq!(running.finish().counters.reflected(), 3);
}

#[test]
fn what_waits_in_sockets_that_are_left_is_answered_by_the_policy_it_came_for() {
    for addresses in [&["127.0.0.1"][..], &["127.0.0.1", "::1"], &[]] {
        let (port, other_port) = (own_port(), own_port());
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let options = Options { addresses: addresses.clone(), ..Options::new(Some(port)) };
        let mut worker = Worker::open(&options).unwrap();
        let cell = Arc::new(PolicyCell::new(policy(port).build().unwrap()));
        let mut reader = PolicyReader::new(Arc::clone(&cell));
        let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
        // More than a burst.
        for number in 0..200 {
            client.send(&probe(number, 64)).unwrap();
        }
        let mover = worker.mover();
        mover.prepare(&addresses, Some(other_port)).unwrap();
        mover.commit();
        cell.replace(policy(other_port).build().unwrap());
        let (stop, left) = (Stop::default(), StatisticsCell::default());
        stop.request();
        worker.run(&mut reader, &stop, &left).unwrap();
        let statistics = left.read();
        assert_eq!(statistics.counters.reflected(), 200, "{addresses:?}");
        assert_eq!(statistics.sent, Some(200), "{addresses:?}");
        let mut room = [0; 64];
        for number in 0..200 {
            assert_eq!(client.recv(&mut room).unwrap(), 64);
            assert_eq!(room[..], probe(number, 64)[..], "{addresses:?}");
        }
    }
}

#[test]
fn policy_for_another_port_waits_for_its_sockets() {
    let (port, other_port) = (own_port(), own_port());
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    running.policy.replace(policy(other_port).build().unwrap());
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(is_answered(&client, &probe(1, 64)));
    assert_eq!(running.finish().counters.reflected(), 1);
}

#[test]
fn second_move_before_the_first_was_taken_loses_no_socket() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let [first, second] = ["127.0.0.1".parse().unwrap(), "127.0.0.9".parse().unwrap()];
    let other_port = own_port();
    // The worker takes no move before its policy has the port.
    running.mover.prepare(&[first], Some(other_port)).unwrap();
    running.mover.commit();
    running.mover.prepare(&[first, second], Some(other_port)).unwrap();
    running.mover.commit();
    running.policy.replace(policy(other_port).build().unwrap());
    for address in ["127.0.0.1", "127.0.0.9"] {
        let client = client("127.0.0.1", format!("{address}:{other_port}").parse().unwrap());
        await_open(&client);
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(is_answered(&client, &probe(1, 64)), "{address}");
    }
    assert_eq!(running.finish().counters.reflected(), 2);
}

#[test]
fn worker_that_has_not_moved_yet_stays_when_it_is_called_back() {
    for addresses in [&["127.0.0.1"][..], &[]] {
        let port = own_port();
        let running = Running::start(addresses, policy(port).build().unwrap());
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        running.mover.prepare(&addresses, Some(own_port())).unwrap();
        running.mover.commit();
        running.mover.prepare(&addresses, Some(port)).unwrap();
        running.mover.commit();
        let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
        assert!(is_answered(&client, &probe(1, 64)));
        assert_eq!(running.finish().counters.reflected(), 1);
    }
}

#[test]
fn busy_port_leaves_the_worker_where_it_is() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let busy = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let address = "127.0.0.1".parse().unwrap();
    let busy_port = busy.local_addr().unwrap().port();
    let error = running.mover.prepare(&[address], Some(busy_port)).unwrap_err();
    assert!(error.to_string().contains("another program listens there"), "{error}");
    running.mover.commit();
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    assert!(is_answered(&client, &probe(1, 64)));
    assert_eq!(running.finish().counters.reflected(), 1);
}

#[test]
fn worker_takes_an_address_that_came_later_and_keeps_the_others() {
    let port = own_port();
    let running = Running::start(&["127.0.0.1"], policy(port).build().unwrap());
    let addresses = ["127.0.0.1".parse().unwrap(), "127.0.0.9".parse().unwrap()];
    running.mover.prepare(&addresses, Some(port)).unwrap();
    running.mover.commit();
    for address in ["127.0.0.1", "127.0.0.9"] {
        let client = client("127.0.0.1", format!("{address}:{port}").parse().unwrap());
        await_open(&client);
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(is_answered(&client, &probe(1, 64)));
    }
    assert_eq!(running.finish().counters.reflected(), 2);
}

#[test]
fn what_waits_when_a_stop_is_asked_for_is_still_answered() {
    let port = own_port();
    let options =
        Options { addresses: vec!["127.0.0.1".parse().unwrap()], ..Options::new(Some(port)) };
    let mut worker = Worker::open(&options).unwrap();
    let client = client("127.0.0.1", format!("127.0.0.1:{port}").parse().unwrap());
    for number in 0..200 {
        client.send(&probe(number, 64)).unwrap();
    }
    let statistics = drain(&mut worker, policy(port).build().unwrap());
    assert_eq!(statistics.counters.reflected(), 200);
}

#[test]
fn what_cannot_be_opened_says_what_to_do() {
    let error = Worker::open(&Options::new(None)).err().unwrap();
    assert!(matches!(error, OpenError::AnyPort));
    assert!(error.to_string().contains("name the port"));

    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let addresses = vec!["127.0.0.1".parse().unwrap()];
    let error = Worker::open(&Options { addresses, ..Options::new(Some(port)) }).err().unwrap();
    assert!(error.to_string().contains("another program listens there"), "{error}");

    let addresses = vec!["192.0.2.1".parse().unwrap()];
    let error = Worker::open(&Options { addresses, ..Options::new(Some(port)) }).err().unwrap();
    assert!(error.to_string().contains("no interface has this address"), "{error}");
}
