//! Values whose lock owners stand in a registry: processes of two registries do not share
//! one, since an owner of the one means somebody else in the other.
#![cfg(target_os = "linux")]

#[macro_use]
mod support;

use std::process;

use farend_core::sync::{Mutex, Shared as Between};
use farend_futex::{Linux, Registered, registry};
use farend_shm::{LayoutError, SegmentError, Shareable, Shared};
use support::{DONE, Peer, fresh_name};

#[derive(Shareable)]
#[repr(C)]
struct Page {
    count: Mutex<u64, Between, Registered<Linux>>,
}

peer_process!(play);

fn play(role: &str, arguments: &[String]) {
    let [name, registry] = arguments else { panic!("two arguments") };
    registry::join(registry).unwrap();
    let page = Shared::<Page>::attach(name);
    match role {
        "shares" => *page.unwrap().count.lock().unwrap() += 1,
        "is refused" => {
            let refused = page.err().unwrap();
            assert!(matches!(refused, SegmentError::Layout(LayoutError::Owners)), "{refused}");
        }
        other => panic!("no role {other}"),
    }
    println!("{DONE}");
}

/// A registry's name, which is removed at the end.
struct Registry(String);

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = rustix::shm::unlink(&self.0);
    }
}

#[test]
fn processes_of_one_registry_share_locks_and_those_of_another_do_not() {
    let own = Registry(format!("/farend-reg{}", process::id()));
    let other = Registry(format!("/farend-reg{}x", process::id()));
    registry::join(&own.0).unwrap();
    let name = fresh_name();
    let page = Shared::<Page>::create(&name).unwrap();
    Peer::start("shares", &[&name, &own.0]).finish();
    Peer::start("is refused", &[&name, &other.0]).finish();
    // A later registry of the same name is another one.
    rustix::shm::unlink(&own.0).unwrap();
    Peer::start("is refused", &[&name, &own.0]).finish();
    assert_eq!(*page.count.lock().unwrap(), 1);
}
