//! Rings that are fields of a value, beside others, between processes.
#![deny(unsafe_code)] // As users do without.

#[macro_use]
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use farend_shm::{Deadline, LayoutError, RingError, SegmentError, Shareable, Shared, inside};
use support::{DONE, LONG, MESSAGE_OCTETS_MAX, Peer, THERE, fresh_name, message, number_of};

#[derive(Shareable)]
#[repr(C)]
struct Page {
    sent: AtomicU64,
    orders: inside::Spsc<4096>,
    small: inside::Broadcast<2, 3, 1>,
    news: inside::Broadcast<16, 216, 3>,
    last: AtomicU64,
}

#[derive(Shareable)]
#[repr(C)]
struct LongerPage {
    sent: AtomicU64,
    orders: inside::Spsc<8192>,
}

const MESSAGES: u64 = 2_000;

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let page = Shared::<Page>::attach(&arguments[0]).unwrap().get();
    let patience = Deadline::after(LONG);
    match role {
        "sends" => {
            let mut orders = page.orders.sender().unwrap();
            let mut news = page.news.publisher().unwrap();
            news.wait_subscribers(2, patience).unwrap();
            for number in 0..MESSAGES {
                orders.send(&message(number), patience).unwrap();
                news.send(&message(number), patience).unwrap();
                page.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
        "has the sender" => {
            let _sender = page.orders.sender().unwrap();
            println!("{THERE}");
            std::thread::sleep(LONG);
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

#[test]
fn rings_in_a_value_carry_messages_between_processes() {
    let name = fresh_name();
    let value = Shared::<Page>::create(&name).unwrap();
    let page = value.get();
    let patience = Deadline::after(LONG);
    let mut orders = page.orders.receiver().unwrap();
    let mut news = [page.news.subscriber().unwrap(), page.news.subscriber().unwrap()];
    let peer = Peer::start("sends", &[&name]);
    let mut buffer = [0; MESSAGE_OCTETS_MAX];
    for number in 0..MESSAGES {
        assert_eq!(number_of(orders.receive(patience).unwrap()), number);
        for news in &mut news {
            let got = news.receive(&mut buffer, patience).unwrap();
            assert_eq!(number_of(&buffer[..got.octets]), number);
        }
    }
    assert_eq!(orders.receive(patience).unwrap_err(), RingError::PeerLeft);
    peer.finish();
    assert_eq!(page.sent.load(Ordering::Relaxed), MESSAGES);
    // Neighbours are as they were.
    assert_eq!(page.last.load(Ordering::Relaxed), 0);
    assert!(page.small.publisher().unwrap().send(b"abc", Deadline::NOW).unwrap());
    assert!(page.small.publisher().unwrap().send(b"abcd", Deadline::NOW).is_err());
}

#[test]
fn a_side_of_a_killed_process_is_free_again() {
    let name = fresh_name();
    let value = Shared::<Page>::create(&name).unwrap();
    let page = value.get();
    let mut peer = Peer::start("has the sender", &[&name]);
    assert!(peer.said().any(|line| line.contains(THERE)));
    assert!(matches!(page.orders.sender(), Err(RingError::Taken(_))));
    drop(peer);
    page.orders.sender().unwrap().send(b"here", Deadline::NOW).unwrap();
    assert_eq!(page.orders.receiver().unwrap().receive(Deadline::NOW).unwrap(), b"here");
}

#[test]
fn a_ring_of_another_size_is_another_type() {
    let name = fresh_name();
    let _value = Shared::<Page>::create(&name).unwrap();
    let refused = Shared::<LongerPage>::attach(&name).err().unwrap();
    assert!(matches!(refused, SegmentError::Layout(LayoutError::Type)), "{refused}");
}
