//! The control API on real interfaces, in every tier that sees frames. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use farend_control::{
    Client,
    calls::{GetStatistics, GetStatus, ResetStatistics, Since, Start, Stop},
    configuration::SetConfiguration,
    status::State,
};
use serde_json::json;
use support::{
    PATIENCE,
    farend::Farend,
    namespace::{Pair, inside, snmp},
    pass::Pass,
    raw::Raw,
    reflector::exchange,
};

/// Those that see frames.
const TIERS: [&str; 4] = ["xdp", "xdp-generic", "af-xdp", "af-packet"];

/// A driver with a control socket of its own.
struct Controlled {
    farend: Farend,
    path: PathBuf,
}

impl Controlled {
    fn ready(pair: &Pair, tier: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("farend-ctl-{}-{number}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let arguments = format!("far --tier {tier} --stats json --control {}", path.display());
        Self { farend: Farend::ready(&pair.far, &arguments), path }
    }

    /// Stops it; gives the frames that it has reflected.
    fn stop(self) -> u64 {
        let end = self.farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        assert!(!self.path.exists(), "the socket was left behind");
        end.last()["total"]["frames"]["reflected"].as_u64().unwrap()
    }
}

fn client(path: &Path) -> Client {
    Client::connect(path, Some(PATIENCE)).unwrap()
}

/// Probes that come back, of one.
fn answers(pair: &Pair) -> u32 {
    inside(&pair.near, || exchange(&Raw::open("near"), 1, 1, Duration::from_secs(1)).1)
}

/// Packets that the host has received.
fn seen_by_host(pair: &Pair) -> u64 {
    inside(&pair.far, || snmp("Ip", "InReceives"))
}

#[test]
fn stopped_interface_leaves_every_frame_to_the_host_in_every_tier() {
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for tier in TIERS {
        let it = Controlled::ready(&pair, tier);
        let mut client = client(&it.path);
        for _ in 0..3 {
            assert_eq!(answers(&pair), 1, "{tier}");
            let stopped = client.call(&Stop { interface: Some("far".into()) }).unwrap();
            let before = seen_by_host(&pair);
            assert_eq!(answers(&pair), 0, "{tier}: answered while it is stopped");
            assert!(seen_by_host(&pair) > before, "{tier}: the host does not see it");
            let asked = GetStatistics { max_age_ms: Some(0), ..GetStatistics::default() };
            let now = client.call(&asked).unwrap().statistics;
            assert_eq!(now.body.total.frames, stopped.r#final.body.total.frames, "{tier}");
            let start = Start { interface: "far".into(), for_s: None };
            assert_eq!(client.call(&start).unwrap().tier, tier);
        }
        assert_eq!(answers(&pair), 1, "{tier}");
        let status = client.call(&GetStatus {}).unwrap();
        assert_eq!(status.interfaces[0].state, State::Serving);
        let link = status.interfaces[0].link.as_ref().unwrap();
        assert!(link.is_up && link.mtu_octets == 1_500, "{link:?}");
        it.stop();
    }
}

#[test]
fn changes_and_resets_under_load_lose_and_miscount_no_frame() {
    const PROBES: u32 = 60_000;
    let Some(pair) = Pair::new(1_500) else { return };
    let _pass = Pass::attach(&pair.near, "near");
    for tier in TIERS {
        let it = Controlled::ready(&pair, tier);
        let mut client = client(&it.path);
        let name = pair.near.clone();
        let load = thread::spawn(move || {
            inside(&name, || exchange(&Raw::open("near"), PROBES, 16, PATIENCE))
        });
        let (mut sum, mut rounds) = (0, 0_u64);
        while !load.is_finished() {
            // Above what comes: both policies answer every probe.
            let rate = 100_000_000 + rounds % 2;
            let configuration = json!({ "max-rate": rate }).as_object().cloned();
            let set = SetConfiguration { configuration, ..SetConfiguration::default() };
            assert_eq!(client.call(&set).unwrap().applied, ["max-rate"]);
            let ended = client.call(&ResetStatistics::default()).unwrap();
            sum += ended.r#final.body.total.frames.reflected;
            rounds += 1;
        }
        let (back, all) = load.join().unwrap();
        assert_eq!((back, all), (PROBES, PROBES), "{tier}: after {rounds} changes");
        assert!(rounds > 1, "{tier}: the load was too short");
        client.call(&Stop::default()).unwrap();
        sum +=
            client.call(&ResetStatistics::default()).unwrap().r#final.body.total.frames.reflected;
        let since = GetStatistics { since: Some(Since::Start), ..GetStatistics::default() };
        let counted = client.call(&since).unwrap().statistics.body.total.frames.reflected;
        assert_eq!(sum, counted, "{tier}");
        assert_eq!(counted, u64::from(PROBES), "{tier}");
        assert_eq!(it.stop(), counted, "{tier}");
    }
}

#[test]
fn control_socket_in_use_keeps_a_second_driver_from_starting() {
    let Some(pair) = Pair::new(1_500) else { return };
    let it = Controlled::ready(&pair, "udp");
    let path = it.path.clone();
    for check in ["", "--check"] {
        let arguments = format!("far --tier udp --port 9 {check} --control {}", path.display());
        let end = Farend::run(&pair.far, "", &arguments);
        assert_eq!(end.code, Some(1), "{end:?}");
        assert!(end.stderr.contains("another driver answers there"), "{end:?}");
    }
    assert!(fs::metadata(&path).is_ok());
    it.stop();
}
