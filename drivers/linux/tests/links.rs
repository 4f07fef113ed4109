//! Links and what becomes of them, with real ones in namespaces. Needs root.
#![cfg(target_os = "linux")]

use std::{
    ffi::OsStr,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use farend_core::MacAddress;
use farend_lab::Namespace;
use farend_linux::{Change, Interface, Rtnetlink, VethEnd, ethtool, index_of};

/// A namespace with a veth pair in it, `one` and `two`; `None` without root.
fn namespace_with_pair() -> Option<Namespace> {
    if farend_lab::is_skipped_without_root() {
        return None;
    }
    let here = Namespace::new().unwrap();
    here.run(|| {
        let mut rtnetlink = Rtnetlink::open().unwrap();
        rtnetlink.add_veth(&end("one", 1), &end("two", 2), here.as_fd()).unwrap();
        for name in ["one", "two"] {
            rtnetlink.set_up(index_of(name).unwrap(), true).unwrap();
        }
    })
    .unwrap();
    Some(here)
}

fn end(name: &'static str, number: u8) -> VethEnd<'static> {
    VethEnd { name, mac: MacAddress([2, 0, 0, 0, 0, number]), mtu_octets: 1_400, queues: 2 }
}

fn find(name: &str) -> Interface {
    Interface::find(&mut Rtnetlink::open().unwrap(), name).unwrap().unwrap()
}

/// Changes up to one that is looked for, and it.
fn changes_until(listener: &mut Rtnetlink, is_it: impl Fn(&Change) -> bool) -> Vec<Change> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut seen = Vec::new();
    while !seen.iter().any(&is_it) {
        assert!(Instant::now() < deadline, "not told: {seen:?}");
        seen.extend(listener.changes().unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    seen
}

/// Runs `ip` with arguments that need not be text.
fn ip(arguments: &[&[u8]]) {
    let texts = arguments.iter().map(|one| OsStr::from_bytes(one));
    assert!(Command::new("ip").args(texts).status().unwrap().success(), "{arguments:?}");
}

#[test]
fn leaving_a_bridge_is_not_reported_as_deletion() {
    let Some(here) = namespace_with_pair() else { return };
    here.run(|| {
        let mut listener = Rtnetlink::listen().unwrap();
        let mut rtnetlink = Rtnetlink::open().unwrap();
        let index = index_of("one").unwrap();
        rtnetlink.add_bridge("bridge").unwrap();
        rtnetlink.set_controller(index, Some(index_of("bridge").unwrap())).unwrap();
        rtnetlink.set_controller(index, None).unwrap();
        rtnetlink.set_mtu(index, 1_300).unwrap();
        let is_last = |change: &Change| match change {
            Change::Now(now) => now.index == index && now.mtu_octets == 1_300,
            _ => false,
        };
        let seen = changes_until(&mut listener, is_last);
        assert!(!seen.contains(&Change::Deleted(index)), "{seen:?}");
        // A bridge's message about its port has no address and no queues.
        for change in &seen {
            if let Change::Now(now) = change {
                assert!(now.index != index || now.receive_queues == 2, "{now:?}");
            }
        }
        rtnetlink.delete(index).unwrap();
        changes_until(&mut listener, |change| *change == Change::Deleted(index));
    })
    .unwrap();
}

#[test]
fn links_whose_alias_or_name_is_no_text_are_read() {
    let Some(here) = namespace_with_pair() else { return };
    here.run(|| {
        let mut listener = Rtnetlink::listen().unwrap();
        let index = index_of("one").unwrap();
        ip(&[b"link", b"set", b"one", b"alias", b"lab \xff\xfe"]);
        ip(&[b"link", b"set", b"two", b"down"]);
        ip(&[b"link", b"set", b"two", b"name", b"\xfe\xfd"]);
        let is_renamed =
            |change: &Change| matches!(change, Change::Now(now) if now.name == "??" && !now.is_up);
        changes_until(&mut listener, is_renamed);
        let mut rtnetlink = Rtnetlink::open().unwrap();
        assert_eq!(rtnetlink.by_index(index).unwrap().unwrap().name, "one");
        let mut names: Vec<_> =
            rtnetlink.all().unwrap().into_iter().map(|interface| interface.name).collect();
        names.sort_unstable();
        assert_eq!(names, ["??", "lo", "one"]);
    })
    .unwrap();
}

#[test]
fn moving_to_another_namespace_is_not_reported_as_deletion() {
    let Some(here) = namespace_with_pair() else { return };
    let there = Namespace::new().unwrap();
    here.run(|| {
        let mut listener = Rtnetlink::listen().unwrap();
        let index = index_of("one").unwrap();
        Rtnetlink::open().unwrap().move_to(index, there.as_fd()).unwrap();
        let seen = changes_until(&mut listener, |change| *change == Change::Moved(index));
        assert!(!seen.contains(&Change::Deleted(index)), "{seen:?}");
    })
    .unwrap();
    there.run(|| assert!(index_of("one").is_ok())).unwrap();
}

#[test]
fn veth_peer_is_found_in_its_namespace() {
    let Some(here) = namespace_with_pair() else { return };
    let there = Namespace::new().unwrap();
    here.run(|| {
        let peer = find("one").peer.unwrap();
        assert!(!peer.is_elsewhere);
        let mut rtnetlink = Rtnetlink::open().unwrap();
        assert_eq!(rtnetlink.by_peer(&peer).unwrap().unwrap().name, "two");
        rtnetlink.move_to(peer.index, there.as_fd()).unwrap();
        let peer = find("one").peer.unwrap();
        assert!(peer.is_elsewhere && peer.namespace_id.is_some(), "{peer:?}");
        let found = rtnetlink.by_peer(&peer).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.mac), ("two", Some(MacAddress([2, 0, 0, 0, 0, 2]))));
    })
    .unwrap();
}

#[test]
fn what_is_set_by_ethtool_is_read_back() {
    let Some(here) = namespace_with_pair() else { return };
    here.run(|| {
        assert_eq!(ethtool::driver("one").unwrap(), "veth");
        assert_eq!(ethtool::receive_queues("one").unwrap(), 2);
        for is_on in [false, true] {
            ethtool::set_offloads_checksums("one", is_on).unwrap();
            assert_eq!(ethtool::offloads_checksums("one").unwrap(), is_on);
            ethtool::set_joins_packets("one", is_on).unwrap();
            assert_eq!(ethtool::joins_packets("one").unwrap(), is_on);
        }
        assert!(ethtool::driver("a-name-longer-than-any").is_err());
        assert!(ethtool::driver("nosuch0").is_err());
    })
    .unwrap();
}
