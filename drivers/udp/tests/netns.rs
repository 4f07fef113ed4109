//! A worker in a network namespace of its own, across a veth pair. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    net::UdpSocket,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use farend_core::{Policy, Reason, Verdict};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use support::{Running, answered, client, is_answered, probe};

const PORT: u16 = 3842;

/// Two namespaces joined by a veth pair, `far` in one and `near` in the other.
/// Removed on drop.
struct Pair {
    far: String,
    near: String,
}

impl Pair {
    /// `None`, and the reason printed, without the right to make namespaces.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: making network namespaces needs root");
            return None;
        }
        let id = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let pair = Self { far: format!("farend-u{id}f"), near: format!("farend-u{id}n") };
        let (far, near) = (&pair.far, &pair.near);
        ip(&format!("netns add {far}"));
        ip(&format!("netns add {near}"));
        ip(&format!("-n {far} link add far type veth peer name near netns {near}"));
        for (namespace, link, host) in [(far, "far", 1), (near, "near", 2)] {
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} addr add 198.18.0.{host}/24 brd + dev {link}"));
            ip(&format!("-n {namespace} addr add 2001:db8::{host}/64 nodad dev {link}"));
            ip(&format!("-n {namespace} addr add fe80::{host}/64 nodad dev {link}"));
            ip(&format!("-n {namespace} link set {link} up"));
        }
        ip(&format!("-n {far} addr add 198.18.0.11/24 dev far"));
        ip(&format!("-n {far} addr add 2001:db8::11/64 nodad dev far"));
        Some(pair)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for namespace in [&self.far, &self.near] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Runs `work` on a thread inside a namespace.
fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let enter = move || {
        let file = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&file),
            Some(LinkNameSpaceType::Network),
        )
        .unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(enter).join().unwrap())
}

fn policy() -> Policy {
    Policy::builder().any_destination().port(PORT).build().unwrap()
}

#[test]
fn every_address_that_is_asked_answers_for_itself() {
    let Some(pair) = Pair::new() else { return };
    let running = inside(&pair.far, || Running::start(&[], policy()));
    inside(&pair.near, || {
        for asked in ["198.18.0.1", "198.18.0.11"] {
            let client = client("198.18.0.2", format!("{asked}:{PORT}").parse().unwrap());
            assert!(is_answered(&client, &probe(1, 1_472)), "{asked}");
        }
        for asked in ["[2001:db8::1]", "[2001:db8::11]"] {
            let client = client("2001:db8::2", format!("{asked}:{PORT}").parse().unwrap());
            assert!(is_answered(&client, &probe(1, 1_452)), "{asked}");
        }
        let client = UdpSocket::bind("[::]:0").unwrap();
        let scope = rustix::net::netdevice::name_to_index(&client, "near").unwrap();
        client.connect(format!("[fe80::1%{scope}]:{PORT}")).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        assert!(is_answered(&client, &probe(1, 64)), "link-local");
    });
    assert_eq!(running.finish().counters.reflected(), 5);
}

#[test]
fn broadcasts_and_groups_are_not_answered() {
    let Some(pair) = Pair::new() else { return };
    let running = inside(&pair.far, || Running::start(&[], policy()));
    inside(&pair.near, || {
        let client = UdpSocket::bind("198.18.0.2:0").unwrap();
        client.set_broadcast(true).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        for asked in ["255.255.255.255", "198.18.0.255"] {
            client.send_to(&probe(1, 64), (asked, PORT)).unwrap();
        }
        assert!(client.recv(&mut [0; 64]).is_err());
    });
    let statistics = running.finish();
    // The limited broadcast has no route there and is not sent at all on some
    // systems; the subnet's is.
    let refused = statistics.counters.of(Verdict::Pass(Reason::DestinationAddress));
    assert!((1..=2).contains(&refused), "{refused}");
    assert_eq!(statistics.counters.reflected(), 0);
}

#[test]
fn an_answer_that_has_no_way_is_counted() {
    let Some(pair) = Pair::new() else { return };
    let running = inside(&pair.far, || Running::start(&[], policy()));
    // A sender that the far end has no route to.
    ip(&format!("-n {} addr add 203.0.113.5/32 dev near", pair.near));
    let far_rp_filter = "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done";
    let status =
        Command::new("ip").args(["netns", "exec", &pair.far, "sh", "-c", far_rp_filter]).status();
    assert!(status.unwrap().success());
    inside(&pair.near, || {
        let client = client("203.0.113.5", format!("198.18.0.1:{PORT}").parse().unwrap());
        assert!(!is_answered(&client, &probe(1, 64)));
    });
    let statistics = running.finish();
    assert!(statistics.losses.contains(&("transmit_failed", 1)), "{:?}", statistics.losses);
}

#[test]
fn twenty_thousand_datagrams_cross_the_pair_and_come_back() {
    let Some(pair) = Pair::new() else { return };
    let running = inside(&pair.far, || Running::start(&[], policy()));
    let start = Instant::now();
    let back = inside(&pair.near, || {
        let client = client("2001:db8::2", format!("[2001:db8::1]:{PORT}").parse().unwrap());
        answered(&client, 20_000, 64, Duration::from_secs(30))
    });
    assert_eq!(back, 20_000, "after {:?}", start.elapsed());
    let statistics = running.finish();
    assert_eq!(statistics.counters.reflected(), 20_000);
    assert!(statistics.losses.iter().all(|(_, frames)| *frames == 0), "{:?}", statistics.losses);
}
