//! The tester with raw frames, over a veth pair between two network
//! namespaces, against a reflector that is the core's own.
#![cfg(target_os = "linux")]

mod common;

use std::{
    fs::File,
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::{Probed, TESTER, number, read};
use farend_core::{Guards, Mode, Policy, reflect, reflect::policy::Builder};
use farend_linux::ethtool;
use farend_tester::path::{Receive, packet::Interface};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const TESTER_IF: &str = "near";
const REFLECTOR_IF: &str = "far";

/// Two namespaces, joined by a veth pair, gone when dropped.
struct Lab {
    near: String,
    far: String,
}

fn ip(arguments: &str) -> bool {
    let status = Command::new("ip").args(arguments.split_whitespace()).status();
    status.is_ok_and(|status| status.success())
}

impl Lab {
    /// `None`, with the reason printed, where namespaces cannot be made.
    fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("farend-probe-{}-{number}", std::process::id());
        let lab = Self { near: format!("{name}-near"), far: format!("{name}-far") };
        let (near, far) = (&lab.near, &lab.far);
        if !ip(&format!("netns add {near}")) || !ip(&format!("netns add {far}")) {
            farend_effort::skip("network namespaces need root and iproute2");
            return None;
        }
        let steps = [
            format!(
                "link add {TESTER_IF} netns {near} type veth peer name {REFLECTOR_IF} netns {far}"
            ),
            format!("-n {near} addr add 198.18.0.1/24 dev {TESTER_IF}"),
            format!("-n {far} addr add 198.18.0.2/24 dev {REFLECTOR_IF}"),
            format!("-n {near} addr add 2001:2::1/64 dev {TESTER_IF} nodad"),
            format!("-n {far} addr add 2001:2::2/64 dev {REFLECTOR_IF} nodad"),
            format!("-n {near} link set {TESTER_IF} mtu 9000 up"),
            format!("-n {far} link set {REFLECTOR_IF} mtu 9000 up"),
        ];
        for step in &steps {
            assert!(ip(step), "ip {step}");
        }
        Some(lab)
    }

    fn probe(&self, arguments: &str) -> Probed {
        self.probe_by_socket(&format!("{arguments} --interface {TESTER_IF}"))
    }

    fn probe_by_socket(&self, arguments: &str) -> Probed {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.near, TESTER, "probe"])
            .args(arguments.split_whitespace())
            .args(["--json", "--wait-ms", "500"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        read(output)
    }

    /// Moves the calling thread to the far namespace.
    fn enter_far(&self) {
        Self::enter(&self.far);
    }

    fn enter(namespace: &str) {
        let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            ip(&format!("netns del {name}"));
        }
    }
}

/// What a reflector saw of the frames that it answered.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// A reflector in the far namespace. `meddle` may change an answer, or drop it
/// by emptying it.
struct Reflector {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    seen: Seen,
}

impl Reflector {
    fn new(
        lab: &Lab,
        policy: impl FnOnce(Builder) -> Builder + Send,
        mut meddle: impl FnMut(usize, &mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Seen::default();
        let (transmit, receive, policy) = thread::scope(|scope| {
            let open = scope.spawn(|| {
                lab.enter_far();
                let interface = Interface::find(REFLECTOR_IF).unwrap();
                let builder = Policy::builder().own_mac(interface.mac());
                let (transmit, receive) = interface.open().unwrap();
                (transmit, receive, policy(builder).build().unwrap())
            });
            open.join().unwrap()
        });
        let (stopped, frames) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = thread::spawn(move || {
            let (mut transmit, mut receive) = (transmit, receive);
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let mut answers = Vec::new();
                receive
                    .receive(20, &mut |arrival| {
                        let mut frame = arrival.octets.to_vec();
                        if let Some(tag) = arrival.outer_tag {
                            let [a, b] = tag.ether_type.0.to_be_bytes();
                            let [c, d] = tag.control.to_be_bytes();
                            frame.splice(12..12, [a, b, c, d]);
                        }
                        let sent = frame.clone();
                        if reflect(frame.as_mut_slice(), &policy, &mut ()).is_sent() {
                            frames.lock().unwrap().push(sent);
                            meddle(number, &mut frame);
                            number += 1;
                            answers.push(frame);
                        }
                    })
                    .unwrap();
                for answer in answers.iter().filter(|answer| !answer.is_empty()) {
                    transmit.send(answer).unwrap();
                }
            }
        });
        Self { stop, thread: Some(thread), seen }
    }

    fn faithful(lab: &Lab) -> Self {
        Self::new(lab, |builder| builder, |_, _| ())
    }

    /// How many frames it has answered so far.
    fn answered(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn seen(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn assert_clean(probed: &Probed, frames: u64) {
    assert_eq!(probed.code, Some(0), "{}", probed.stderr);
    assert_eq!(probed.summary["verdict"], "pass");
    for run in &probed.runs {
        assert_eq!(number(run, "sent"), frames, "{run}");
        assert_eq!(number(run, "received"), frames, "{run}");
        for count in ["duplicated", "reordered", "corrupted", "foreign", "send_refused"] {
            assert_eq!(number(run, count), 0, "{count} in {run}");
        }
        assert_eq!(run["timestamps"], "kernel");
        assert_eq!(run["path"], "packet");
    }
}

#[test]
fn a_64_octet_frame_is_60_octets_on_veth_and_every_size_comes_back() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    let sizes = [64, 65, 69, 70, 128, 1518, 1522, 9018];
    let list = sizes.map(|size| size.to_string()).join(",");
    for threads in [1, 2] {
        let probed =
            lab.probe(&format!("198.18.0.2 --frame-octets {list} --count 100 --threads {threads}"));
        assert_clean(&probed, 100);
        assert_eq!(probed.runs.len(), sizes.len());
        let seen: Vec<usize> = reflector.seen().iter().map(Vec::len).collect();
        let wanted = sizes.iter().flat_map(|size| [size - 4; 100]);
        assert!(seen.into_iter().eq(wanted), "the sizes, without FCS, in order");
    }
}

#[test]
fn ipv6_and_every_signature_come_back() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    for signature in ["probeot", "data_ot", "latency", "rfc2544", "y1564", "msnseed"] {
        let options = format!("--signature {signature} --count 20 --frame-octets 84,90,1518");
        assert_clean(&lab.probe(&format!("2001:2::2 {options}")), 20);
        assert_clean(&lab.probe(&format!("198.18.0.2 {options} --dscp 46 --ttl 9")), 20);
    }
    // Version, traffic class of 46 << 2, TTL.
    let seen = reflector.seen();
    let last = seen.last().unwrap();
    assert_eq!((last[14], last[15], last[22]), (0x45, 0xb8, 9));
}

#[test]
fn tags_go_forth_and_back() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    // Nobody answers ARP on a VLAN that the far host does not have.
    let far_mac = mac_of(&lab);
    for (vlan, tags, least) in [("100", "8100 0064", 68), ("200,300", "88a8 00c8 8100 012c", 72)] {
        let options = format!(
            "198.18.0.2 --vlan {vlan} --target-mac {far_mac} --count 50 \
             --frame-octets {least},1522"
        );
        assert_clean(&lab.probe(&options), 50);
        for frame in reflector.seen() {
            let octets = tags.split(' ').count() * 2;
            let hex: Vec<String> = frame[12..12 + octets]
                .chunks(2)
                .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]))
                .collect();
            assert_eq!(hex.join(" "), tags);
        }
    }
}

fn mac_of(lab: &Lab) -> String {
    thread::scope(|scope| {
        let find = scope.spawn(|| {
            lab.enter_far();
            Interface::find(REFLECTOR_IF).unwrap().mac().to_string()
        });
        find.join().unwrap()
    })
}

#[test]
fn a_reflector_that_exchanges_less_is_understood() {
    for mode in [Mode::Mac, Mode::MacIp, Mode::All] {
        let Some(lab) = Lab::new() else { return };
        let guards = Guards::ALL.without(Guards::LOOP_RISK);
        let _reflector =
            Reflector::new(&lab, move |builder| builder.mode(mode).guards(guards), |_, _| ());
        assert_clean(&lab.probe("198.18.0.2 --count 50 --frame-octets 64"), 50);
    }
}

#[test]
fn damage_on_the_way_back_is_found_by_the_checksum_too() {
    let Some(lab) = Lab::new() else { return };
    let _reflector = Reflector::new(
        &lab,
        |builder| builder,
        |number, frame| match number % 10 {
            // A sequence number: only the checksum tells.
            0 => frame[14 + 20 + 8 + 10] ^= 1,
            // Padding, with a checksum that was made 0, which means none.
            1 => {
                frame[100] ^= 1;
                frame[40..42].fill(0);
            }
            // A tag that was never sent.
            2 => drop(frame.splice(12..12, [0x81, 0, 0, 5])),
            // Lost.
            3 => frame.clear(),
            // No checksum at all is sound over IPv4.
            4 => frame[40..42].fill(0),
            _ => {}
        },
    );
    let probed = lab.probe("198.18.0.2 --count 200 --frame-octets 256");
    assert_eq!(probed.count("corrupted"), 60);
    assert_eq!(probed.count("received"), 120);
    assert_eq!(probed.count("loss_causes.network_or_reflector"), 20);
    assert_eq!(probed.count("duplicated"), 0);
}

#[test]
fn our_own_frames_and_foreign_ones_are_told_apart() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    let other = thread::scope(|scope| {
        let other = scope.spawn(|| lab.probe("198.18.0.2 --count 300 --frame-octets 128"));
        let probed = lab.probe("198.18.0.2 --count 300 --frame-octets 128");
        assert_eq!(probed.count("received"), 300, "{:?}", probed.runs);
        assert_eq!(probed.count("corrupted"), 0);
        other.join().unwrap()
    });
    assert_eq!(other.count("received"), 300);
    assert_eq!(reflector.seen().len(), 600);
}

#[test]
fn what_does_not_fit_the_interface_is_refused_with_its_limit() {
    let Some(lab) = Lab::new() else { return };
    let probed = lab.probe("198.18.0.2 --frame-octets 9019");
    assert_eq!(probed.code, Some(2));
    assert!(probed.stderr.contains("MTU of 9000 allows 9018"), "{}", probed.stderr);
    // One tag is granted beyond the MTU, and really goes out.
    let mac = mac_of(&lab);
    let _reflector = Reflector::faithful(&lab);
    let tagged = format!("198.18.0.2 --vlan 7 --target-mac {mac} --count 20");
    assert_clean(&lab.probe(&format!("{tagged} --frame-octets 9022")), 20);
    assert_eq!(lab.probe(&format!("{tagged} --frame-octets 9023")).code, Some(2));
}

#[test]
fn nobody_there_and_nobody_listening_are_told_apart() {
    let Some(lab) = Lab::new() else { return };
    let probed = lab.probe("198.18.0.77 --count 1");
    assert_eq!(probed.code, Some(1));
    assert!(probed.stderr.contains("does not answer ARP"), "{}", probed.stderr);
    let probed = lab.probe("198.18.0.2 --count 5 --frame-octets 64");
    assert_eq!(probed.code, Some(1));
    assert!(probed.stderr.contains("XDP program"), "veth has a hint of its own");
    assert!(ip(&format!("-n {} addr del 198.18.0.1/24 dev {TESTER_IF}", lab.near)));
    let probed = lab.probe("198.18.0.2 --count 5");
    assert_eq!(probed.code, Some(2));
    assert!(probed.stderr.contains("--source-address"), "{}", probed.stderr);
    assert!(ip(&format!("-n {} link set {TESTER_IF} down", lab.near)));
    let probed = lab.probe("198.18.0.2 --count 5");
    assert_eq!(probed.code, Some(2));
    assert!(probed.stderr.contains("is down"), "{}", probed.stderr);
}

#[test]
fn answers_without_a_valid_checksum_are_named_with_the_fix() {
    let Some(lab) = Lab::new() else { return };
    // Octets go back alone: what the sender left to its hardware stays undone.
    let reflector = Reflector::faithful(&lab);
    let arguments = "198.18.0.2 --count 5 --frame-octets 64";
    let probed = lab.probe_by_socket(arguments);
    assert_eq!((probed.code, reflector.answered()), (Some(1), 5), "{}", probed.stderr);
    for part in ["dropped 5 datagrams", "UdpInCsumErrors", "ethtool -K IFACE tx off"] {
        assert!(probed.stderr.contains(part), "{part:?} not in {}", probed.stderr);
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            Lab::enter(&lab.near);
            ethtool::set_offloads_checksums(TESTER_IF, false).unwrap();
        });
    });
    assert_eq!(lab.probe_by_socket(arguments).count("received"), 5);
}

#[test]
fn an_interface_without_an_address_can_be_given_one_to_send_from() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    assert!(ip(&format!("-n {} addr flush dev {TESTER_IF}", lab.near)));
    for (target, source) in [("198.18.0.2", "198.18.0.9"), ("2001:2::2", "2001:2::9")] {
        let options = format!("{target} --source-address {source} --count 20 --frame-octets 90");
        assert_clean(&lab.probe(&options), 20);
        assert_eq!(reflector.seen().len(), 20);
    }
    let probed = lab.probe("198.18.0.2 --source-address 2001:2::9");
    assert_eq!(probed.code, Some(2));
    assert!(probed.stderr.contains("two IP versions"), "{}", probed.stderr);
}

#[test]
fn an_interface_that_goes_down_ends_the_run_with_a_reason() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    thread::scope(|scope| {
        let probed = scope.spawn(|| lab.probe("198.18.0.2 --duration 20 --frame-octets 64"));
        let deadline = Instant::now() + Duration::from_secs(20);
        while reflector.answered() < 100 {
            assert!(Instant::now() < deadline, "the tester does not send");
            thread::sleep(Duration::from_millis(2));
        }
        assert!(ip(&format!("-n {} link set {TESTER_IF} down", lab.near)));
        let probed = probed.join().unwrap();
        assert_eq!(probed.code, Some(1));
        assert!(probed.stderr.contains("Network is down"), "{}", probed.stderr);
    });
}

#[test]
fn the_host_never_tells_the_reflector_that_nobody_listens() {
    let Some(lab) = Lab::new() else { return };
    let reflector = Reflector::faithful(&lab);
    assert_clean(&lab.probe("198.18.0.2 --count 100 --frame-octets 64"), 100);
    drop(reflector);
    let snmp = Command::new("ip")
        .args(["netns", "exec", &lab.near, "cat", "/proc/net/snmp"])
        .output()
        .unwrap();
    let snmp = String::from_utf8(snmp.stdout).unwrap();
    let mut lines = snmp.lines().filter(|line| line.starts_with("Udp: "));
    let names: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let values: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let no_ports = names.iter().position(|name| *name == "NoPorts").unwrap();
    assert_eq!(values[no_ports], "0");
}

/// Who owns nothing, and has no capability.
const NOBODY: u32 = 65_534;

#[test]
fn without_the_privilege_the_capability_is_named() {
    if !rustix::process::geteuid().is_root() {
        farend_effort::skip("becoming another user needs root");
        return;
    }
    // The build folder may be closed to others.
    let folder = std::env::temp_dir().join(format!("farend-tester-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("farend-tester");
    std::fs::copy(TESTER, &copy).unwrap();
    let run = |arguments: &[&str]| {
        Command::new(&copy).arg("probe").args(arguments).uid(NOBODY).gid(NOBODY).output().unwrap()
    };
    let output = run(&["127.0.0.1", "--interface", "lo"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("CAP_NET_RAW") && stderr.contains("setcap"), "{stderr}");
    // The plain socket needs none.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let echo = thread::spawn(move || {
        let mut octets = [0; 2_000];
        for _ in 0..10 {
            let (length, from) = socket.recv_from(&mut octets).unwrap();
            socket.send_to(&octets[..length], from).unwrap();
        }
    });
    let output = run(&["127.0.0.1", "--port", &port, "--count", "10", "--frame-octets", "64"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    echo.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
