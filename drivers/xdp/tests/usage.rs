//! What the program says about wrong usage, and its exit codes. Needs root for
//! namespaces; the program itself is run without it where that matters.
#![cfg(target_os = "linux")]

mod support;

use std::{net::UdpSocket, time::Duration};

use support::{
    farend::{self, End, Farend},
    namespace::{Pair, inside, ip},
};

/// Takes every privilege away.
const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// One line on standard error with these parts, nothing else, and this code.
fn refused(end: &End, code: i32, parts: &[&str]) {
    assert_eq!(end.code, Some(code), "{end:?}");
    assert_eq!(end.stderr.lines().count(), 1, "{end:?}");
    assert!(end.stderr.starts_with("farend-xdp: "), "{end:?}");
    assert_eq!(end.stdout, "", "{end:?}");
    for part in parts {
        assert!(end.stderr.contains(part), "{part:?} not in {end:?}");
    }
}

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    let Some(pair) = Pair::new(1_500) else { return };
    let run = |arguments: &str| Farend::run(&pair.far, "", arguments);
    refused(&run(""), 2, &["name an interface: farend-xdp IFACE"]);
    refused(&run("nosuch"), 2, &["nosuch", "there are: lo, far"]);
    refused(&run("far far"), 2, &["named twice"]);
    refused(&run("198.18.0.1"), 2, &["is an address", "--tier udp"]);
    refused(&run("far --port 65536"), 2, &["--port", "65536", "1 to 65535"]);
    refused(&run("far --oui 00:c0"), 2, &["--oui", "00:c0:17"]);
    refused(&run("far --allow 10.0.0.1/8"), 2, &["--allow", "10.0.0.0/8"]);
    refused(&run("far --vlan 4095"), 2, &["--vlan", "1 to 4094"]);
    refused(&run("far --pattern 5"), 2, &["--pattern", "OFFSET:HEX"]);
    refused(&run("far --tier fast"), 2, &["--tier", "xdp-generic"]);
    refused(&run("far --mode ip"), 2, &["--mode", "mac-ip"]);
    refused(&run("far --max-rate 0"), 2, &["--max-rate"]);
    refused(&run("far --duration 0"), 2, &["--duration", "seconds"]);
    refused(&run("far --prot 7"), 2, &["--prot", "--port"]);
    refused(&run("far --port any --signatures any"), 2, &["all of UDP", "name a port"]);
    refused(&run("far --signatures none"), 2, &["no signature"]);
    refused(&run("--tier udp --vlan 7"), 2, &["--vlan needs whole frames"]);
    refused(&run("far --config /nonexistent.toml"), 2, &["/nonexistent.toml: cannot be read"]);
    refused(&run("lo --tier xdp"), 2, &["lo is no Ethernet interface", "--tier udp"]);
}

#[test]
fn a_wrong_file_is_named_with_line_key_and_what_was_expected() {
    let Some(pair) = Pair::new(1_500) else { return };
    let path = std::env::temp_dir().join(format!("farend-usage-{}.yaml", std::process::id()));
    for (text, place) in [
        ("interface: far\nfiltering:\n  port: 70000\n", ":3: filtering.port: \"70000\": expected"),
        ("interface: far\nplatform:\n  use_dpdk: true\n", ":3: platform.use_dpdk: true: there is"),
        ("interface: far\nfitering:\n  port: 1\n", ":2: fitering: is no key"),
    ] {
        std::fs::write(&path, text).unwrap();
        let end = Farend::run(&pair.far, "", &format!("--config {}", path.display()));
        refused(&end, 2, &[&format!("{}{place}", path.display())]);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_driver_without_xdp_is_named_and_auto_goes_one_tier_down() {
    let Some(pair) = Pair::new(1_500) else { return };
    ip(&format!("-n {} link add name bridge type bridge", pair.far));
    let end = Farend::run(&pair.far, "", "bridge --tier xdp");
    refused(&end, 1, &["the driver (bridge) does not run XDP", "--tier xdp-generic"]);
    let end = Farend::run(&pair.far, "", "bridge --duration 0.1 --stats none");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("tier xdp skipped on bridge: the driver"), "{end:?}");
    assert!(end.stderr.contains("tier=xdp-generic"), "{end:?}");
}

#[test]
fn the_yaml_of_the_c_reflector_is_served_as_it_is() {
    let Some(pair) = Pair::new(1_500) else { return };
    let path = std::env::temp_dir().join(format!("farend-reference-{}.yaml", std::process::id()));
    let text = "interface: far\nweb_ui:\n  enabled: true\n  port: 8080\nfiltering:\n  port: 7\n  \
                filter_oui: true\n  oui: \"00:c0:17\"\nstats:\n  format: json\n  interval: 10\n";
    std::fs::write(&path, text).unwrap();
    let arguments = format!("--config {} --tier xdp-generic --duration 0.2", path.display());
    let end = Farend::run(&pair.far, "", &arguments);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("left out, without meaning here: web_ui.enabled"), "{end:?}");
    assert!(end.stderr.contains("ready: far tier=xdp-generic"), "{end:?}");
    assert!(end.stderr.contains("port=7 oui=00:c0:17"), "{end:?}");
    assert_eq!(end.last()["event"], "final");
}

#[test]
fn dangers_are_told_at_the_start() {
    let Some(pair) = Pair::new(1_500) else { return };
    let arguments = "far --tier xdp-generic --any-destination --disable-guard checksum,hop-limit \
                     --duration 0.1 --stats none";
    let end = Farend::run(&pair.far, "", arguments);
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("--any-destination answers frames to other stations"), "{end:?}");
    assert!(end.stderr.contains("guards are off: checksum, hop-limit"), "{end:?}");
    assert!(end.stderr.contains("ip link set far promisc on"), "{end:?}");
}

#[test]
fn mode_that_keeps_ports_says_whom_it_answers() {
    let Some(pair) = Pair::new(1_500) else { return };
    let end = Farend::run(&pair.far, "", "far --mode mac --check");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("name yours by --allow ADDRESS"), "{end:?}");
    // Who may ask is no tester by that: a network has reflectors too.
    let end = Farend::run(&pair.far, "", "far --mode mac --allow 10.0.0.0/8 --check");
    assert!(end.stderr.contains("name yours by --allow ADDRESS"), "{end:?}");
    let end = Farend::run(&pair.far, "", "far --mode mac --allow 10.0.0.0/8,10.0.0.7 --check");
    assert!(!end.stderr.contains("name yours by"), "{end:?}");
}

#[test]
fn statistics_that_nobody_reads_do_not_end_it() {
    let Some(pair) = Pair::new(1_500) else { return };
    let arguments = "far --tier xdp-generic --stats-interval 0.1 --duration 1";
    let mut child = farend::command(&pair.far, "", arguments).spawn().unwrap();
    drop(child.stdout.take());
    let started = std::time::Instant::now();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(started.elapsed() > Duration::from_millis(900), "{stderr}");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("lines lost so far: Broken pipe"), "{stderr}");
}

#[test]
fn table_of_options_in_the_document_is_what_is_declared() {
    use farend_driver::{options, options::Options, settings::Common};
    use farend_xdp::XdpOptions;

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- options: begin -->\n", "<!-- options: end -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (table, after) = rest.split_once(end).unwrap();
    let wanted = options::table(&[XdpOptions::declared(), Common::declared()].concat());
    if table != wanted && std::env::var_os("FAREND_BLESS").is_some() {
        std::fs::write(path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(table, wanted, "FAREND_BLESS=1 writes it");
}

#[test]
fn missing_capabilities_are_named_with_the_setcap_line() {
    let Some(pair) = Pair::new(1_500) else { return };
    let end = Farend::run(&pair.far, NOBODY, "far --tier xdp");
    let line = "setcap cap_net_admin,cap_bpf,cap_perfmon+ep /";
    refused(&end, 1, &["CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON", line]);
    let end = Farend::run(&pair.far, NOBODY, "far --tier af-packet");
    refused(&end, 1, &["CAP_NET_RAW missing", "setcap cap_net_raw,cap_net_admin,cap_bpf,"]);
    let end = Farend::run(&pair.far, NOBODY, "far --tier xdp --check");
    refused(&end, 1, &[line]);
}

#[test]
fn without_privileges_auto_comes_down_to_plain_sockets() {
    let Some(pair) = Pair::new(1_500) else { return };
    let end = Farend::run(&pair.far, NOBODY, "far --duration 0.2 --stats none");
    assert_eq!(end.code, Some(0), "{end:?}");
    for tier in ["xdp", "xdp-generic", "af-xdp", "af-packet"] {
        assert!(end.stderr.contains(&format!("tier {tier} skipped on far: ")), "{end:?}");
    }
    assert!(end.stderr.contains("ready: far tier=udp"), "{end:?}");
}

#[test]
fn plain_sockets_serve_loopback_without_privileges() {
    let Some(pair) = Pair::new(1_500) else { return };
    for address in ["127.0.0.1", "::1"] {
        let arguments = format!("--tier udp {address} --stats json");
        let farend = Farend::start(&pair.far, NOBODY, &arguments);
        farend.wait_for("ready: ");
        inside(&pair.far, || {
            let socket = UdpSocket::bind((address, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let probe = b"\x01\x02\x03\x04\x05PROBEOT and more";
            socket.send_to(probe, (address, 3842)).unwrap();
            let mut octets = [0; 64];
            let (length, from) = socket.recv_from(&mut octets).unwrap();
            assert_eq!((&octets[..length], from.port()), (&probe[..], 3842));
        });
        let end = farend.stop();
        assert_eq!(end.code, Some(0), "{end:?}");
        assert_eq!(end.last()["interfaces"][0]["interface"], address);
        assert_eq!(end.last()["total"]["reflected"]["probeot"], 1);
    }
}

#[test]
fn with_its_capabilities_alone_it_needs_no_root() {
    let Some(pair) = Pair::new(1_500) else { return };
    let capabilities = "+net_admin,+bpf,+perfmon";
    let before = format!("{NOBODY} --inh-caps {capabilities} --ambient-caps {capabilities}");
    let end = Farend::run(&pair.far, &before, "far --tier xdp --duration 0.2 --stats none");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(end.stderr.contains("tier=xdp "), "{end:?}");
}

#[test]
fn a_check_prints_what_would_be_in_force_and_attaches_nothing() {
    let Some(pair) = Pair::new(1_500) else { return };
    let end = Farend::run(&pair.far, "", "far --check --port 7 --vlan 1,2 --max-rate 10");
    assert_eq!(end.code, Some(0), "{end:?}");
    assert!(!end.stderr.contains("ready: "), "{end:?}");
    for line in ["interfaces = [\"far\"]", "tier = \"auto\"", "port = 7", "vlan = [1, 2]"] {
        assert!(end.stdout.lines().any(|given| given == line), "{line:?} not in {end:?}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let Some(pair) = Pair::new(1_500) else { return };
    let end = Farend::run(&pair.far, NOBODY, "--help");
    assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""));
    assert!(end.stdout.contains("Examples:") && end.stdout.contains("--tester-oui"));
    let end = Farend::run(&pair.far, NOBODY, "--version");
    assert!(end.code == Some(0) && end.stdout.starts_with("farend-xdp 0."), "{end:?}");
}

#[test]
fn bridge_over_veths_is_told_to_finish_checksums() {
    let Some(pair) = Pair::new(1_500) else { return };
    ip(&format!("-n {} link add name br0 type bridge", pair.far));
    ip(&format!("-n {} link set br0 up", pair.far));
    let told = |tier: &str| {
        let end = Farend::run(&pair.far, "", &format!("br0 --tier {tier} --check"));
        end.stderr.contains("is a bridge over veths (far)")
            && end.stderr.contains("ethtool -K PEER tx off")
    };
    assert!(!told("af-xdp"), "no port yet");
    ip(&format!("-n {} link set far master br0", pair.far));
    assert!(told("af-xdp"));
    assert!(!told("af-packet"), "the kernel keeps its note with the answer");
}
