//! A worker in a network namespace of its own, across a veth pair. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
    process::Command,
    time::{Duration, Instant},
};

use farend_core::{Policy, Reason, Verdict};
use farend_lab::{Host, Lab, Wire, is_skipped_without_root};
use support::{Running, answered, client, is_answered, probe};

const PORT: u16 = 3842;

/// `None`, and the reason printed, without the right to make namespaces.
fn lab() -> Option<Lab> {
    (!is_skipped_without_root()).then(|| Lab::new(Wire::default()).unwrap())
}

/// Gives a host one more address.
fn add_address(host: &Host, address: &str) {
    let arguments = format!("addr add {address} dev {}", host.interface);
    let run = || Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(host.namespace.run(run).unwrap().success(), "ip {arguments}");
}

fn policy() -> Policy {
    Policy::builder().any_destination().port(PORT).build().unwrap()
}

#[test]
fn every_address_that_is_asked_answers_for_itself() {
    let Some(Lab { near, far }) = lab() else { return };
    add_address(&far, "198.18.0.11/24");
    add_address(&far, "2001:2::11/64 nodad");
    add_address(&far, "fe80::11/64 nodad");
    add_address(&near, "fe80::1/64 nodad");
    let running = far.namespace.run(|| Running::start(&[], policy())).unwrap();
    let ask = || {
        for asked in [far.ipv4, Ipv4Addr::new(198, 18, 0, 11)] {
            let client = client(near.ipv4, (asked, PORT).into());
            assert!(is_answered(&client, &probe(1, 1_472)), "{asked}");
        }
        for asked in [far.ipv6, Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0x11)] {
            let client = client(near.ipv6, (asked, PORT).into());
            assert!(is_answered(&client, &probe(1, 1_452)), "{asked}");
        }
        let client = UdpSocket::bind("[::]:0").unwrap();
        client.connect(format!("[fe80::11%{}]:{PORT}", near.interface_index)).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert!(is_answered(&client, &probe(1, 64)), "link-local");
    };
    near.namespace.run(ask).unwrap();
    assert_eq!(running.finish().counters.reflected(), 5);
}

#[test]
fn broadcasts_and_groups_are_not_answered() {
    let Some(Lab { near, far }) = lab() else { return };
    let running = far.namespace.run(|| Running::start(&[], policy())).unwrap();
    let ask = || {
        let client = UdpSocket::bind((near.ipv4, 0)).unwrap();
        client.set_broadcast(true).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        for asked in ["255.255.255.255", "198.18.0.255"] {
            client.send_to(&probe(1, 64), (asked, PORT)).unwrap();
        }
        assert!(client.recv(&mut [0; 64]).is_err());
    };
    near.namespace.run(ask).unwrap();
    let statistics = running.finish();
    // The limited broadcast has no route there and is not sent at all on some
    // systems; the subnet's is.
    let refused = statistics.counters.of(Verdict::Refuse(Reason::DestinationAddress));
    assert!((1..=2).contains(&refused), "{refused}");
    assert_eq!(statistics.counters.reflected(), 0);
}

#[test]
fn an_answer_that_has_no_way_is_counted() {
    let Some(Lab { near, far }) = lab() else { return };
    let running = far.namespace.run(|| Running::start(&[], policy())).unwrap();
    // A sender that the far end has no route to.
    add_address(&near, "203.0.113.5/32");
    let believe = || {
        for name in ["all", far.interface] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"), "0").unwrap();
        }
    };
    far.namespace.run(believe).unwrap();
    let ask = || {
        let client = client(Ipv4Addr::new(203, 0, 113, 5), (far.ipv4, PORT).into());
        assert!(!is_answered(&client, &probe(1, 64)));
    };
    near.namespace.run(ask).unwrap();
    let statistics = running.finish();
    assert!(statistics.losses.contains(&("transmit_failed", 1)), "{:?}", statistics.losses);
}

#[test]
fn twenty_thousand_datagrams_cross_the_pair_and_come_back() {
    let Some(Lab { near, far }) = lab() else { return };
    let running = far.namespace.run(|| Running::start(&[], policy())).unwrap();
    let start = Instant::now();
    let ask = || {
        let client = client(near.ipv6, (far.ipv6, PORT).into());
        answered(&client, 20_000, 64, Duration::from_secs(30))
    };
    let back = near.namespace.run(ask).unwrap();
    assert_eq!(back, 20_000, "after {:?}", start.elapsed());
    let statistics = running.finish();
    assert_eq!(statistics.counters.reflected(), 20_000);
    assert!(statistics.losses.iter().all(|(_, frames)| *frames == 0), "{:?}", statistics.losses);
}
