//! Settings of single interfaces and addresses. Needs root.
#![cfg(target_os = "linux")]

mod support;

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use support::{
    PATIENCE,
    farend::Farend,
    namespace::{Pair, inside},
    settings::Settings,
};

const BOTH: &str = "interfaces = [\"127.0.0.1\", \"127.0.0.2\"]\ntier = \"udp\"\nport = 3842\n";

/// Waits until an address answers on a port.
fn await_answer(pair: &Pair, address: &str, port: u16) {
    inside(&pair.far, || {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        socket.connect((address, port)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let ask = || {
            socket.send(b"\x01\x02\x03\x04\x05PROBEOT and more")?;
            socket.recv(&mut [0; 64])
        };
        while ask().is_err() {
            assert!(Instant::now() < deadline, "{address} does not answer on {port}");
        }
    });
}

#[test]
fn each_address_is_served_by_its_own_settings_and_reloads_them() {
    let Some(pair) = Pair::new(1_500) else { return };
    let own = |port| format!("{BOTH}[interface.\"127.0.0.2\"]\nport = {port}\n");
    let settings = Settings::new("targets.toml", &own(4_000));
    let farend = Farend::ready(&pair.far, &settings.option());
    let ready = farend.wait_for("ready: ");
    assert!(ready.contains("127.0.0.1 tier=udp mode=all port=3842"), "{ready}");
    assert!(ready.contains("127.0.0.2 tier=udp mode=all port=4000"), "{ready}");
    await_answer(&pair, "127.0.0.1", 3_842);
    await_answer(&pair, "127.0.0.2", 4_000);
    settings.replace(&own(4_001));
    farend.signal(Signal::HUP);
    farend.wait_for_times("are in force", 1);
    await_answer(&pair, "127.0.0.1", 3_842);
    await_answer(&pair, "127.0.0.2", 4_001);
    settings.replace(BOTH);
    farend.signal(Signal::HUP);
    farend.wait_for_times("are in force", 2);
    await_answer(&pair, "127.0.0.2", 3_842);
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn command_line_wins_over_the_file_and_one_over_all() {
    let Some(pair) = Pair::new(1_500) else { return };
    let file = format!("{BOTH}[interface.\"127.0.0.2\"]\nport = 4000\nmode = \"all\"\n");
    let settings = Settings::new("over.toml", &file);
    let arguments = format!("{} --port 5000 --set 127.0.0.1:port=6000", settings.option());
    let farend = Farend::ready(&pair.far, &arguments);
    let ready = farend.wait_for("ready: ");
    assert!(ready.contains("127.0.0.1 tier=udp mode=all port=6000"), "{ready}");
    assert!(ready.contains("127.0.0.2 tier=udp mode=all port=4000"), "{ready}");
    await_answer(&pair, "127.0.0.1", 6_000);
    await_answer(&pair, "127.0.0.2", 4_000);
    assert_eq!(farend.stop().code, Some(0));
}

#[test]
fn check_prints_settings_of_single_interfaces_as_a_file() {
    let Some(pair) = Pair::new(1_500) else { return };
    let arguments = "far --tier af-packet --port 7 --set far:port=4000 --set far:vlan=5,7 --check";
    let end = Farend::run(&pair.far, "", arguments);
    assert_eq!(end.code, Some(0), "{end:?}");
    let table = "\n[interface.\"far\"]\nport = 4000\nvlan = [5, 7]\n";
    assert!(end.stdout.ends_with(table), "{end:?}");
    assert!(end.stdout.contains("\nport = 7\n"), "{end:?}");
    let settings = Settings::new("printed.toml", &end.stdout);
    let again = Farend::run(&pair.far, "", &format!("{} --check", settings.option()));
    assert_eq!(again.stdout, end.stdout);
}

#[test]
fn wrong_settings_of_an_interface_are_named_with_their_place() {
    let Some(pair) = Pair::new(1_500) else { return };
    for (file, parts) in [
        (
            "[interface.far]\nsignatures = \"any\"\nport = \"any\"\n",
            [":2: interface.far.signatures: ", "any port and any signature"],
        ),
        ("[interface.far]\nport = 0\n", [":2: interface.far.port: ", ""]),
        ("[interface.far]\ntier = \"xdp\"\n", [":2: interface.far.tier: ", "no key of a single"]),
    ] {
        let settings = Settings::new("wrong.toml", file);
        let arguments = format!("far --tier af-packet --check {}", settings.option());
        let end = Farend::run(&pair.far, "", &arguments);
        assert_eq!(end.code, Some(2), "{file}: {end:?}");
        assert!(parts.iter().all(|part| end.stderr.contains(part)), "{file}: {end:?}");
    }
    let end = Farend::run(&pair.far, "", "far --tier af-packet --check --set eth9:port=7");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("settings of eth9 have no effect"), "{end:?}");
    let end = Farend::run(&pair.far, "", "far --set far:port=0");
    assert_eq!(end.code, Some(2), "{end:?}");
    assert!(end.stderr.contains("--set port: "), "{end:?}");
}
