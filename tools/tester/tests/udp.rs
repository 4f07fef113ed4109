//! The tester over a UDP socket, against an echo that misbehaves on purpose:
//! every fault must be found in its own count.

mod common;

use std::{
    net::{SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::{Probed, TESTER, number, read};
use farend_core::{
    Kind,
    measure::probe::{Flags, Probe},
};
use rustix::process::{Pid, Signal, kill_process};

/// Runs `probe` with these arguments and `--json`.
fn probe(arguments: &str) -> Probed {
    let mut command = Command::new(TESTER);
    command.arg("probe").args(arguments.split_whitespace()).arg("--json");
    read(command.stdin(Stdio::null()).output().expect("the tester starts"))
}

/// An echo on loopback whose answers to a datagram are up to a function of its
/// number and octets.
struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    /// Answers that were sent so far.
    sent: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn new(answer: impl FnMut(usize, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::on("127.0.0.1:0", answer)
    }

    fn on(
        address: &str,
        mut answer: impl FnMut(usize, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        // The other tests may keep this thread from its CPU for a while, and
        // what an echo loses is lost.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sent = Arc::new(AtomicUsize::new(0));
        let answers_sent = Arc::clone(&sent);
        let thread = thread::spawn(move || {
            let mut octets = vec![0; 65_536];
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut octets) else { continue };
                for answer in answer(number, octets[..length].to_vec()) {
                    let _ = socket.send_to(&answer, from);
                    answers_sent.fetch_add(1, Ordering::Relaxed);
                }
                number += 1;
            }
        });
        Self { address, stop, sent, thread: Some(thread) }
    }

    /// Waits until so many answers were sent.
    fn await_answers(&self, wanted: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.sent.load(Ordering::Relaxed) < wanted {
            assert!(Instant::now() < deadline, "{} answers", self.sent.load(Ordering::Relaxed));
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn probe(&self, arguments: &str) -> Probed {
        probe(&self.arguments(arguments))
    }

    fn arguments(&self, arguments: &str) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!("{ip} --port {port} --wait-ms 500 {arguments}")
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn a_faithful_echo_loses_nothing_at_any_size() {
    for threads in [1, 2] {
        let echo = Echo::new(|_, octets| vec![octets]);
        let sizes = "64,65,69,70,71,128,1518,9018";
        let probed = echo.probe(&format!("--frame-octets {sizes} --count 200 --threads {threads}"));
        assert_eq!(probed.code, Some(0), "{}", probed.stderr);
        assert_eq!(probed.runs.len(), 8);
        assert_eq!(probed.summary["verdict"], "pass");
        for run in &probed.runs {
            assert_eq!(number(run, "sent"), 200);
            assert_eq!(number(run, "received"), 200);
            assert_eq!(number(run, "round_trip_ns.count"), 200);
            for count in ["duplicated", "reordered", "corrupted", "foreign", "send_refused"] {
                assert_eq!(number(run, count), 0, "{count}");
            }
            let is_compact = number(run, "payload_octets") < 24;
            assert_eq!(run["form"], if is_compact { "compact" } else { "full" });
            let source = if cfg!(target_os = "linux") { "kernel" } else { "user" };
            assert_eq!(run["timestamps"], source);
            assert!(number(run, "round_trip_ns.min") > 0);
            assert!(number(run, "round_trip_ns.p50") <= number(run, "round_trip_ns.p99"));
        }
    }
}

#[test]
fn a_frame_size_means_the_payload_that_makes_it() {
    let (send, received) = std::sync::mpsc::channel();
    let echo = Echo::new(move |_, octets| {
        let _ = send.send(octets.len());
        vec![octets]
    });
    assert_eq!(echo.probe("--frame-octets 64,1518 --count 1").code, Some(0));
    assert_eq!(received.try_iter().collect::<Vec<_>>(), [18, 1472]);
}

#[test]
fn every_signature_comes_back_over_both_ip_versions() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let echo = Echo::on(address, |_, octets| vec![octets]);
        for signature in ["probeot", "data_ot", "latency", "rfc2544", "y1564", "msnseed"] {
            let probed = echo.probe(&format!(
                "--signature {signature} --count 20 --frame-octets 84 --dscp 46 --ttl 3"
            ));
            assert_eq!(probed.code, Some(0), "{}", probed.stderr);
            assert_eq!(probed.count("received"), 20);
            assert_eq!(probed.runs[0]["signature"], signature);
        }
    }
}

#[test]
fn dropped_answers_are_lost_and_not_our_own_fault() {
    for (limit, code, verdict) in [("9.9", 1, "fail"), ("10", 0, "pass")] {
        let echo = Echo::new(|number, octets| if number % 10 == 3 { vec![] } else { vec![octets] });
        let probed = echo.probe(&format!("--count 500 --frame-octets 100 --max-loss {limit}"));
        assert_eq!(probed.count("lost"), 50);
        assert_eq!(probed.count("loss_causes.network_or_reflector"), 50);
        assert_eq!(probed.count("loss_causes.receive_overflow"), 0);
        assert_eq!(probed.code, Some(code));
        assert_eq!(probed.summary["verdict"], verdict);
    }
}

#[test]
fn duplicated_answers_are_counted_once_as_received() {
    let echo = Echo::new(
        |number, octets| {
            if number % 7 == 0 { vec![octets.clone(), octets] } else { vec![octets] }
        },
    );
    let probed = echo.probe("--count 70 --frame-octets 64");
    assert_eq!(probed.count("received"), 70);
    assert_eq!(probed.count("duplicated"), 10);
    assert_eq!(probed.count("round_trip_ns.count"), 70);
}

#[test]
fn late_answers_are_reordered_and_not_lost() {
    let mut held = None;
    let echo = Echo::new(move |number, octets| {
        if number % 2 == 0 {
            held = Some(octets);
            return vec![];
        }
        [Some(octets), held.take()].into_iter().flatten().collect()
    });
    let probed = echo.probe("--count 100 --frame-octets 64");
    assert_eq!(probed.count("received"), 100);
    assert_eq!(probed.count("reordered"), 50);
    assert_eq!(probed.count("duplicated"), 0);
}

#[test]
fn damaged_answers_are_corrupted_and_count_as_lost() {
    let echo = Echo::new(|number, mut octets| {
        match number % 5 {
            1 => octets[90] ^= 0x40,
            2 => octets.truncate(99),
            3 => octets.push(0),
            _ => {}
        }
        vec![octets]
    });
    let probed = echo.probe("--count 100 --frame-octets 150");
    assert_eq!(probed.count("corrupted"), 60);
    assert_eq!(probed.count("received"), 40);
    assert_eq!(probed.count("loss_causes.corrupted"), 60);
}

#[test]
fn another_stream_is_foreign() {
    let echo = Echo::new(|_, octets| {
        let (probe, _) = Probe::parse(&octets).unwrap();
        let other =
            Probe { stream: !probe.stream, kind: Kind::Rfc2544, flags: Flags::NONE, ..probe };
        let mut foreign = octets.clone();
        other.write_payload(&mut foreign).unwrap();
        vec![octets, foreign]
    });
    let probed = echo.probe("--count 30 --frame-octets 200");
    assert_eq!(probed.count("received"), 30);
    assert_eq!(probed.count("foreign"), 30);
    assert_eq!(probed.count("corrupted"), 0);
}

#[test]
fn stragglers_are_waited_for() {
    let mut held = Vec::new();
    let echo = Echo::new(move |number, octets| {
        held.push(octets);
        if number < 49 {
            return vec![];
        }
        thread::sleep(Duration::from_millis(200));
        std::mem::take(&mut held)
    });
    let probed = echo.probe("--count 50 --frame-octets 64");
    assert_eq!(probed.count("received"), 50);
    assert!(probed.count("round_trip_ns.min") > 190_000_000);
}

#[test]
fn a_limit_on_p99_fails_the_run() {
    let echo = Echo::new(|_, octets| {
        thread::sleep(Duration::from_millis(2));
        vec![octets]
    });
    let probed = echo.probe("--count 20 --rate 100 --frame-octets 64 --max-p99 1000");
    assert_eq!(probed.code, Some(1));
    assert!(probed.runs[0]["failures"][0].as_str().unwrap().starts_with("p99 is "));
    let probed = echo.probe("--count 20 --rate 100 --frame-octets 64 --max-p99 10000000");
    assert_eq!(probed.code, Some(0));
}

#[test]
fn silence_says_what_to_check() {
    let echo = Echo::new(|_, _| vec![]);
    let probed = echo.probe("--count 5 --frame-octets 64,128");
    assert_eq!(probed.code, Some(1));
    assert_eq!(probed.runs.len(), 1, "no further size is tried");
    assert!(probed.stderr.contains("is the reflector running"), "{}", probed.stderr);
    assert!(probed.stderr.contains("--port"), "{}", probed.stderr);
}

#[test]
fn a_closed_port_is_told_from_silence() {
    let closed = farend_effort::own_port();
    let probed =
        probe(&format!("127.0.0.1 --port {closed} --count 5 --frame-octets 64 --wait-ms 100"));
    assert_eq!(probed.code, Some(1));
    assert!(probed.count("undeliverable") > 0);
    assert!(probed.stderr.contains("unreachable"), "{}", probed.stderr);
}

/// A sender that the other tests keep from its CPU says so, and sends less.
fn assert_all_due_were_sent(probed: &Probed, due: u64) {
    let (sent, slips) = (probed.count("sent"), probed.count("pacing_slips"));
    assert!(sent == due || sent < due && slips > 0, "{sent} sent, {slips} slips");
}

#[test]
fn the_asked_rate_is_offered() {
    let echo = Echo::new(|_, octets| vec![octets]);
    let probed = echo.probe("--rate 500 --duration 1 --frame-octets 64");
    assert_all_due_were_sent(&probed, 500);
    let run = &probed.runs[0];
    assert_eq!(run["asked"]["frames_per_s"], 500.0);
    assert_eq!(run["asked"]["l1_bits_per_s"], 500.0 * 84.0 * 8.0);
    let offered = run["offered"]["frames_per_s"].as_f64().unwrap();
    // Slower on a machine that is busy with other tests; never faster.
    assert!(offered < 510.0, "{offered}");
}

#[test]
fn bandwidth_and_warm_up_are_understood() {
    let echo = Echo::new(|_, octets| vec![octets]);
    let probed =
        echo.probe("--bandwidth 1M --duration 0.5 --frame-octets 1518 --warm-up 0.2 --rate 1000");
    assert_eq!(probed.code, Some(2), "--rate and --bandwidth contradict each other");
    let probed = echo.probe("--bandwidth 1M --duration 0.5 --frame-octets 1518 --warm-up 0.2");
    assert_eq!(probed.code, Some(0), "{}", probed.stderr);
    assert_all_due_were_sent(&probed, 40);
    assert_eq!(probed.runs.len(), 1, "the warm-up is no run");
}

#[test]
fn as_fast_as_it_goes_ends_in_time() {
    let echo = Echo::new(|_, octets| vec![octets]);
    let probed = echo.probe("--rate max --duration 0.5 --frame-octets 64");
    assert!(probed.count("sent") > 1_000);
    assert!(probed.count("received") > 100);
    assert_eq!(probed.runs[0]["asked"], serde_json::Value::Null);
}

fn start(echo: &Echo, arguments: &str) -> Child {
    let arguments = echo.arguments(arguments);
    Command::new(TESTER)
        .arg("probe")
        .args(arguments.split_whitespace())
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn an_interrupt_ends_sending_and_reports_what_there_is() {
    let echo = Echo::new(|_, octets| vec![octets]);
    let child = start(&echo, "--duration 60 --frame-octets 64,128");
    echo.await_answers(20);
    signal(&child, Signal::INT);
    let probed = read(child.wait_with_output().unwrap());
    assert_eq!(probed.code, Some(0), "{}", probed.stderr);
    assert_eq!(probed.runs.len(), 1);
    assert_eq!(probed.summary["is_interrupted"], true);
    assert!(probed.count("sent") > 10);
    assert_eq!(probed.count("lost"), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_receive_buffer_is_our_own_loss() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (ready, all_held) = std::sync::mpsc::channel::<()>();
    let echo = Echo::new(move |number, octets| {
        held.push(octets);
        if number < 99 {
            return vec![];
        }
        ready.send(()).unwrap();
        wait.recv().unwrap();
        // Far more than any buffer holds, then the real answers.
        let mut answers = vec![held[0].clone(); 4_000];
        answers.append(&mut held);
        answers
    });
    let child = start(&echo, "--count 100 --rate 500 --frame-octets 9018 --wait-ms 4000");
    all_held.recv_timeout(Duration::from_secs(10)).unwrap();
    signal(&child, Signal::STOP);
    go.send(()).unwrap();
    echo.await_answers(4_100);
    signal(&child, Signal::CONT);
    let probed = read(child.wait_with_output().unwrap());
    assert_eq!(probed.count("sent"), 100);
    assert!(probed.count("duplicated") > 100);
    assert!(probed.count("lost") > 0);
    assert_eq!(probed.count("loss_causes.receive_overflow"), probed.count("lost"));
}

#[test]
fn wrong_arguments_are_one_clear_line_and_exit_code_2() {
    for (arguments, wanted) in [
        ("127.0.0.1 --frame-octets 63", "least"),
        ("::1 --frame-octets 64", "84"),
        ("127.0.0.1 --frame-octets 70000", "too large"),
        ("127.0.0.1 --interface no-such-if", "there are: lo"),
        ("127.0.0.1 --rate fast", "frames a second"),
        ("127.0.0.1 --signature abc", "rfc2544"),
        ("224.0.0.1", "no single host"),
        ("127.0.0.1 --duration 0", "above 0"),
        ("127.0.0.1 --rate 100M --duration 1000", "sequence numbers"),
        ("127.0.0.1 --vlan 5", "--interface"),
    ] {
        let probed = probe(arguments);
        assert_eq!(probed.code, Some(2), "{arguments}: {}", probed.stderr);
        assert!(probed.stderr.contains(wanted), "{arguments}: {}", probed.stderr);
        assert!(probed.runs.is_empty());
    }
}

#[test]
fn a_name_that_is_not_found_is_an_error_at_run_time() {
    let probed = probe("no-such-host.invalid --count 1");
    assert_eq!(probed.code, Some(1));
    assert!(probed.stderr.contains("no-such-host.invalid"), "{}", probed.stderr);
}

#[test]
fn text_ends_with_the_verdict() {
    let echo = Echo::new(|_, octets| vec![octets]);
    let arguments = echo.arguments("--count 10 --frame-octets 64,1518");
    let output =
        Command::new(TESTER).arg("probe").args(arguments.split_whitespace()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("pass: 0 of 2 runs failed, 0 of 20 frames lost\n"), "{text}");
    assert!(text.contains("p99.99"));
    assert!(output.stderr.is_empty(), "no progress bar where there is no terminal");
}

/// Keys of an object, and of those in it.
fn keys(value: &serde_json::Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        keys.push(key.clone());
        keys.extend(self::keys(value).iter().map(|inner| format!("{key}.{inner}")));
    }
    keys
}

#[test]
fn documented_lines_have_the_fields_of_real_ones() {
    let text = include_str!("../../../docs/tester.md");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .filter(|line| line.starts_with(r#"{"schema":"farend.probe""#))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let probed = Echo::new(|_, octets| vec![octets]).probe("--count 20 --frame-octets 64");
    assert_eq!(probed.code, Some(0), "{}", probed.stderr);
    let real = [probed.runs[0].clone(), probed.summary.clone()];
    assert_eq!(
        lines.iter().map(keys).collect::<Vec<_>>(),
        real.iter().map(keys).collect::<Vec<_>>()
    );
}
