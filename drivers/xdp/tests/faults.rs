//! What goes wrong in the field, made to go wrong here: the driver between two
//! hosts, under load.
#![cfg(target_os = "linux")]

use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use aya::programs::XdpMode;
use farend_core::{Kind, Policy, reflect, reflect::signature};
use farend_lab::{
    Lab, Reflector, Wire,
    frames::Flow,
    is_skipped_without_root,
    kernel::Program,
    traffic::{Source, Tally, Traffic},
};
use rustix::process::Signal;

/// Where the driver under test is.
const DRIVER: &str = env!("CARGO_BIN_EXE_farend-xdp");

/// Frames of a load that lasts for about a second.
const LOAD_FRAMES: u32 = 2_000_000;

/// Frames of one sort of garbage at a time.
const GARBAGE_FRAMES: u32 = 50_000;

/// Frames that the ring of a veth interface holds (`VETH_RING_SIZE` of the kernel).
const RING_FRAMES: u32 = 256;

/// Longest wait for the driver to end, or to do as it is told.
const END: Duration = Duration::from_mins(1);

/// The tier and its options on the far host.
const NATIVE: [&str; 5] = ["far0", "--tier", "xdp", "--stats", "none"];

fn lab() -> Lab {
    Lab::new(Wire::default()).unwrap()
}

fn start(lab: &Lab, arguments: &[&str]) -> Reflector {
    Reflector::start(Some(&lab.far), Path::new(DRIVER), arguments).unwrap()
}

/// Traffic that the driver answers with its defaults.
fn traffic(lab: &Lab) -> Traffic<'_> {
    let policy = Policy::builder().own_mac(lab.far.mac).build().unwrap();
    let sent = Flow::ipv4(lab.near.mac, lab.far.mac).frame(64);
    let mut expected = sent.clone();
    let _reflected = reflect(&mut expected[..], &policy, &mut ());
    Traffic::new(lab, &sent, &expected).unwrap()
}

/// Sends a load and meanwhile does something else.
fn under_load(traffic: &Traffic<'_>, meanwhile: impl FnOnce()) -> Tally {
    thread::scope(|scope| {
        let load = scope.spawn(|| traffic.send(LOAD_FRAMES).unwrap());
        meanwhile();
        load.join().unwrap()
    })
}

/// A probe with a signature in its place, as a datagram's payload.
fn probe(number: u32) -> [u8; 24] {
    let mut payload = [0; 24];
    if let Some((offset, octets)) = signature::built_in(Kind::Probeot) {
        payload[offset..offset + octets.len()].copy_from_slice(octets);
    }
    payload[20..].copy_from_slice(&number.to_be_bytes());
    payload
}

#[test]
fn kill_9_leaves_no_program_behind() {
    if is_skipped_without_root() {
        return;
    }
    let lab = lab();
    let traffic = traffic(&lab);
    let mut reflector = start(&lab, &NATIVE);
    assert!(traffic.send(10_000).unwrap().returned > 0);
    let under_load = under_load(&traffic, || {
        thread::sleep(Duration::from_millis(100));
        reflector.signal(Signal::KILL).unwrap();
        reflector.wait_for(END).unwrap();
    });
    assert!(under_load.returned > 0);
    // Refused if anything were still attached.
    let _pass = Program::of_lab("farend_pass").unwrap().attach(&lab.far, XdpMode::Driver).unwrap();
    assert_eq!(traffic.send(10_000).unwrap().returned, 0);
}

#[test]
fn sigterm_under_load_answers_what_was_received_and_leaves_the_rest_to_the_host() {
    if is_skipped_without_root() {
        return;
    }
    let lab = lab();
    let _takes_returned =
        Program::of_lab("farend_pass").unwrap().attach(&lab.near, XdpMode::Driver).unwrap();
    let socket = |address| UdpSocket::bind(address).unwrap();
    let near = lab.near.namespace.run(|| socket((lab.near.ipv4, 0))).unwrap();
    let far = lab.far.namespace.run(|| socket((lab.far.ipv4, 3842))).unwrap();
    for socket in [&near, &far] {
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    }
    near.connect(far.local_addr().unwrap()).unwrap();

    let reflector = start(&lab, &["far0", "--tier", "xdp", "--stats", "json"]);
    let (sent, answered, left_to_host) = thread::scope(|scope| {
        let answered = scope.spawn(|| receive_all(&near));
        let left_to_host = scope.spawn(|| receive_all(&far));
        let mut sent = 0;
        let start = Instant::now();
        let mut is_asked = false;
        while start.elapsed() < Duration::from_millis(800) {
            near.send(&probe(sent)).unwrap();
            sent += 1;
            if !is_asked && start.elapsed() > Duration::from_millis(300) {
                reflector.signal(Signal::TERM).unwrap();
                is_asked = true;
            }
            thread::sleep(Duration::from_micros(100));
        }
        (sent, answered.join().unwrap(), left_to_host.join().unwrap())
    });
    let (status, output) = reflector.finish(END).unwrap();
    assert!(status.success(), "{status}");
    let report: serde_json::Value = serde_json::from_str(output.last().unwrap()).unwrap();
    assert_eq!(report["event"], "final", "{report}");
    assert_eq!(report["total"]["frames"]["reflected"], answered, "{report}");
    assert!(answered > 0 && left_to_host > 0, "{answered} answered, {left_to_host} left");
    // The kernel frees what is in the ring of the wire when the program goes, and
    // counts it nowhere: a ring's worth at most, once.
    let lost = sent - answered - left_to_host;
    assert!(lost <= RING_FRAMES, "{lost} of {sent} lost; {answered} answered, {left_to_host} left");
}

/// Datagrams until none comes any more, after at least one.
fn receive_all(socket: &UdpSocket) -> u32 {
    let mut octets = [0; 64];
    let mut received = 0;
    let give_up = Instant::now() + END;
    while Instant::now() < give_up {
        match socket.recv(&mut octets) {
            Ok(_) => received += 1,
            Err(_) if received > 0 => break,
            Err(_) => {}
        }
    }
    received
}

#[test]
fn reload_under_load_loses_no_frame() {
    if is_skipped_without_root() {
        return;
    }
    let lab = lab();
    let _takes_returned =
        Program::of_lab("farend_pass").unwrap().attach(&lab.near, XdpMode::Driver).unwrap();
    let config = Config::new("port = 3842\n");
    let mut arguments = NATIVE.to_vec();
    arguments.extend(["--config", config.path()]);
    let reflector = start(&lab, &arguments);
    let near = lab.near.namespace.run(|| UdpSocket::bind((lab.near.ipv4, 0)).unwrap()).unwrap();
    near.connect((lab.far.ipv4, 3842)).unwrap();
    let is_over = AtomicBool::new(false);
    let (sent, answered) = thread::scope(|scope| {
        let exchange = scope.spawn(|| exchange(&near, &is_over));
        for turn in 0..10 {
            let said = reloads(&reflector);
            config.write(["port = 3842\noui = \"any\"\n", "port = 3842\n"][turn % 2]);
            reflector.signal(Signal::HUP).unwrap();
            await_that(&reflector, || reloads(&reflector) > said);
        }
        is_over.store(true, Ordering::Relaxed);
        exchange.join().unwrap()
    });
    assert!(sent > 1_000, "{sent}");
    assert_eq!(answered, sent, "{:?}", reflector.said());

    // And a reload is a reload.
    let said = reloads(&reflector);
    config.write("port = 4000\n");
    reflector.signal(Signal::HUP).unwrap();
    await_that(&reflector, || reloads(&reflector) > said);
    near.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    near.send(&probe(0)).unwrap();
    assert!(near.recv(&mut [0; 64]).is_err(), "answered at the old port");
}

/// How many reloads are in force so far.
fn reloads(reflector: &Reflector) -> usize {
    reflector.said().iter().filter(|line| line.contains("are in force")).count()
}

fn await_that(reflector: &Reflector, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + END;
    while !is_so() {
        assert!(Instant::now() < deadline, "{:?}", reflector.said());
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends probes and receives answers, so few under way that no ring overflows,
/// until it is over and none is under way. Gives both numbers.
fn exchange(socket: &UdpSocket, is_over: &AtomicBool) -> (u32, u32) {
    const WINDOW: u32 = 32;
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut sent, mut answered) = (0, 0);
    loop {
        while !is_over.load(Ordering::Relaxed) && sent - answered < WINDOW {
            socket.send(&probe(sent)).unwrap();
            sent += 1;
        }
        if sent == answered || socket.recv(&mut [0; 64]).is_err() {
            return (sent, answered);
        }
        answered += 1;
    }
}

#[test]
fn a_deleted_interface_ends_the_driver_with_a_reason() {
    if is_skipped_without_root() {
        return;
    }
    let lab = lab();
    let mut reflector = start(&lab, &NATIVE);
    lab.near.delete_interface().unwrap();
    let status = reflector.wait_for(END).unwrap();
    assert_eq!(status.code(), Some(1), "{:?}", reflector.said());
    assert!(reflector.is_said("far0"), "{:?}", reflector.said());
}

#[test]
fn a_probe_stream_is_answered_beside_garbage_at_full_rate() {
    if is_skipped_without_root() {
        return;
    }
    let lab = lab();
    let _takes_returned =
        Program::of_lab("farend_pass").unwrap().attach(&lab.near, XdpMode::Driver).unwrap();
    let reflector = start(&lab, &["far0", "--tier", "xdp", "--stats", "json"]);
    let sources: Vec<_> = garbage(&lab).iter().map(|frame| Source::new(frame).unwrap()).collect();
    let near = lab.near.namespace.run(|| UdpSocket::bind((lab.near.ipv4, 0)).unwrap()).unwrap();
    near.connect((lab.far.ipv4, 3842)).unwrap();
    near.set_read_timeout(Some(Duration::from_millis(100))).unwrap();

    let time = Duration::from_secs(if farend_effort::is_long() { 10 } else { 2 });
    let end = Instant::now() + time;
    let (sent, answered) = thread::scope(|scope| {
        scope.spawn(|| {
            for source in sources.iter().cycle().take_while(|_| Instant::now() < end) {
                source.send(&lab.near, GARBAGE_FRAMES).unwrap();
            }
        });
        let mut sent = 0;
        let mut answered = 0;
        while Instant::now() < end {
            near.send(&probe(sent)).unwrap();
            sent += 1;
            let mut answer = [0; 64];
            answered += u32::from(near.recv(&mut answer).is_ok_and(|octets| octets == 24));
        }
        (sent, answered)
    });
    // The ring of the far interface is the garbage's too, and may be full. What gets
    // through it is answered, each probe once.
    assert!(answered > 100, "{answered} of {sent} probes answered");
    reflector.signal(Signal::TERM).unwrap();
    let (status, output) = reflector.finish(END).unwrap();
    assert!(status.success(), "{status}");
    let report: serde_json::Value = serde_json::from_str(output.last().unwrap()).unwrap();
    assert_eq!(report["total"]["reflected"]["probeot"], answered, "{report}");
}

/// Frames of ours with some octets changed, the same on every run.
fn garbage(lab: &Lab) -> Vec<Vec<u8>> {
    let flows = [
        Flow::ipv4(lab.near.mac, lab.far.mac),
        Flow::ipv6(lab.near.mac, lab.far.mac),
        Flow::ipv4(lab.near.mac, lab.far.mac).tagged(&[(0x8100, 5), (0x8100, 6)]),
    ]
    // Counted apart from the probes.
    .map(|flow| Flow { signature: Kind::Rfc2544, ..flow });
    let mut random = fastrand::Rng::with_seed(7);
    let mut frames = Vec::new();
    for number in 0..30 {
        let mut frame = flows[number % flows.len()].frame(100);
        for _change in 0..=number % 4 {
            // Behind the addresses: garbage that is not for us is none.
            frame[12 + random.usize(..50)] = random.u8(..);
        }
        frames.push(frame);
    }
    frames
}

/// A configuration file of one test.
struct Config(PathBuf);

impl Config {
    fn new(text: &str) -> Self {
        let name = format!("farend-faults-{}.toml", process::id());
        let config = Self(std::env::temp_dir().join(name));
        config.write(text);
        config
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// At once, so that no reader sees half of it.
    fn write(&self, text: &str) {
        let new = self.0.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &self.0).unwrap();
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}
